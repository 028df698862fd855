/** A job held on an engine, so that evaluations can be timed without reading, compiling and starting threads. */

import { loadJob } from '../src/job/load.ts';
import type { JobObject } from '../src/job/schema.ts';
import { readField } from '../src/job/values.ts';
import { readPart, shardedArrays } from '../src/partition/fields.ts';
import { type Prepared, prepare } from '../src/prepare.ts';
import { openEngine } from '../src/worker/engine/discover.ts';
import type { Engine, EvaluationSink, Partial, Precision, Reals } from '../src/worker/engine/engine.ts';
import { median } from './machine.ts';

export interface Warm extends AsyncDisposable {
  readonly prepared: Prepared;
  /** Evaluate all shards (and the run's own leaf where the loss has parts without tracers). */
  readonly evaluate: (want: 'gradient' | 'sums') => Promise<readonly Partial[]>;
  /** L, to compare with a peer's. */
  readonly loss: () => Promise<number>;
  /** Median seconds of `repeats` evaluations after two that are not counted, and after `warmSeconds` of them (default: 0). */
  readonly time: (want: 'gradient' | 'sums', repeats: number, warmSeconds?: number) => Promise<number>;
}

/** The WASM engine, as most figures are taken on. */
const onWasm = (precision: Precision, threads: number): Promise<Engine> =>
  openEngine('wasm', { precision, threads, memoryBytes: 2 ** 33 });

/** Load, compile, bind; nothing is evaluated yet. One-phase jobs only. The engine is closed with the job. */
export async function warm(
  job: JobObject,
  threads: number,
  open: (precision: Precision, threads: number) => Promise<Engine> = onWasm,
): Promise<Warm> {
  const prepared = await prepare(await loadJob({ object: job }));
  const { program, shards, grid, fields } = prepared;
  const { precision } = prepared.job;
  const engine = await open(precision, threads);
  const session = await engine.load(program, { precision, segmentSteps: grid.times.length, threads });
  for (const shard of shards) {
    const rows = new Map<string, Reals>();
    for (const part of shardedArrays(program.system)) {
      rows.set(
        part.name,
        await readPart(part, shard.begin, shard.end, (name, begin, end) =>
          readField(prepared.job, name, begin, end),
        ),
      );
    }
    await session.bind(shard, rows);
  }
  const own = shards.length === 0 || program.terms.some((t) => t.scalar !== null);
  const evaluate = async (want: 'gradient' | 'sums'): Promise<readonly Partial[]> => {
    const partials: Partial[] = [];
    const sink: EvaluationSink = { partial: (p) => partials.push(p), rows: () => {} };
    await session.evaluate(
      {
        inputs: { grid, fields },
        leaves: [...shards.map((s) => s.index), ...(own ? (['sources'] as const) : [])],
        want,
        seeds: null,
        sums: null,
        rows: {
          gradient: [],
          final: false,
          trajectory: [],
          values: want === 'sums' && program.values !== null,
        },
      },
      sink,
    );
    return partials;
  };
  return {
    prepared,
    evaluate,
    loss: async () => {
      let loss = 0;
      for (const partial of await evaluate('sums')) {
        if (partial.kind === 'partial') loss += partial.loss + partial.sums.reduce((a, b) => a + b, 0);
      }
      return loss;
    },
    time: async (want, repeats, warmSeconds = 0) => {
      const warmUntil = performance.now() + 1000 * warmSeconds;
      for (let n = 0; n < 2 || performance.now() < warmUntil; n++) await evaluate(want);
      const seconds: number[] = [];
      for (let n = 0; n < repeats; n++) {
        const begin = performance.now();
        await evaluate(want);
        seconds.push((performance.now() - begin) / 1000);
      }
      return median(seconds);
    },
    [Symbol.asyncDispose]: async () => {
      await session[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
    },
  };
}
