import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { growTree, leftCount, sumInTree } from '../../src/partition/tree.ts';

const pair = (a: string, b: string): string => `(${a} ${b})`;

/** The tree as it is defined: split at the largest power of two below n. */
function defined(leaves: readonly string[]): string {
  if (leaves.length === 1) return leaves[0]!;
  const left = leftCount(leaves.length);
  return pair(defined(leaves.slice(0, left)), defined(leaves.slice(left)));
}

const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n}`);

describe('the tree of sums', () => {
  it('splits at the largest power of two below the number of leaves', () => {
    expect([2, 3, 4, 5, 8, 9, 1000].map(leftCount)).toEqual([1, 2, 2, 4, 4, 8, 512]);
    expect(defined(names(7))).toBe('(((0 1) (2 3)) ((4 5) 6))');
  });

  it('is the same whatever order its leaves come in', () => {
    const orders = fc
      .integer({ min: 1, max: 40 })
      .chain((n) => fc.shuffledSubarray(names(n), { minLength: n, maxLength: n }));
    fc.assert(
      fc.property(orders, (order) => {
        const tree = growTree(order.length, pair);
        for (const leaf of order) {
          expect(tree.root()).toBeNull();
          tree.put(leaf, Number(leaf));
        }
        expect(tree.root()).toBe(defined(names(order.length)));
        expect(tree.held()).toBe(0);
      }),
    );
  });

  it('is the same when aligned runs of leaves were added before', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 5 }), (count, level) => {
        const run = 2 ** level;
        const tree = growTree(count, pair);
        for (let index = Math.ceil(count / run) - 1; index >= 0; index--) {
          tree.put(defined(names(count).slice(index * run, (index + 1) * run)), index, level);
        }
        expect(tree.root()).toBe(defined(names(count)));
      }),
    );
  });

  it('holds at most one result a level when leaves come in order', () => {
    const tree = growTree(1000, (a: number, b: number) => a + b);
    for (let n = 0; n < 1000; n++) {
      tree.put(1, n);
      expect(tree.held()).toBeLessThanOrEqual(10);
    }
    expect(tree.root()).toBe(1000);
  });

  it('adds arrays in the order of the tree', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1 }), (values) => {
        const tree = growTree(values.length, (a: number, b: number) => a + b);
        for (const [n, v] of values.entries()) tree.put(v, n);
        expect(sumInTree(values)).toBe(tree.root());
      }),
    );
    expect(sumInTree([])).toBe(0);
  });
});
