/**
 * How the blocks of shards are handed out to threads: in units, each an aligned run of blocks and so a subtree of its
 * shard's tree. Nothing here reaches the bits.
 */

import { blockRows } from '../kernels/block.ts';

/** Units a thread should find at least, so that the last of them keep all threads busy. */
const unitsPerThread = 4;

export interface UnitPlan {
  /** Units of each shard; 1: the shard stays with one thread. */
  readonly units: readonly number[];
  /** Partials of shards that several threads share. */
  readonly shared: number;
  /** Partials a thread stacks up while it adds the blocks of a unit in the tree's order. */
  readonly stack: number;
}

/** Units for shards of so many blocks each. */
export function planUnits(blocks: readonly number[], threads: number): UnitPlan {
  const wanted = threads * unitsPerThread;
  const least = Math.min(sum(blocks), threads);
  let most = blocks.length < wanted ? Math.ceil(wanted / Math.max(1, blocks.length)) : 1;
  let units = blocks.map((b) => unitsFor(b, most));
  // Where one shard is much larger than the others it is cut further, until no thread is without work.
  while (sum(units) < least) {
    most *= 2;
    units = blocks.map((b) => unitsFor(b, most));
  }
  const largest = Math.max(1, ...blocks.map((b, n) => unitBlocks(b, units[n] ?? 1)));
  return {
    units,
    shared: units.reduce((n, u) => n + (u > 1 ? u : 0), 0),
    stack: 1 + Math.ceil(Math.log2(largest)),
  };
}

/**
 * Whether threads sweep over the sources together, one leaf after another, instead of each on its own. That needs more
 * than one block of sources, and pays while there are few leaves.
 */
export function sharesSweeps(sources: number, threads: number, leaves: number): boolean {
  return threads > 1 && sources > blockRows && leaves < 4 * threads;
}

/** Blocks of every unit but the last of a shard: a power of two. */
export function unitBlocks(blocks: number, units: number): number {
  return sizeFor(blocks, units);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** Units of a shard of so many blocks, `most` of them at most. */
const unitsFor = (blocks: number, most: number): number => Math.ceil(blocks / sizeFor(blocks, most));

/** The smallest power of two of blocks that makes at most `most` units. */
function sizeFor(blocks: number, most: number): number {
  let size = 1;
  while (Math.ceil(blocks / size) > most) size *= 2;
  return size;
}
