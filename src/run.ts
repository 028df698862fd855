/**
 * How does one job run in this process tree? One coordinator and one worker on the in-process exchange: the local path is
 * the distributed path without Redis.
 */
import { randomUUID } from 'node:crypto';
import { availableParallelism, hostname, totalmem } from 'node:os';
import { readConfig } from './config.ts';
import { coordinate, type Evaluated, inOneProcess, type Progress } from './coordinator/coordinator.ts';
import type { Course } from './coordinator/course.ts';
import type { HistoryRow } from './coordinator/descent.ts';
import { gradientTensors, norms, rowsWanted, sourceTensors, type Tensors } from './coordinator/result.ts';
import { invariant, SkewflowError } from './errors.ts';
import { inProcessExchange } from './exchange/in-process.ts';
import type { Job } from './job/job.ts';
import { closeJob, loadJob } from './job/load.ts';
import type { JobObject } from './job/schema.ts';
import { readField } from './job/values.ts';
import { type Log, logTo } from './log.ts';
import { type Optimization, type OptimizationSummary, openOptimization } from './optimization.ts';
import { numbersPerRow, readPart, shardedArrays } from './partition/fields.ts';
import { memoryNeed, refuseBeyondMemory } from './partition/memory.ts';
import type { ShardRange } from './partition/plan.ts';
import { gridOf, type Prepared, prepare } from './prepare.ts';
import { protocolVersion, type RowsWanted, RunId, WorkerId } from './protocol.ts';
import { type OutputFolder, openPlace, type Results } from './results.ts';
import { version } from './version.ts';
import { type EngineChoice, openEngine } from './worker/engine/discover.ts';
import type { Reals } from './worker/engine/engine.ts';
import type { RowStore } from './worker/rows.ts';
import { type Assignment, serveOneRun } from './worker/worker.ts';

/** How `run` goes about it. Nothing here reaches the numbers, except `set`, which changes the job. */
export interface RunOptions {
  /**
   * Folder the results are written to; true: `./<name>-out`, after the job's name. Default: none; then everything, the
   * tracers' results too, is in the result.
   */
  readonly out?: string | true;
  /** Replace `out` if it exists. Default: false, and an existing folder is a UsageError before anything is computed. */
  readonly force?: boolean;
  /**
   * Begin an optimisation anew. Default: false, and one that was interrupted, with the same job and `out`, goes on from its
   * last step.
   */
  readonly fresh?: boolean;
  /** What computes. Default `auto`: the embedded WASM engine. */
  readonly engine?: EngineChoice;
  /** Worker threads. Default: `SKEWFLOW_THREADS`, else one per core. The results have the same bits with any number. */
  readonly threads?: number;
  /** Bytes the run may take. Default: three quarters of the machine's memory. A job that needs more is refused before it starts. */
  readonly memoryBytes?: number;
  /** Changes to the job, as `--set`: `params.sigma=0.3`. */
  readonly set?: readonly string[];
  /** Called now and then, at most some ten times a second. */
  readonly onProgress?: (event: ProgressEvent) => void;
  /**
   * Aborting stops the run: `run` rejects with AbortedError, and no folder is left but the checkpoints of an optimisation.
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
  /** Blocks of 256 tracers done in this phase, and in all. */
  readonly blocksDone: number;
  readonly blocksTotal: number;
  /** Seconds since `run` was called. */
  readonly seconds: number;
}

/** What `result.json` holds. */
export interface RunSummary {
  readonly name: string;
  /** L; null when the job has no loss. */
  readonly loss: number | null;
  /** ‖∂L/∂·‖₂ of every source, set, pair and param field in `gradient`. */
  readonly gradientNorms: Readonly<Record<string, number>>;
  readonly engine: string;
  /** Runs of one job with equal numerics classes have equal bits. */
  readonly numerics: string;
  readonly precision: 'f32' | 'f64';
  readonly threads: number;
  readonly shards: number;
  /** Evaluations of the loss; those before an optimisation was interrupted included. */
  readonly iterations: number;
  /** How the optimisation ended; null without `optimize`. */
  readonly optimization: OptimizationSummary | null;
  /** From the call of `run` to the result. */
  readonly seconds: number;
  /** Seconds spent reading and compiling the job, evaluating it, and writing the folder. */
  readonly timings: { readonly prepare: number; readonly evaluate: number; readonly write: number };
  /** Own row × bound row visits, forward and backward, and how many a second of evaluation. */
  readonly pairs: number;
  readonly pairsPerSecond: number;
  /** Bytes the shards were given and answered with, an iteration. */
  readonly bytesPerIteration: number;
  readonly workersLost: number;
  /** Shards computed again because their worker was lost. */
  readonly redone: number;
  /** SHA-256 of everything that reaches the numbers. */
  readonly jobDigest: string;
  readonly version: string;
}

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
  /** The folder that was written, absolute; null without `out`. */
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
  await using open = await openJob(what, settings.set);
  const { job } = open;
  refuseLater(job);
  const prepared = await prepare(job);
  const wanted = rowsWanted(job.system, job.output, prepared.grid);
  refuseAborted(settings.signal);
  const residentBytesMax = roomForRows(prepared, settings);
  await using place = await openPlace(job, wanted, folderOf(job, settings));
  const optimization = await openOptimization(prepared, wanted, {
    target: place.folder,
    fresh: settings.fresh,
    seconds: () => clock.seconds(),
  });
  latest = optimization.latest;
  const { course, resumedFrom } = optimization;
  if (resumedFrom !== null) {
    tell({ phase: 'resuming', iteration: course.begin.number + 1, blocksDone: 0, blocksTotal: 0 });
  }
  const prepareSeconds = clock.lap();

  const work = { prepared, wanted, course, rows: place.rows, residentBytesMax };
  const evaluated = await evaluate(work, settings, tell).catch((error: unknown) => {
    throw optimization.explain(error);
  });
  const evaluateSeconds = clock.lap();

  tell({ phase: 'writing', iteration: evaluated.iterations, blocksDone: 0, blocksTotal: 0 });
  const shared = sharedResults(prepared, wanted, evaluated, optimization);
  const summarise = (): RunSummary => {
    const timings = { prepare: prepareSeconds, evaluate: evaluateSeconds, write: clock.lap() };
    const spent = { seconds: clock.seconds(), timings };
    return {
      ...summaryOf(prepared, evaluated, shared, settings, spent),
      optimization: optimization.summary(),
    };
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
  readonly residentBytesMax: number;
}

/** One coordinator and one worker meet on an exchange of their own. */
async function evaluate(
  { prepared, wanted, course, rows, residentBytesMax }: Work,
  settings: Settings,
  tell: (event: Progress) => void,
): Promise<Evaluated> {
  const { job, program, grid, shards, times, segmentSteps } = prepared;
  const { precision } = job;
  const { signal, log, threads, memoryBytes } = settings;
  await using exchange = inProcessExchange();
  const desk = await exchange.open({
    protocolVersion,
    run: RunId.parse(randomUUID()),
    jobDigest: job.digest,
    seats: { min: 1, max: 1 },
    priority: 0,
  });
  const assignment: Assignment = {
    program,
    shards,
    gridOf: (accepted) => gridOf(job, program, accepted),
    planOf: () => ({ precision, segmentSteps, threads }),
    readRows: (shard) => readShard(job, shard),
    rowBytes: numbersPerRow(job.system) * (precision === 'f32' ? 4 : 8),
    residentBytesMax,
    rows,
  };
  const stop = new AbortController();
  const serving = serveOneRun({
    exchange,
    engine: () => openEngine(settings.engine, { precision, threads, memoryBytes }),
    open: async () => assignment,
    worker: WorkerId.parse(`${hostname()}:${process.pid}`),
    threads,
    log,
    signal: AbortSignal.any([signal, stop.signal]),
  });
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
      log,
      onProgress: tell,
      signal,
    });
  } finally {
    stop.abort();
    // What the worker could not do is told by the coordinator; a lease that was cut short has nothing to tell.
    await serving.catch(() => {});
  }
}

/**
 * Bytes of tracer rows that may be resident at once: half of what the program leaves of the memory, as rows are there twice
 * while they are bound.
 *
 * @throws MemoryError when not even the largest shard has room, before anything is computed
 */
function roomForRows(prepared: Prepared, { engine, threads, memoryBytes }: Settings): number {
  const { job, program, grid, shards, segmentSteps } = prepared;
  // The oracle holds everything of one block at a time; its needs are not planned.
  if (engine === 'reference') return Math.floor(memoryBytes / 2);
  const rows = shards.map(({ begin, end }) => end - begin);
  const largest = rows.length === 0 ? [] : [Math.max(...rows)];
  const plan = { program, grid, precision: job.precision, segmentSteps, threads };
  const need = memoryNeed({ ...plan, shardRows: largest });
  refuseBeyondMemory(need, memoryBytes);
  return need.residentBytes + Math.floor((memoryBytes - need.totalBytes) / 2);
}

/** The tracer arrays of a shard by name. */
async function readShard(job: Job, shard: ShardRange): Promise<ReadonlyMap<string, Reals>> {
  const arrays = new Map<string, Reals>();
  for (const part of shardedArrays(job.system)) {
    arrays.set(
      part.name,
      await readPart(part, shard.begin, shard.end, (name, begin, end) => readField(job, name, begin, end)),
    );
  }
  return arrays;
}

// --- what comes of it -------------------------------------------------------------------------------------

/** The results of the size of the sources. */
function sharedResults(
  { job, program, grid }: Prepared,
  wanted: RowsWanted,
  evaluated: Evaluated,
  optimization: Optimization,
): Results {
  const { sources } = job.system;
  const states =
    evaluated.sourceStates === null || sources === null
      ? { final: {}, trajectory: {} }
      : sourceTensors(sources.evolving, sources.rows, evaluated.sourceStates, (field) => shapeOf(job, field));
  const times = Float64Array.from(wanted.trajectory, (point) => grid.times[point] ?? Number.NaN);
  return {
    gradient: gradientTensors(
      program,
      evaluated.gradient,
      ({ field, rows, width }) => shapeOf(job, field) ?? [rows, width],
    ),
    values: {},
    final: wanted.final ? states.final : {},
    trajectory: times.length === 0 ? {} : { ...states.trajectory, t: { shape: [times.length], data: times } },
    optimum: optimization.optimum(),
    history: optimization.history(),
  };
}

/** The shape a field was given in. */
function shapeOf(job: Job, field: string): readonly number[] | null {
  return job.arrays.get(field)?.shape ?? null;
}

function summaryOf(
  { job, shards }: Prepared,
  evaluated: Evaluated,
  shared: Results,
  settings: Settings,
  spent: Pick<RunSummary, 'seconds' | 'timings'>,
): Omit<RunSummary, 'optimization'> {
  const { loss, iterations, pairs, bytesPerIteration, workersLost, redone, joins } = evaluated;
  const [join] = joins;
  invariant(join !== undefined, 'a run that is done had a worker');
  return {
    name: job.name,
    loss,
    gradientNorms: norms(shared.gradient),
    engine: join.engine,
    numerics: join.numerics,
    precision: job.precision,
    threads: settings.threads,
    shards: shards.length,
    iterations,
    ...spent,
    pairs,
    pairsPerSecond: pairs / spent.timings.evaluate,
    bytesPerIteration,
    workersLost,
    redone,
    jobDigest: job.digest,
    version,
  };
}

// --- options ----------------------------------------------------------------------------------------------

/** Options with every default filled in. */
interface Settings {
  readonly out: string | true | null;
  readonly force: boolean;
  readonly fresh: boolean;
  readonly engine: EngineChoice;
  readonly threads: number;
  readonly memoryBytes: number;
  readonly set: readonly string[];
  readonly onProgress: (event: ProgressEvent) => void;
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
    threads,
    memoryBytes,
    set: options.set ?? [],
    onProgress: options.onProgress ?? (() => {}),
    signal: options.signal ?? new AbortController().signal,
    log: logTo(config.logLevel),
  };
}

/** The job with its arrays open, closed again when the run is over. */
async function openJob(
  what: JobObject | string,
  sets: readonly string[],
): Promise<AsyncDisposable & { readonly job: Job }> {
  const job = await loadJob(typeof what === 'string' ? { path: what, sets } : { object: what, sets });
  return { job, [Symbol.asyncDispose]: () => closeJob(job) };
}

/** The folder the results go to; null: memory. */
function folderOf(job: Job, { out, force }: Settings): OutputFolder | null {
  return out === null ? null : { target: out === true ? `${job.name}-out` : out, force };
}

function refuseAborted(signal: AbortSignal): void {
  if (signal.aborted) {
    throw new SkewflowError('AbortedError', 'the run was aborted', {}, { cause: signal.reason });
  }
}

/** What the job may say and this version does not do. */
function refuseLater(job: Job): void {
  if (job.output.format === 'zarr') {
    throw new SkewflowError(
      'JobFileError',
      'output.format: zarr is not written yet in this version; use npy',
    );
  }
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
