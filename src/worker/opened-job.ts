/**
 * How does a submitted job lie on a worker's desk? Read from where its order says, its rows held against what others read,
 * its N-sized results written in place under the root.
 */
import { isSkewflowError, SkewflowError } from '../errors.ts';
import type { RunOrder } from '../exchange/register.ts';
import { closeJob } from '../job/load.ts';
import type { Log } from '../log.ts';
import { jobOfOrder, type OrderReach } from '../order.ts';
import { planShards } from '../partition/plan.ts';
import { claimRows } from '../storage/claims.ts';
import { runKeys } from '../storage/keys.ts';
import { whenThereIsRoom } from '../storage/room.ts';
import { assignmentOf, type Means } from './assignment.ts';
import type { Programs } from './programs.ts';
import { rowsInRoot } from './root-rows.ts';
import type { Assignment } from './workbench.ts';

export interface OpenedJob {
  readonly assignment: Assignment;
  readonly means: Means;
  readonly precision: 'f32' | 'f64';
  /** What writing waits for; null: nothing. */
  readonly waits: () => string | null;
  readonly close: () => Promise<void>;
}

export interface OpenJobOptions extends OrderReach {
  readonly means: Means;
  readonly programs: Programs;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Open the job of an order.
 *
 * @throws InputError when an input is forbidden or not what was submitted; OutOfReachError when one cannot be read here; MemoryError;
 *   what `loadJob` throws
 */
export async function openJob(order: RunOrder, options: OpenJobOptions): Promise<OpenedJob> {
  const { root, means, programs, log, signal } = options;
  const keys = runKeys(order.run);
  const job = await jobOfOrder(order, options).catch((error: unknown) => {
    throw ofThisMachine(error);
  });
  const { precision } = job;
  const facts = { run: order.run };
  let waiting = 0;
  let waits: string | null = null;
  const onFull = (error: Error | null): void => {
    waiting += error === null ? -1 : 1;
    if (error !== null) waits = error.message;
    if (waiting === 0) waits = null;
    if (error === null && waiting === 0) log.info(facts, 'the storage takes rows again: going on');
    if (error !== null && waiting === 1) log.error(facts, `paused: ${error.message}`);
  };
  const over = new AbortController();
  const wanted = AbortSignal.any([signal, over.signal]);
  const patiently = (task: () => Promise<void>): Promise<void> => whenThereIsRoom(task, onFull, wanted);
  const rows = rowsInRoot(root, keys.rows, job, patiently);
  const close = async (): Promise<void> => {
    over.abort();
    // Rows that count were flushed before their answer was posted.
    await rows.close().catch((error: unknown) => log.warn(facts, `not written: ${String(error)}`));
    await closeJob(job);
  };
  try {
    const shards = planShards(job.system.tracers?.rows ?? 0, job.shards);
    const program = programs.of(job.digest, job.system);
    const assignment = assignmentOf({ job, program, shards }, means, rows);
    const readRows: Assignment['readRows'] = async (shard) => {
      const read = await assignment.readRows(shard);
      await patiently(() => claimRows(root, keys.rowsRead, shard.index, read));
      return read;
    };
    return { assignment: { ...assignment, readRows }, means, precision, waits: () => waits, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * A coordinator has read this job before: an input that is there and cannot be read here is a matter of this machine, and no
 * reason to end the run. What may not be read, or is not what was submitted, is.
 */
function ofThisMachine(error: unknown): unknown {
  if (!isSkewflowError(error, 'InputError')) return error;
  const { message, details } = error;
  if (details['code'] === 'INPUT_CHANGED' || details['code'] === 'INPUT_FORBIDDEN') return error;
  return new SkewflowError('OutOfReachError', message, details, { cause: error });
}
