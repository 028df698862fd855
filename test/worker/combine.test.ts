import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Adder } from '../../src/coordinator/answers.ts';
import type { Entry } from '../../src/partition/adding.ts';
import { combine } from '../../src/worker/combine.ts';
import type { Partial } from '../../src/worker/engine/engine.ts';

const entries: readonly Entry[] = [
  { by: 'sum', linear: true },
  { by: 'min', linear: false },
];

/** An answer whose sums depend on the order they are made in. */
function partialOf(leaf: number | 'sources', seed: number): Partial {
  const value = (k: number): number => Math.sin(1 + seed * 7919 + k * 104_729) * 10 ** ((seed + k) % 5);
  const own = leaf === 'sources';
  return {
    kind: 'partial',
    leaf,
    sums: own ? new Float64Array(0) : Float64Array.of(value(0), Math.fround(seed % 3)),
    winners: own ? new Float64Array(0) : Float64Array.of(-1, seed),
    loss: own ? value(1) : 0,
    gradient: Float64Array.of(value(2), value(3), value(4)),
    seeds: null,
    sourceStates: null,
  };
}

const fault = (leaf: number): Partial => ({
  kind: 'non-finite',
  leaf,
  group: 'tracers',
  what: 'state',
  row: leaf,
  step: 0,
});

const spans = (partials: readonly Partial[], alone: readonly (number | 'sources')[] = []): string =>
  combine(entries, partials, (leaf) => alone.includes(leaf))
    .map(({ leaf, count }) => `${leaf}+${count}`)
    .join(' ');

describe('combine', () => {
  it('adds whole subtrees, as large as they are here, in whatever order their leaves come', () => {
    const of = (...leaves: readonly number[]): readonly Partial[] =>
      leaves.map((leaf) => partialOf(leaf, leaf));
    expect(spans(of(3, 0, 2, 1))).toBe('0+4');
    expect(spans(of(1, 2, 3, 4, 5, 6, 7, 8))).toBe('1+1 2+2 4+4 8+1');
    expect(spans(of(0, 1, 3, 4, 5))).toBe('0+2 3+1 4+2');
  });

  it('leaves alone what is compared, the run’s own leaf, and what is not finite', () => {
    const partials = [0, 1, 2, 4, 5, 6, 7].map((leaf) => partialOf(leaf, leaf));
    expect(spans([...partials, fault(3), partialOf('sources', 9)], [5])).toBe(
      '0+2 2+1 4+1 6+2 5+1 3+1 sources+1',
    );
  });

  it('gives the bits that the leaves one by one give, however they are shared out', () => {
    const cases = fc.integer({ min: 1, max: 70 }).chain((count) =>
      fc.record({
        // Which worker each leaf is with, and in which order workers are heard.
        workers: fc.array(fc.nat({ max: 3 }), { minLength: count, maxLength: count }),
        order: fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }),
        own: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(cases, ({ workers, order, own }) => {
        const partials = [
          ...workers.map((_, leaf) => partialOf(leaf, leaf)),
          ...(own ? [partialOf('sources', 71)] : []),
        ];
        const leaves = partials.map(({ leaf }) => leaf);
        const [apart, together] = [new Adder(leaves, entries), new Adder(leaves, entries)];
        for (const { leaf, ...answer } of partials) if (answer.kind === 'partial') apart.put(leaf, answer);
        for (const worker of order) {
          const its = partials.filter(({ leaf }) => (leaf === 'sources' ? 0 : workers[leaf]) === worker);
          for (const { leaf, count, answer } of combine(entries, its, () => false)) {
            if (answer.kind === 'partial') together.put(leaf, answer, count);
          }
        }
        expect({ kind: 'partial', ...together.total() }).toEqual({ kind: 'partial', ...apart.total() });
      }),
    );
  });

  it('keeps the answers that a sum is made of', () => {
    const partials = [4, 5, 6, 7].map((leaf) => partialOf(leaf, leaf));
    expect(combine(entries, partials, () => false).map(({ parts }) => parts)).toEqual([partials]);
  });
});
