/**
 * What a shard contributes: its tracers go forward and backward in blocks, whose sums meet in the tree.
 */
import { invariant } from '../../../errors.ts';
import { blockRows } from '../../../kernels/block.ts';
import type { ShardRange } from '../../../partition/plan.ts';
import { blocksOf } from '../../../partition/plan.ts';
import { growTree } from '../../../partition/tree.ts';
import type { Evaluation, NonFinite, Partial } from '../engine.ts';
import { type BlockResult, evaluateBlock } from './block.ts';
import type { Context } from './context.ts';
import { addCotangents } from './gradients.ts';
import { type RowStore, rowStore } from './row-store.ts';
import { sweepSources } from './sources-leaf.ts';
import { addSums, reductionsOf } from './sums.ts';

export interface Shard {
  readonly range: ShardRange;
  /** Tracer fields and tracer `with` arrays, row-major. */
  readonly rows: ReadonlyMap<string, ArrayLike<number>>;
}

export interface ShardAnswer {
  readonly partial: Partial;
  readonly rows: RowStore;
}

export function evaluateShard(context: Context, shard: Shard, request: Evaluation): ShardAnswer {
  const { range } = shard;
  const size = range.end - range.begin;
  const store = rowStore(context, range, request.rows, request.want === 'gradient');
  const count = blocksOf(range);
  const by = reductionsOf(context.program, context.grid);
  const tree = growTree<BlockResult>(count, (left, right) => ({
    sums: addSums(by, left.sums, right.sums),
    cotangents: addCotangents(left.cotangents, right.cotangents),
  }));
  let failure: NonFinite | null = null;
  for (let b = 0; b < count; b++) {
    const begin = b * blockRows;
    const result = evaluateBlock(
      { context, shard, begin, end: Math.min(size, begin + blockRows), by },
      request,
      store,
    );
    if ('kind' in result) failure = earlier(failure, result);
    else tree.put(result, b);
  }
  const all = tree.root();
  if (failure !== null) return { partial: failure, rows: store };
  invariant(all !== null, 'a shard has rows');
  const gradient =
    request.want === 'gradient' ? sweepSources(context, all.cotangents, range.index) : new Float64Array(0);
  if (!(gradient instanceof Float64Array)) return { partial: gradient, rows: store };
  return {
    partial: {
      kind: 'partial',
      leaf: range.index,
      sums: all.sums.values,
      winners: all.sums.winners,
      loss: 0,
      gradient,
      seeds: null,
      sourceStates: null,
    },
    rows: store,
  };
}

/** The earlier step, and in it the lower row. */
function earlier(a: NonFinite | null, b: NonFinite): NonFinite {
  if (a === null) return b;
  return b.step < a.step || (b.step === a.step && b.row < a.row) ? b : a;
}
