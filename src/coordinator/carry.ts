/**
 * How is one submitted run carried, from the queue to its results? Spooled, read, planned, coordinated, assembled; taken up
 * where it was when another coordinator had it before.
 *
 *   take ─▶ spool ─▶ accepted ─▶ read, compile, admit ─▶ newest checkpoint ─▶ desk ─▶ active ─▶ coordinate ─▶ results ─▶ done
 *                                                                                      ├─▶ cancelled, failed
 *                                                                                      └─▶ handed over, fenced: nothing is ended
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isSkewflowError, type SkewflowError } from '../errors.ts';
import { reportOf } from '../exchange/error-report.ts';
import type { Desk, Exchange } from '../exchange/exchange.ts';
import { type Charge, type Register, sheetOf } from '../exchange/register.ts';
import { type AdmissionLimits, admissionOf, refuseBeyond } from '../job/admission.ts';
import type { Job } from '../job/job.ts';
import { closeJob } from '../job/load.ts';
import { withOwnRowAdvice } from '../job/own-row.ts';
import type { ProgramOutline } from '../kernels/sweep/program.ts';
import type { Log } from '../log.ts';
import { openOptimization } from '../optimization.ts';
import { jobOfOrder, type SubmittedReach } from '../order.ts';
import type { Prepared } from '../prepare.ts';
import type { RowsWanted } from '../protocol.ts';
import { refuseWithoutRoomIn } from '../room-for-results.ts';
import { rowArrays } from '../row-arrays.ts';
import { checkpointsOf } from '../storage/checkpoints.ts';
import { runKeys } from '../storage/keys.ts';
import { assembleResult } from '../storage/results.ts';
import { isFull, whenThereIsRoom } from '../storage/room.ts';
import type { Root } from '../storage/root.ts';
import { version } from '../version.ts';
import { prepareAside } from './aside.ts';
import { type Checkpoint, checkpointVersion } from './checkpoint.ts';
import { coordinate } from './coordinator.ts';
import {
  type Results,
  type RunSummary,
  readFigures,
  sharedResults,
  summaryOf,
  writeShared,
  writeSummary,
} from './outcome.ts';
import { Reporter } from './reporter.ts';
import { rowsWanted } from './result.ts';
import { type Rules, watchful } from './rules.ts';
import type { RunMeter, RunMeters } from './run-meter.ts';
import { Spool } from './spool.ts';
import { Story } from './story.ts';
import { describeGroup } from './zarr-outcome.ts';

/** What a coordinator carries runs with. */
export interface Means {
  readonly exchange: Exchange;
  readonly register: Register;
  readonly root: Root;
  /** What a submitted job may name beside what lies in the root. */
  readonly reach: SubmittedReach;
  readonly admission: AdmissionLimits;
  /** How patient it is; for tests. */
  readonly rules: Partial<Rules>;
  readonly log: Log;
  readonly meters: RunMeters;
  /** Aborting leaves the runs to other coordinators, with a checkpoint each. */
  readonly handOver: AbortSignal;
  /** Resolves when the store has been out of reach for so long that nothing can be told. */
  readonly away: () => Promise<void>;
}

/** A root that does not answer is tried again by whoever takes the run next, but not at once. */
const pauseMs = 5000;

/** Carry one run; whatever happens is told, and nothing is thrown. */
export async function carry(charge: Charge, means: Means): Promise<void> {
  const { order } = charge;
  const { meters } = means;
  const meter = meters.begin(order.run, order.name);
  const heard = (code: string): void => meters.noticed(code);
  const story = new Story(means.register, order.run, charge.epoch, means.log, heard);
  const spool = new Spool(means.root);
  const leave = AbortSignal.any([means.handOver, charge.lost]);
  try {
    const inputs = await means.register.inputs(order.run);
    const before = await inRoom(() => spool.accept(order, inputs), story, leave);
    if (before === null) {
      story.state('accepted');
      await carried(charge, means, meter, story, spool, leave);
    }
    const summary = await readFigures(means.root, order.run);
    await over(charge, spool, () => story.end('done', { summary }, leave));
    meter.end(null);
  } catch (error) {
    meter.end(error);
    await ended(error, charge, means, story, spool, leave);
  }
}

/** From an accepted order to a folder of results. */
async function carried(
  charge: Charge,
  means: Means,
  meter: RunMeter,
  story: Story,
  spool: Spool,
  leave: AbortSignal,
): Promise<void> {
  const { order, cancelled } = charge;
  const { root, exchange } = means;
  const clock = new Clock();
  await using open = await opened(() => jobOfOrder(order, { root, ...means.reach }));
  const unwanted = AbortSignal.any([cancelled, leave]);
  const prepared = await prepareAside(open.job, unwanted);
  const { job, program, grid, times, shards } = prepared;
  const admission = admissionOf(job, grid.times.length - 1);
  refuseBeyond(admission, means.admission);
  await inRoom(() => refuseWithoutRoomIn(root, order.run, admission.resultBytes), story, unwanted);

  const wanted = rowsWanted(job.system, job.output, grid);
  const checkpoints = checkpointsOf<Checkpoint>(root, runKeys(order.run).checkpoints, (key) =>
    story.notice('warn', 'CHECKPOINT_CORRUPT', `checkpoint corrupt, taking the one before: ${key}`),
  );
  const resume = understood(await checkpoints.latest());
  if (resume !== null) meter.resumed(resume.counts);
  const desk = await exchange.open(sheetOf(order), Math.max(charge.epoch, resume?.epoch ?? 0));
  story.epoch = desk.epoch;
  const optimization = await openOptimization(prepared, wanted, {
    checkpoints: resume === null ? null : recorded(resume.course),
    fresh: false,
    // Who may take part in a run that is taken up is settled by its own checkpoint.
    numerics: () => [],
    seconds: () => clock.seconds(),
  });
  const prepareSeconds = clock.lap();
  let waitSeconds: number | null = null;

  story.state('active');
  const reporter = new Reporter(story);
  await coordinate({
    desk,
    reopen: async (epochMin): Promise<Desk> => {
      const anew = await exchange.open(sheetOf(order), epochMin);
      story.epoch = anew.epoch;
      return anew;
    },
    program,
    grid,
    times,
    course: optimization.course,
    shards,
    rows: wanted,
    rules: { ...watchful, version, allowMixed: order.allowMixed, seatsMin: order.seats.min, ...means.rules },
    resume,
    keep: async (checkpoint) => {
      const facts = { run: order.run, iteration: checkpoint.number + 1 };
      means.log.debug({ ...facts, doing: 'checkpoint' }, 'keeping a checkpoint');
      await inRoom(() => checkpoints.save(checkpoint.epoch, checkpoint), story, leave);
      means.log.debug({ ...facts, doing: 'kept' }, 'the checkpoint is kept');
    },
    finish: async (evaluated) => {
      means.log.debug({ run: order.run, doing: 'finish' }, 'writing the results');
      const evaluateSeconds = clock.lap();
      const shared = sharedResults(prepared, wanted, evaluated, optimization);
      const summarise = (): RunSummary =>
        summaryOf(prepared, evaluated, shared, optimization, {
          seconds: clock.seconds(),
          timings: {
            prepare: prepareSeconds,
            wait: waitSeconds ?? 0,
            evaluate: evaluateSeconds,
            write: clock.lap(),
          },
        });
      await inRoom(() => results(root, order.run, prepared, { wanted, shared, summarise }), story, leave);
      await spool.close(order.run, 'done', null);
    },
    retain: true,
    log: means.log,
    onProgress: (progress) => reporter.progressed(progress),
    onCommit: (commit) => {
      meter.committed(commit);
      reporter.committed(commit);
    },
    onTimed: (timing) => meter.timed(timing),
    onNotice: (line) => {
      const { level, text, notice } = line;
      if (notice.code === 'JOINED') waitSeconds ??= clock.lap();
      meter.noticed(line);
      reporter.noticed(notice);
      story.noted(level, notice.code, text);
    },
    now: () => performance.now(),
    signal: cancelled,
    handOver: leave,
  }).catch((error: unknown) => {
    throw withOwnRowAdvice(error, job.system);
  });
}

function results(
  root: Root,
  run: string,
  { job, shards }: Prepared<ProgramOutline>,
  {
    wanted,
    shared,
    summarise,
  }: { readonly wanted: RowsWanted; readonly shared: Results; readonly summarise: () => RunSummary },
): Promise<void> {
  const arrays = rowArrays(job, wanted);
  const { format } = job.output;
  return assembleResult(root, run, { arrays, shards, format }, async (folder) => {
    if (format === 'zarr') await describeGroup(folder, job, arrays, shared.trajectory['t']?.data ?? null);
    await writeShared(folder, job, shared);
    await writeSummary(folder, summarise());
  });
}

/** How a run ends that has no results, or goes on elsewhere. */
async function ended(
  error: unknown,
  charge: Charge,
  means: Means,
  story: Story,
  spool: Spool,
  leave: AbortSignal,
): Promise<void> {
  const { order, lost, cancelled } = charge;
  const { log, register } = means;
  const facts = { run: order.run };
  const why = isSkewflowError(error, 'AbortedError') ? error.details['why'] : null;
  try {
    if (lost.aborted) {
      await passOn(charge, register, log);
    } else if (why === 'fenced') {
      log.warn(facts, error instanceof Error ? error.message : String(error));
      // Whoever fenced this one may have lost the run since; if it is still ours to give, somebody takes it up.
      await charge.release('again');
    } else if (leave.aborted) {
      // What is to go on is on the disk. A store that is away is told nothing: the lease lapses by itself.
      await Promise.race([story.settled().then(() => charge.release('again')), means.away()]);
    } else if (why === 'cancelled' || cancelled.aborted) {
      await spool.close(order.run, 'cancelled', null);
      await over(charge, spool, () => story.end('cancelled', {}, leave));
    } else if (isSkewflowError(error, 'OutOfReachError')) {
      story.notice('error', 'OUT_OF_REACH', `paused: ${error.message}`);
      story.state('paused');
      await sleep(pauseMs, undefined, { signal: leave });
      await charge.release('again');
    } else {
      await failed(error, charge, story, spool, leave);
    }
  } catch (cause) {
    // Whoever takes the run goes on from its checkpoint; if its end could not be kept, it may be kept later.
    log.warn(facts, `the run is left to the next coordinator: ${String(cause)}`);
    await sleep(pauseMs, undefined, { signal: leave }).catch(() => {});
    await Promise.race([charge.release('again'), means.away()]).catch(() => {});
  }
}

async function failed(
  error: unknown,
  charge: Charge,
  story: Story,
  spool: Spool,
  leave: AbortSignal,
): Promise<void> {
  story.notice('error', 'FAILED', `failed: ${error instanceof Error ? error.message : String(error)}`);
  await spool.close(charge.order.run, 'failed', reportOf(error));
  await over(charge, spool, () => story.end('failed', { error }, leave));
}

/** Tell how it ended, and only then forget what was promised. */
async function over(charge: Charge, spool: Spool, tell: () => Promise<boolean>): Promise<void> {
  if (await tell()) await spool.forget(charge.order.run);
  await charge.release('over');
}

/** The run is not ours any more: somebody has it, or the store forgot it and is told again. */
async function passOn({ order, lost }: Charge, register: Register, log: Log): Promise<void> {
  const reason = lost.reason as SkewflowError | undefined;
  log.warn({ run: order.run }, reason?.message ?? 'the run is not ours any more');
  if (isSkewflowError(reason) && reason.details['code'] === 'STATE_LOST') await register.submit(order, null);
}

// --- parts ------------------------------------------------------------------------------------------------

/** A checkpoint that this version understands; otherwise the run begins anew, which gives the same bits. */
function understood(checkpoint: Checkpoint | null): Checkpoint | null {
  return checkpoint?.version === checkpointVersion ? checkpoint : null;
}

/** What a course remembered, as an optimisation takes it up. */
function recorded(text: string | null): NonNullable<Parameters<typeof openOptimization>[2]['checkpoints']> {
  const kept = text === null ? null : { text, numerics: [] };
  return { folder: 'the checkpoint', latest: async () => kept, save: async () => {}, remove: async () => {} };
}

/** Do it, waiting for room on the disk if there is none: the run is paused meanwhile, and says where. */
function inRoom<T>(task: () => Promise<T>, story: Story, signal: AbortSignal): Promise<T> {
  const onFull = (error: Error | null): void => {
    if (error === null) story.notice('info', 'STORAGE_BACK', 'the storage can be written again: going on');
    else story.notice('error', isFull(error) ? 'DISK_FULL' : 'STORAGE_AWAY', `paused: ${error.message}`);
    story.state(error === null ? 'active' : 'paused');
  };
  return whenThereIsRoom(task, onFull, signal);
}

async function opened(open: () => Promise<Job>): Promise<AsyncDisposable & { readonly job: Job }> {
  const job = await open();
  return { job, [Symbol.asyncDispose]: () => closeJob(job) };
}

/** Seconds since the start, and since the last lap. */
class Clock {
  readonly #start = performance.now();
  #lap = this.#start;

  seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  lap(): number {
    const seconds = (performance.now() - this.#lap) / 1000;
    this.#lap = performance.now();
    return seconds;
  }
}
