/**
 * The reference engine: double precision, plain loops, everything stored. The oracle for every other engine and for
 * finite differences; never the product's default.
 */
import { invariant, SkewflowError } from '../../../errors.ts';
import type { Program } from '../../../kernels/sweep/program.ts';
import { blocksOf } from '../../../partition/plan.ts';
import type { Engine, Session } from '../engine.ts';
import { contextOf, runner } from './context.ts';
import { evaluateShard, type Shard } from './shard-leaf.ts';
import { evaluateSourcesLeaf, sourcesBlowUp } from './sources-leaf.ts';

export function openReferenceEngine(): Engine {
  return {
    name: 'reference',
    precision: 'f64',
    numerics: 'reference/f64',
    load: (program) => Promise.resolve(openSession(program)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function openSession(program: Program): Session {
  const shards = new Map<number, Shard>();
  const rows = new Map<string, number>();
  const pairs = new Map<string, number>();
  const run = runner(program, rows, pairs);
  return {
    bind: (range, fields) => {
      shards.set(range.index, { range, rows: fields });
      return Promise.resolve();
    },
    release: (index) => {
      shards.delete(index);
      return Promise.resolve();
    },
    evaluate: async (request, sink, signal) => {
      refuseAborted(signal);
      const context = contextOf(program, request.inputs, run);
      const blowUp = sourcesBlowUp(context);
      for (const leaf of request.leaves) {
        // Between leaves other work of the process may run, and an abort may arrive.
        await new Promise((resolve) => setImmediate(resolve));
        refuseAborted(signal);
        if (blowUp !== null) {
          sink.partial({ ...blowUp, leaf });
        } else if (leaf === 'sources') {
          sink.partial(evaluateSourcesLeaf(context, request));
        } else {
          const shard = shards.get(leaf);
          invariant(shard !== undefined, `shard ${leaf} was bound before it is evaluated`);
          const { partial, rows: store } = evaluateShard(context, shard, request);
          if (partial.kind === 'partial') for (const output of store.all()) sink.rows?.(output);
          sink.partial(partial);
          sink.progress?.(blocksOf(shard.range));
        }
      }
    },
    counters: () => ({ pairs: new Map(pairs), rows: new Map(rows) }),
    [Symbol.asyncDispose]: () => {
      shards.clear();
      return Promise.resolve();
    },
  };
}

function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) {
    throw new SkewflowError('AbortedError', 'the evaluation was aborted', {}, { cause: signal.reason });
  }
}
