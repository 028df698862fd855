/**
 * Which leaves are whose, where a job is divided over a fixed number of processes? Each has a contiguous range of shards, and
 * so of tracers; the first has the run's own leaf, too.
 */
import type { Leaf } from './seats.ts';

/** One of several processes that share a job. */
export interface Part {
  /** From 0. */
  readonly index: number;
  /** How many there are. */
  readonly count: number;
}

/** Whether a leaf of a job with so many shards is this part's. */
export function isOwnLeaf({ index, count }: Part, shards: number, leaf: Leaf): boolean {
  return (leaf === 'sources' ? 0 : Math.floor((leaf * count) / shards)) === index;
}
