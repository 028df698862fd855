import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Assignment,
  deal,
  type Leaf,
  restrict,
  withoutSeat,
  withSeat,
} from '../../src/partition/seats.ts';

const leaves = fc.integer({ min: 0, max: 40 }).map((n): readonly Leaf[] => [...Array(n).keys(), 'sources']);
const seats = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1 });

const held = (assignment: Assignment): readonly Leaf[] => [...assignment.values()].flat();
const sorted = (list: readonly Leaf[]): readonly string[] => list.map(String).sort();

describe('seats', () => {
  it('deal every leaf to one seat, in runs that differ by at most one leaf', () => {
    fc.assert(
      fc.property(leaves, seats, (all, who) => {
        const assignment = deal(all, who);
        expect(held(assignment)).toEqual(all);
        const loads = [...assignment.values()].map((l) => l.length);
        expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('hand what a lost seat had left to the others, and lose no leaf', () => {
    fc.assert(
      fc.property(leaves, seats, (all, who) => {
        const lost = who[0] ?? 'a';
        const { assignment, orphans } = withoutSeat(deal(all, who), lost);
        expect(assignment.has(lost)).toBe(false);
        expect(sorted([...held(assignment), ...orphans])).toEqual(sorted(all));
        expect(orphans.length > 0).toBe(who.length === 1);
      }),
    );
  });

  it('keep every leaf where it is, but for the later half of the most loaded, when a seat joins', () => {
    const before = new Map([
      ['a', [0, 1, 2, 3, 4]],
      ['b', [5, 6]],
    ]);
    expect(withSeat(before, 'c', [])).toEqual(
      new Map([
        ['a', [0, 1, 2]],
        ['b', [5, 6]],
        ['c', [3, 4]],
      ]),
    );
  });

  it('give orphans to the seat that joins', () => {
    expect(withSeat(new Map([['a', [0]]]), 'b', [7, 'sources'])).toEqual(
      new Map([
        ['a', [0]],
        ['b', [7, 'sources']],
      ]),
    );
    expect(withSeat(new Map(), 'a', [])).toEqual(new Map([['a', []]]));
  });

  it('forget leaves that have an answer', () => {
    expect(restrict(new Map([['a', [0, 1, 'sources' as const]]]), (leaf) => leaf !== 1)).toEqual(
      new Map([['a', [0, 'sources']]]),
    );
  });
});
