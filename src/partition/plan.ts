/**
 * Which rows make which shard? A function of the row count and the job's shard count alone, so that the bits of a
 * sum over shards depend on the job and on nothing else.
 */
import { invariant } from '../errors.ts';
import { blockRows } from '../kernels/block.ts';

/** Rows [begin, end) of the tracers; `index` is the shard's place in the tree. */
export interface ShardRange {
  readonly index: number;
  readonly begin: number;
  readonly end: number;
}

/**
 * The shards of a job: consecutive ranges that cover rows [0, rows) once, in order.
 *
 * Shard s holds blocks [⌊s·B/S⌋, ⌊(s+1)·B/S⌋) of B = ⌈rows/256⌉, so every shard but the last is whole blocks and
 * sizes differ by at most one block. With fewer blocks than shards the rows themselves are dealt out the same way
 * (each shard then starts its own block), and with fewer rows than shards there are as many shards as rows.
 *
 * @param rows - N ≥ 0; 0 rows make 0 shards
 * @param shards - S ≥ 1, as the job says
 */
export function planShards(rows: number, shards: number): readonly ShardRange[] {
  invariant(Number.isSafeInteger(rows) && rows >= 0, 'the job has counted its rows');
  invariant(Number.isSafeInteger(shards) && shards >= 1, 'the job has at least one shard');
  const blocks = Math.ceil(rows / blockRows);
  const unit = blocks >= shards ? blockRows : 1;
  const units = Math.ceil(rows / unit);
  const count = Math.min(shards, units);
  const edge = (shard: number): number => Math.min(rows, dealt(shard, units, count) * unit);
  return Array.from({ length: count }, (_, index) => ({ index, begin: edge(index), end: edge(index + 1) }));
}

/** ⌊shard · units / count⌋, exact also where the product leaves the integers a double holds. */
function dealt(shard: number, units: number, count: number): number {
  return shard * Math.floor(units / count) + Math.floor((shard * (units % count)) / count);
}

/** Blocks of a shard. */
export function blocksOf(shard: ShardRange): number {
  return Math.ceil((shard.end - shard.begin) / blockRows);
}
