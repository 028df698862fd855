import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { leftCount } from '../../src/partition/tree.ts';
import { planUnits, sharesSweeps, unitBlocks } from '../../src/partition/units.ts';

const shards = fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 40 });
const threads = fc.integer({ min: 1, max: 64 });

describe('units', () => {
  it('are aligned powers of two of blocks, so that each is a subtree of its shard', () => {
    fc.assert(
      fc.property(shards, threads, (blocks, count) => {
        for (const [n, units] of planUnits(blocks, count).units.entries()) {
          const all = blocks[n] ?? 0;
          const size = unitBlocks(all, units);
          expect(Math.log2(size) % 1).toBe(0);
          expect(Math.ceil(all / size)).toBe(units);
          expect(isNode(0, all, 0, Math.min(size, all))).toBe(true);
          const last = (units - 1) * size;
          expect(isNode(0, all, last, all)).toBe(true);
        }
      }),
    );
  });

  it('leave no thread without work while there are blocks for it', () => {
    fc.assert(
      fc.property(shards, threads, (blocks, count) => {
        const all = blocks.reduce((n, b) => n + b, 0);
        const units = planUnits(blocks, count).units.reduce((n, u) => n + u, 0);
        expect(units).toBeGreaterThanOrEqual(Math.min(all, count));
      }),
      { examples: [[[1, 11, 1, 1], 10]] },
    );
  });

  it('keep a partial for each unit of a shared shard, and a stack as deep as the tree of the largest unit', () => {
    expect(planUnits([4], 2)).toEqual({ units: [4], shared: 4, stack: 1 });
    expect(planUnits([25, 25], 1)).toEqual({ units: [2, 2], shared: 4, stack: 5 });
    expect(
      planUnits(
        Array.from({ length: 16 }, () => 25),
        2,
      ),
    ).toEqual({
      units: Array.from({ length: 16 }, () => 1),
      shared: 0,
      stack: 6,
    });
  });
});

describe('sweeps over the sources are shared', () => {
  it('where there is more than a block of sources and few leaves', () => {
    expect(sharesSweeps(257, 2, 2)).toBe(true);
  });
  it.each([
    ['one thread', 1000, 1, 1],
    ['one block of sources', 256, 8, 1],
    ['leaves enough to keep all threads busy', 1000, 2, 16],
  ])('not with %s', (_, sources, count, leaves) => {
    expect(sharesSweeps(sources, count, leaves)).toBe(false);
  });
});

/** Whether [begin, end) is a node of the tree over [low, high). */
function isNode(low: number, high: number, begin: number, end: number): boolean {
  if (begin === low && end === high) return true;
  if (high - low < 2) return false;
  const middle = low + leftCount(high - low);
  return end <= middle
    ? isNode(low, middle, begin, end)
    : begin >= middle && isNode(middle, high, begin, end);
}
