/**
 * Which answers of a worker go out as one? Those of whole subtrees of the coordinator's tree: added here, with the bits they
 * would have there, so that what a worker sends depends on the sources, and hardly on how many shards it has.
 */
import { addPair, type Entry } from '../partition/adding.ts';
import { countMax, type LeafName, type LeafPartial, type Posting } from '../protocol.ts';
import type { Partial } from './engine/engine.ts';

/** What leaves in a row answer together. */
export interface Combined extends Pick<Posting, 'answer' | 'count' | 'leaf'> {
  /** The answer of each, to be had where the sum is not taken. */
  readonly parts: readonly Partial[];
}

interface Subtree extends Combined {
  readonly leaf: number;
  readonly answer: LeafPartial;
}

/**
 * Answers as they go out, shards in their order: each is added to its neighbour in the tree, and their sum to its own, as far
 * as all of it is here. A fault stays what it is, and so does the answer of the run's own leaf.
 *
 * @param isAlone - leaves that are not added to others here
 */
export function combine(
  entries: readonly Entry[],
  partials: readonly Partial[],
  isAlone: (leaf: LeafName) => boolean,
): readonly Combined[] {
  const single: Combined[] = [];
  const shards: Subtree[] = [];
  for (const partial of partials) {
    const { leaf, ...answer } = partial;
    const parts = [partial];
    if (leaf === 'sources' || answer.kind !== 'partial' || isAlone(leaf))
      single.push({ leaf, count: 1, answer, parts });
    else shards.push({ leaf, count: 1, answer, parts });
  }
  // What stands on the stack waits for its right neighbour, as the tree of the coordinator does.
  const stack: Subtree[] = [];
  for (let last of shards.sort((a, b) => a.leaf - b.leaf)) {
    for (let left = stack.at(-1); left !== undefined && areSiblings(left, last); left = stack.at(-1)) {
      stack.pop();
      last = together(entries, left, last);
    }
    stack.push(last);
  }
  return [...stack, ...single];
}

/** Whether two subtrees are the halves of one. */
function areSiblings(left: Subtree, right: Subtree): boolean {
  const { leaf, count } = left;
  return (
    count === right.count && leaf + count === right.leaf && leaf % (2 * count) === 0 && 2 * count <= countMax
  );
}

function together(entries: readonly Entry[], left: Subtree, right: Subtree): Subtree {
  return {
    leaf: left.leaf,
    count: 2 * left.count,
    answer: { kind: 'partial', ...addPair(entries, left.answer, right.answer) },
    parts: [...left.parts, ...right.parts],
  };
}
