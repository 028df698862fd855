import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Adder } from '../../src/coordinator/answers.ts';
import { type Entry, lossOf } from '../../src/partition/adding.ts';
import type { Leaf } from '../../src/partition/seats.ts';
import type { LeafPartial } from '../../src/protocol.ts';

/** Numbers whose sum depends on the order it is made in. */
const inexact = fc.double({ min: -1e6, max: 1e6, noNaN: true });

const linear: Entry = { by: 'sum', linear: true };

function answer(change: Partial<LeafPartial>): LeafPartial {
  const none = new Float64Array(0);
  return {
    kind: 'partial',
    sums: none,
    winners: none,
    loss: 0,
    gradient: none,
    seeds: null,
    sourceStates: null,
    ...change,
  };
}

/** The tree as the mathematics writes it: split at the largest power of two below n. */
function treeSum(values: readonly number[]): number {
  if (values.length === 1) return values[0] as number;
  let split = 1;
  while (split * 2 < values.length) split *= 2;
  return treeSum(values.slice(0, split)) + treeSum(values.slice(split));
}

describe('Adder', () => {
  it('adds in the fixed tree, in whatever order the answers come', () => {
    const cases = fc
      .array(inexact, { minLength: 1, maxLength: 40 })
      .chain((values) =>
        fc.tuple(fc.constant(values), fc.shuffledSubarray([...values.keys()], { minLength: values.length })),
      );
    fc.assert(
      fc.property(cases, fc.boolean(), ([values, order], ownLast) => {
        const leaves: readonly Leaf[] = values.map((_, k) =>
          ownLast && k === values.length - 1 ? 'sources' : k,
        );
        const adder = new Adder(leaves, [linear]);
        for (const k of order) {
          const value = values[k] as number;
          adder.put(
            leaves[k] as Leaf,
            answer({
              sums: Float64Array.of(value),
              winners: Float64Array.of(-1),
              loss: value,
              gradient: Float64Array.of(value, 1),
            }),
          );
        }
        const total = adder.total();
        expect(total.sums[0]).toBe(treeSum(values));
        expect(total.loss).toBe(treeSum(values));
        expect([...total.gradient]).toEqual([treeSum(values), values.length]);
      }),
    );
  });

  it('takes an empty array for zeros: that leaf has none', () => {
    const adder = new Adder([0, 'sources'], [linear]);
    adder.put('sources', answer({ loss: 2, gradient: Float64Array.of(0.5) }));
    adder.put(0, answer({ sums: Float64Array.of(3), winners: Float64Array.of(-1) }));
    const { sums, loss, gradient } = adder.total();
    expect({ sums: [...sums], loss, gradient: [...gradient] }).toEqual({
      sums: [3],
      loss: 2,
      gradient: [0.5],
    });
  });

  it.each([
    [
      'min',
      [
        [2, 10],
        [1, 300],
        [1, 301],
      ],
      [1, 300],
    ],
    [
      'max',
      [
        [2, 10],
        [1, 300],
        [2, 700],
      ],
      [2, 10],
    ],
    [
      'min',
      [
        [4, 5],
        [4, 3],
        [7, 0],
      ],
      [4, 3],
    ],
    [
      'min',
      [
        [0, -1],
        [9, 300],
        [0, -1],
      ],
      [9, 300],
    ],
  ] as const)(
    'keeps the %s with its row, the lower row on ties, and ignores leaves without rows',
    (by, parts, expected) => {
      const adder = new Adder([0, 1, 2], [{ by, linear: false }]);
      for (const [k, [value, row]] of parts.entries()) {
        adder.put(k, answer({ sums: Float64Array.of(value), winners: Float64Array.of(row) }));
      }
      const { sums, winners } = adder.total();
      expect([sums[0], winners[0]]).toEqual(expected);
    },
  );

  it('hands on what only the run’s own leaf has', () => {
    const adder = new Adder([0, 'sources'], []);
    adder.put(0, answer({}));
    adder.put('sources', answer({ seeds: Float64Array.of(7), sourceStates: Float64Array.of(8) }));
    expect(adder.total()).toMatchObject({ seeds: Float64Array.of(7), sourceStates: Float64Array.of(8) });
  });
});

describe('lossOf', () => {
  it('adds linear entries only: h has made its own of the others', () => {
    expect(lossOf([linear, { by: 'sum', linear: false }, linear], Float64Array.of(1, 100, 0.25), 10)).toBe(
      11.25,
    );
  });
});
