/**
 * Which blocks are on the device together? Tiles of whole blocks, as many as its limits and the budget allow.
 *
 * A tile never reaches the bits: a shard's sums meet in the tree whether its blocks come in one run or in several, for
 * a shard that does not fit is cut where the tree is.
 */
import { SkewflowError } from '../../../errors.ts';

/** Blocks [first, first + count) of a shard. */
export interface Run {
  /** Index into the shards given. */
  readonly shard: number;
  readonly first: number;
  readonly count: number;
  /** Number of this run among those of its shard, and how many there are. */
  readonly piece: number;
  readonly pieces: number;
}

export type Tile = readonly Run[];

/** Tiles of at most `capacity` blocks that cover the blocks of all shards once, in order. */
export function planTiles(blocks: readonly number[], capacity: number): readonly Tile[] {
  const tiles: Tile[] = [];
  let open: Run[] = [];
  let used = 0;
  const close = (): void => {
    if (open.length > 0) tiles.push(open);
    open = [];
    used = 0;
  };
  for (const [shard, count] of blocks.entries()) {
    if (count > capacity) {
      close();
      const size = 2 ** Math.floor(Math.log2(capacity));
      const pieces = Math.ceil(count / size);
      for (let piece = 0; piece < pieces; piece++) {
        const first = piece * size;
        tiles.push([{ shard, first, count: Math.min(size, count - first), piece, pieces }]);
      }
      continue;
    }
    if (used + count > capacity) close();
    open.push({ shard, first: 0, count, piece: 0, pieces: 1 });
    used += count;
  }
  close();
  return tiles;
}

/** Bytes that one block takes in each buffer of a tile. */
export type BlockBytes = Readonly<Record<'carry' | 'gamma' | 'held' | 'image' | 'kept' | 'out', number>>;

export interface DeviceLimits {
  /** The largest binding, and the largest buffer. */
  readonly bindingBytes: number;
  /** What tiles may take together. */
  readonly budgetBytes: number;
}

/** @throws SkewflowError('MemoryError') when not even one block fits */
export function tileCapacity(need: BlockBytes, { bindingBytes, budgetBytes }: DeviceLimits): number {
  const all = Object.values(need);
  const together = all.reduce((a, b) => a + b, 0);
  const largest = Math.max(...all);
  const capacity = Math.floor(Math.min(bindingBytes / largest, budgetBytes / together));
  if (capacity >= 1) return capacity;
  const [needed, available] = largest > bindingBytes ? [largest, bindingBytes] : [together, budgetBytes];
  throw new SkewflowError(
    'MemoryError',
    `a block of tracers needs ${needed} bytes on the device and ${available} are available: lower \`memory:\`, take fewer steps, or use \`--engine wasm\``,
    { needed, available },
  );
}
