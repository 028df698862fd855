/**
 * In which order partial results meet: the one tree every sum over blocks and shards uses.
 *
 * A tree of n leaves splits at the largest power of two below n, recursively. So the subtree over leaves
 * [i·2^l, (i + 1)·2^l) is in every tree that holds these leaves, whoever adds it and whenever: aligned runs of leaves may be
 * added early, with the same bits. The error of a sum grows with log₂ n (Higham 2002, §4.2).
 */
import { invariant } from '../errors.ts';

/** Leaves of the left part of a tree of `count` ≥ 2 leaves: the largest power of two below `count`. */
export function leftCount(count: number): number {
  let left = 1;
  while (2 * left < count) left *= 2;
  return left;
}

/** Results on their way to the root of one tree. */
export interface Tree<T> {
  /**
   * Puts the result of leaves [index·2^level, (index + 1)·2^level), those beyond the last leaf left out. Subtrees may come
   * in any order, each leaf once; the root is the same.
   */
  readonly put: (value: T, index: number, level?: number) => void;
  /** The result of all leaves; null while some are missing. */
  readonly root: () => T | null;
  /** Results held until their neighbour comes. */
  readonly held: () => number;
}

/** A tree of `count` leaves whose neighbours are joined by `merge(left, right)` as soon as both are there. */
export function growTree<T>(count: number, merge: (left: T, right: T) => T): Tree<T> {
  invariant(count > 0, 'a tree has leaves');
  const waiting = new Map<number, T>();
  // A number that no other subtree has; of text, hundreds of answers would make thousands.
  const keyOf = (level: number, index: number): number => 64 * index + level;
  let root: { readonly value: T } | null = null;
  return {
    put: (leaf, start, startLevel = 0) => {
      let value = leaf;
      let index = start;
      for (let level = startLevel; 2 ** level < count; level++, index = Math.floor(index / 2)) {
        const sibling = index % 2 === 0 ? index + 1 : index - 1;
        // A subtree without a right neighbour goes up as it is.
        if (sibling * 2 ** level >= count) continue;
        const key = keyOf(level, sibling);
        const other = waiting.get(key);
        if (other === undefined) {
          waiting.set(keyOf(level, index), value);
          return;
        }
        waiting.delete(key);
        value = sibling < index ? merge(other, value) : merge(value, other);
      }
      root = { value };
    },
    root: () => root?.value ?? null,
    held: () => waiting.size,
  };
}

/** Σ of the values in the order of the tree; 0 for none. */
export function sumInTree(values: ArrayLike<number>): number {
  const sums = new Float64Array(values);
  // From the leaves up: of each pair of neighbours the left becomes their sum, and what has no right neighbour stays.
  for (let width = 1; width < sums.length; width *= 2) {
    for (let left = 0; left + width < sums.length; left += 2 * width) {
      sums[left] = (sums[left] as number) + (sums[left + width] as number); // within: left + width < length
    }
  }
  return sums[0] ?? 0;
}
