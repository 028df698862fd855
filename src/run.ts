/**
 * How does one job run in this process tree? One coordinator and one worker on the in-process exchange: the local path is
 * the distributed path without Redis.
 */
import { randomUUID } from 'node:crypto';
import { availableParallelism, hostname, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { makeFolder } from './arrays/make-folder.ts';
import type { Reach } from './arrays/reach.ts';
import { checkpointsOf } from './checkpoints.ts';
import { readConfig } from './config.ts';
import { coordinate, type Evaluated, inOneProcess, type Progress } from './coordinator/coordinator.ts';
import type { Course } from './coordinator/course.ts';
import type { HistoryRow } from './coordinator/descent.ts';
import { type RunSummary, sharedResults, summaryOf } from './coordinator/outcome.ts';
import { rowsWanted, type Tensors } from './coordinator/result.ts';
import { isSkewflowError, refuseNameless, SkewflowError, unwritable } from './errors.ts';
import type { Exchange } from './exchange/exchange.ts';
import { inProcessExchange } from './exchange/in-process.ts';
import { admissionOf, defaultAdmission, refuseBeyond } from './job/admission.ts';
import type { Job } from './job/job.ts';
import { closeJob, loadJob } from './job/load.ts';
import { withOwnRowAdvice } from './job/own-row.ts';
import type { JobObject } from './job/schema.ts';
import { type Log, logTo } from './log.ts';
import { opening } from './opening.ts';
import { type Optimization, openOptimization } from './optimization.ts';
import { isOwnLeaf, type Part } from './partition/parts.ts';
import { type Prepared, prepare } from './prepare.ts';
import { type LeafName, protocolVersion, type RowsWanted, RunId, workerIdOf } from './protocol.ts';
import { type MeetingPlace, type OutputFolder, openPartPlace, openPlace } from './results.ts';
import { refuseWithoutRoom } from './room-for-results.ts';
import { assignmentOf, roomForRows } from './worker/assignment.ts';
import { chooseStations, type EngineChoice, type Station } from './worker/engine/discover.ts';
import type { Engine } from './worker/engine/engine.ts';
import type { RowStore } from './worker/rows.ts';
import { serveOneRun } from './worker/worker.ts';

/** How `run` goes about it. Nothing here reaches the numbers, except `set`, which changes the job. */
export interface RunOptions {
  /**
   * Folder the results are written to, or `s3://bucket/prefix`; true: `./<name>-out`, after the job's name. Default: none;
   * then everything, the tracers' results too, is in the result.
   */
  readonly out?: string | true;
  /** Replace `out` if it exists. Default: false, and an existing folder is a UsageError before anything is computed. */
  readonly force?: boolean;
  /**
   * Begin an optimisation anew. Default: false, and one that was interrupted, with the same job and `out`, goes on from its
   * last step.
   */
  readonly fresh?: boolean;
  /**
   * What computes. Default `auto`: every hardware GPU for a job in f32, else the embedded WASM engine; never a software GPU,
   * which `webgpu` takes where there is no other.
   */
  readonly engine?: EngineChoice;
  /** Numbers of the GPUs to use, as `devices` lists them. Default: every hardware GPU. */
  readonly devices?: readonly number[];
  /**
   * Go on with an optimisation that an engine of another numerics class began: the result is equal to others within tolerance
   * only. Default: false, and it is refused by name.
   */
  readonly allowMixed?: boolean;
  /** Worker threads. Default: `SKEWFLOW_THREADS`, else one per core. The results have the same bits with any number. */
  readonly threads?: number;
  /** Bytes the run may take. Default: three quarters of the machine's memory. A job that needs more is refused before it starts. */
  readonly memoryBytes?: number;
  /** Changes to the job, as `--set`: `params.sigma=0.3`. */
  readonly set?: readonly string[];
  /** Hosts its inputs may lie on although they are private or plain http: `host` or `host:port`. Default: none. */
  readonly allowHosts?: readonly string[];
  /**
   * Compute a part of the job: the same call with every other part, on whichever machines, computes the rest, and part 0
   * writes the results. The others are met in the folder `meet`. A part that is started again goes on where it was. What has the
   * rows of all tracers is nowhere but in the folder `out`: without one a part comes back with the loss and the gradients of all.
   */
  readonly part?: Part & {
    /** A folder that all parts see, this job's or shared with other jobs. What it holds of a job may be removed after it. */
    readonly meet: string;
  };
  /** Called now and then, at most some ten times a second. */
  readonly onProgress?: (event: ProgressEvent) => void;
  /** Told what the choice of devices leaves to be desired, a sentence. Default: nobody. */
  readonly onWarning?: (sentence: string) => void;
  /**
   * Aborting stops the run: `run` rejects with AbortedError, whose `cause` is the signal's reason, and no folder is left but the
   * checkpoints of an optimisation.
   */
  readonly signal?: AbortSignal;
}

/** How far a run is. */
export interface ProgressEvent {
  /**
   * `reading`: the job and its inputs; `resuming`: an optimisation goes on, once; `sums`, `head`, `gradient`: the loss and
   * its gradient, by phases; `writing`: the folder.
   */
  readonly phase: Progress['phase'] | 'reading' | 'resuming' | 'writing';
  /** The evaluation, from 1. */
  readonly iteration: number;
  /** The last step of an optimisation; null before the first, and without optimisation. */
  readonly step: HistoryRow | null;
  /** Blocks of 256 tracers done in this phase. */
  readonly blocksDone: number;
  /** Blocks of this phase in all. */
  readonly blocksTotal: number;
  /** Seconds since `run` was called. */
  readonly seconds: number;
}

export type { RunSummary } from './coordinator/outcome.ts';

/** What a run gives back. */
export interface RunResult extends RunSummary {
  /**
   * ∂L/∂field in the shape the field was given in. Tracer-sized gradients are here only when no folder was asked for,
   * and so are `values` and the tracers' parts of `final` and `trajectory`: with a folder they are its files.
   */
  readonly gradient: Tensors;
  /** N × width each. */
  readonly values: Tensors;
  /** States at the end time, where `output.save` names `final`: rows × width each. */
  readonly final: Tensors;
  /** States at saved times, where `output.save` names `trajectory`: times × rows × width each, and `t`. */
  readonly trajectory: Tensors;
  /** The fields in `over` where the loss is lowest, in the shape they were given in; {} without `optimize`. */
  readonly optimum: Tensors;
  /** The steps of the optimisation, the start first; [] without `optimize`. */
  readonly history: readonly HistoryRow[];
  /** The folder that was written, absolute, or its `s3://` URL; null without `out`. */
  readonly folder: string | null;
  /** The facts above as one document: what `result.json` holds. */
  readonly summary: RunSummary;
}

/** Carry a job out; documented where it is exported, in `index.ts`. */
export async function run(what: JobObject | string, options: RunOptions = {}): Promise<RunResult> {
  const settings = settle(options);
  const clock = new Clock();
  let latest: Optimization['latest'] = () => null;
  const tell = (event: Omit<ProgressEvent, 'seconds' | 'step'>): void =>
    settings.onProgress({ ...event, step: latest(), seconds: clock.seconds() });

  refuseAborted(settings.signal);
  tell({ phase: 'reading', iteration: 1, blocksDone: 0, blocksTotal: 0 });
  await using opened = await openJob(what, settings);
  const { job } = opened;
  const prepared = await prepare(job);
  const wanted = rowsWanted(job.system, job.output, prepared.grid);
  refuseAborted(settings.signal);
  const admission = admissionOf(job, prepared.grid.times.length - 1);
  refuseBeyond(admission, defaultAdmission);
  roomForRows(prepared, prepared.grid, settings);
  const { part } = settings;
  const out = folderOf(job, settings);
  await refuseWithoutRoom(job, admission.resultBytes, out, settings.memoryBytes);
  const meeting = part === null ? null : meetingOf(prepared, part);
  await using place =
    meeting === null ? await openPlace(job, wanted, out) : await openPartPlace(job, wanted, meeting, out);
  const classes = new Set<string>();
  const optimization = await openOptimization(prepared, wanted, {
    // A part finds in the folder where it meets the others what was answered.
    checkpoints: place.folder === null || part !== null ? null : checkpointsOf(place.folder, job.digest),
    fresh: settings.fresh,
    numerics: () => [...classes],
    seconds: () => clock.seconds(),
  });
  latest = optimization.latest;
  const { course, resumedFrom } = optimization;
  if (resumedFrom !== null) {
    tell({ phase: 'resuming', iteration: course.begin.number + 1, blocksDone: 0, blocksTotal: 0 });
  }
  const prepareSeconds = clock.lap();

  const open = opening(optimization.numericsBefore, classes, settings.allowMixed);
  const work = { prepared, wanted, course, rows: place.rows, meeting, open };
  const evaluated = await evaluate(work, settings, tell).catch((error: unknown) => {
    throw withOwnRowAdvice(optimization.explain(withReason(error, settings.signal)), job.system);
  });
  const evaluateSeconds = clock.lap();

  tell({ phase: 'writing', iteration: evaluated.iterations, blocksDone: 0, blocksTotal: 0 });
  const shared = sharedResults(prepared, wanted, evaluated, optimization);
  const summarise = (): RunSummary => {
    const timings = { prepare: prepareSeconds, wait: 0, evaluate: evaluateSeconds, write: clock.lap() };
    return summaryOf(prepared, evaluated, shared, optimization, {
      seconds: clock.seconds(),
      timings,
    });
  };
  const { results, summary } = await place.finish(shared, summarise);
  await optimization.settle();
  return { ...summary, ...results, folder: place.folder, summary };
}

// --- what is computed -------------------------------------------------------------------------------------

/** What is to be evaluated, where, and where its rows go. */
interface Work {
  readonly prepared: Prepared;
  readonly wanted: RowsWanted;
  readonly course: Course;
  readonly rows: RowStore;
  /** Where the other parts are; null: there are none. */
  readonly meeting: Meeting | null;
  /** Opens the engine of a station, if it may take part. */
  readonly open: (station: Station) => Promise<Engine>;
}

/** One coordinator and a worker for each device meet on an exchange of their own. */
async function evaluate(
  { prepared, wanted, course, rows, meeting, open }: Work,
  settings: Settings,
  tell: (event: Progress) => void,
): Promise<Evaluated> {
  const { job, program, grid, shards, times } = prepared;
  const { precision } = job;
  const { signal, log, threads, memoryBytes, devices, onWarning } = settings;
  const chosen = await chooseStations(settings.engine, {
    precision,
    threads,
    memoryBytes,
    onWarning,
    log,
    ...(devices === null ? {} : { devices }),
  });
  // A part has one device: which leaves are whose is settled before it is known who has which devices.
  const stations = meeting === null ? chosen : chosen.slice(0, 1);
  await using exchange =
    meeting === null ? inProcessExchange() : await partExchange(job.digest, shards.length, meeting);
  const desk = await exchange.open({
    protocolVersion,
    run: RunId.parse(randomUUID()),
    jobDigest: job.digest,
    seats: { min: 1, max: stations.length },
    priority: 0,
  });
  const assignment = assignmentOf(prepared, settings, rows);
  const stop = new AbortController();
  const serving = stations.map((station) =>
    serveOneRun({
      exchange,
      engine: () => open(station),
      open: async () => assignment,
      worker: workerIdOf(hostname(), process.pid),
      threads,
      log,
      signal: AbortSignal.any([signal, stop.signal]),
    }),
  );
  try {
    return await coordinate({
      ...inOneProcess,
      desk,
      program,
      grid,
      times,
      course,
      shards,
      rows: wanted,
      // A device that fails leaves its shards to the others.
      rules: { ...inOneProcess.rules, breakagesMax: stations.length - 1, allowMixed: settings.allowMixed },
      log,
      onProgress: tell,
      signal,
    });
  } finally {
    stop.abort();
    // What a worker could not do is told by the coordinator; a lease that was cut short has nothing to tell.
    await Promise.allSettled(serving);
  }
}

/** What all parts of a job share. */
interface Meeting extends MeetingPlace {
  readonly part: Part;
}

/** @throws UsageError for a part that is none or would have nothing to do, and for a folder without a name */
function meetingOf(
  { job, shards }: Prepared,
  { index, count, meet }: NonNullable<Settings['part']>,
): Meeting {
  refuseNameless(meet, '`meet`');
  if (!Number.isInteger(index) || !Number.isInteger(count) || index < 0 || index >= count)
    throw new SkewflowError('UsageError', `part ${index} of ${count}: the first is 0, the last ${count - 1}`);
  if (count > shards.length)
    throw new SkewflowError('UsageError', `${count} parts for ${shards.length} shards: at most one for each`);
  return { folder: join(resolve(meet), job.digest), writes: index === 0, part: { index, count } };
}

async function partExchange(jobDigest: string, shards: number, { folder, part }: Meeting): Promise<Exchange> {
  const { folderExchange } = await import('./exchange/folder.ts');
  await makeFolder(folder).catch((cause: unknown) => {
    throw unwritable(folder, cause);
  });
  const isOwn = (leaf: LeafName): boolean => isOwnLeaf(part, shards, leaf);
  return folderExchange({ folder, jobDigest, isOwn, parts: part.count });
}

// --- options ----------------------------------------------------------------------------------------------

/** Options with every default filled in. */
interface Settings {
  readonly out: string | true | null;
  readonly force: boolean;
  readonly fresh: boolean;
  readonly engine: EngineChoice;
  readonly devices: readonly number[] | null;
  readonly allowMixed: boolean;
  readonly threads: number;
  readonly memoryBytes: number;
  readonly set: readonly string[];
  readonly reach: Reach;
  readonly part: NonNullable<RunOptions['part']> | null;
  readonly onProgress: (event: ProgressEvent) => void;
  readonly onWarning: (sentence: string) => void;
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** Resolve the options, once. */
function settle(options: RunOptions): Settings {
  const config = readConfig(process.env);
  const threads = options.threads ?? config.threads ?? availableParallelism();
  const memoryBytes = options.memoryBytes ?? Math.floor(totalmem() * 0.75);
  for (const [name, value] of Object.entries({ threads, memoryBytes })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new SkewflowError('UsageError', `${name}: expected a whole number from 1, got ${value}`);
    }
  }
  return {
    out: options.out ?? null,
    force: options.force ?? false,
    fresh: options.fresh ?? false,
    engine: options.engine ?? 'auto',
    devices: options.devices ?? null,
    allowMixed: options.allowMixed ?? false,
    threads,
    memoryBytes,
    set: options.set ?? [],
    reach: { allowHosts: options.allowHosts ?? [], publicHosts: true, s3: config.s3 },
    part: options.part ?? null,
    onProgress: options.onProgress ?? (() => {}),
    onWarning: options.onWarning ?? (() => {}),
    signal: options.signal ?? new AbortController().signal,
    log: logTo(config.logLevel),
  };
}

/** The job with its arrays open, closed again when the run is over. */
async function openJob(
  what: JobObject | string,
  { set: sets, reach }: Settings,
): Promise<AsyncDisposable & { readonly job: Job }> {
  const job = await loadJob({
    ...(typeof what === 'string' ? { path: what } : { object: what }),
    sets,
    reach,
  });
  return { job, [Symbol.asyncDispose]: () => closeJob(job) };
}

/** The folder the results go to; null: memory. */
function folderOf(job: Job, { out, force, reach }: Settings): OutputFolder | null {
  return out === null ? null : { target: out === true ? `${job.name}-out` : out, force, s3: reach.s3 };
}

function refuseAborted(signal: AbortSignal): void {
  if (signal.aborted) {
    throw new SkewflowError('AbortedError', 'the run was aborted', {}, { cause: signal.reason });
  }
}

/** A run that was stopped, with what its caller stopped it for. */
function withReason(error: unknown, signal: AbortSignal): unknown {
  if (!signal.aborted || !isSkewflowError(error, 'AbortedError') || error.cause !== undefined) return error;
  return new SkewflowError('AbortedError', error.message, error.details, { cause: signal.reason });
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
