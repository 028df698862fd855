/**
 * How does one job run in this process tree? One coordinator and one worker on the in-process exchange: the local path is
 * the distributed path without Redis.
 */
import { randomUUID } from 'node:crypto';
import { availableParallelism, totalmem } from 'node:os';
import { readConfig } from './config.ts';
import { coordinate, type Evaluated, type Progress } from './coordinator/coordinator.ts';
import { gradientTensors, norms, rowsWanted, sourceTensors, type Tensors } from './coordinator/result.ts';
import { invariant, SkewflowError } from './errors.ts';
import { inProcessExchange } from './exchange/in-process.ts';
import type { Job } from './job/job.ts';
import { closeJob, loadJob } from './job/load.ts';
import type { JobObject } from './job/schema.ts';
import { readField } from './job/values.ts';
import { type Log, logTo } from './log.ts';
import { numbersPerRow, readPart, shardedArrays } from './partition/fields.ts';
import { memoryNeed, refuseBeyondMemory } from './partition/memory.ts';
import type { ShardRange } from './partition/plan.ts';
import { gridOf, type Prepared, prepare } from './prepare.ts';
import { protocolVersion, type RowsWanted, RunId } from './protocol.ts';
import { type OutputFolder, openPlace, type Results } from './results.ts';
import { version } from './version.ts';
import { chooseStations, type EngineChoice } from './worker/engine/discover.ts';
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
   * What computes. Default `auto`: every hardware GPU for a job in f32, else the embedded WASM engine; never a software GPU,
   * which `webgpu` takes where there is no other.
   */
  readonly engine?: EngineChoice;
  /** Numbers of the GPUs to use, as `devices` lists them. Default: every hardware GPU. */
  readonly devices?: readonly number[];
  /** Worker threads. Default: `SKEWFLOW_THREADS`, else one per core. The results have the same bits with any number. */
  readonly threads?: number;
  /** Bytes the run may take. Default: three quarters of the machine's memory. A job that needs more is refused before it starts. */
  readonly memoryBytes?: number;
  /** Changes to the job, as `--set`: `params.sigma=0.3`. */
  readonly set?: readonly string[];
  /** Called now and then, at most some ten times a second. */
  readonly onProgress?: (event: ProgressEvent) => void;
  /** Told what the choice of devices leaves to be desired, a sentence. Default: nobody. */
  readonly onWarning?: (sentence: string) => void;
  /** Aborting stops the run: `run` rejects with AbortedError, and no folder is left. */
  readonly signal?: AbortSignal;
}

/** How far a run is. */
export interface ProgressEvent {
  /**
   * `reading`: the job and its inputs; `sums`, `head`, `gradient`: the loss and its gradient, by phases; `writing`: the folder.
   */
  readonly phase: Progress['phase'] | 'reading' | 'writing';
  /** From 1. */
  readonly iteration: number;
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
  readonly iterations: number;
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
  /** The folder that was written, absolute; null without `out`. */
  readonly folder: string | null;
  /** The facts above as one document: what `result.json` holds. */
  readonly summary: RunSummary;
}

/** Carry a job out; documented where it is exported, in `index.ts`. */
export async function run(what: JobObject | string, options: RunOptions = {}): Promise<RunResult> {
  const settings = settle(options);
  const clock = new Clock();
  const tell = (event: Omit<ProgressEvent, 'seconds'>): void =>
    settings.onProgress({ ...event, seconds: clock.seconds() });

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
  const prepareSeconds = clock.lap();

  const evaluated = await evaluate(prepared, wanted, place.rows, residentBytesMax, settings, tell);
  const evaluateSeconds = clock.lap();

  tell({ phase: 'writing', iteration: evaluated.iterations, blocksDone: 0, blocksTotal: 0 });
  const shared = sharedResults(prepared, wanted, evaluated);
  const summarise = (): RunSummary => {
    const timings = { prepare: prepareSeconds, evaluate: evaluateSeconds, write: clock.lap() };
    return summaryOf(prepared, evaluated, shared, settings, { seconds: clock.seconds(), timings });
  };
  const { results, summary } = await place.finish(shared, summarise);
  return { ...summary, ...results, folder: place.folder, summary };
}

// --- what is computed -------------------------------------------------------------------------------------

/** One coordinator and a worker for each device meet on an exchange of their own. */
async function evaluate(
  prepared: Prepared,
  wanted: RowsWanted,
  rows: RowStore,
  residentBytesMax: number,
  settings: Settings,
  tell: (event: Progress) => void,
): Promise<Evaluated> {
  const { job, program, grid, shards, times, fields, segmentSteps } = prepared;
  const { precision } = job;
  const { signal, log, threads, memoryBytes, devices, onWarning } = settings;
  const stations = await chooseStations(settings.engine, {
    precision,
    threads,
    memoryBytes,
    onWarning,
    log,
    ...(devices === null ? {} : { devices }),
  });
  await using exchange = inProcessExchange({ seats: stations.length });
  const desk = await exchange.open({
    protocolVersion,
    run: RunId.parse(randomUUID()),
    jobDigest: job.digest,
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
  const serving = stations.map((station) =>
    serveOneRun({
      exchange,
      engine: station.open,
      open: async () => assignment,
      threads,
      log,
      signal: AbortSignal.any([signal, stop.signal]),
    }),
  );
  try {
    return await coordinate({
      desk,
      program,
      grid,
      times,
      fields,
      shards,
      rows: wanted,
      // A device that fails leaves its shards to the others.
      breakagesMax: stations.length - 1,
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
function sharedResults({ job, program, grid }: Prepared, wanted: RowsWanted, evaluated: Evaluated): Results {
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
): RunSummary {
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
  readonly engine: EngineChoice;
  readonly devices: readonly number[] | null;
  readonly threads: number;
  readonly memoryBytes: number;
  readonly set: readonly string[];
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
    engine: options.engine ?? 'auto',
    devices: options.devices ?? null,
    threads,
    memoryBytes,
    set: options.set ?? [],
    onProgress: options.onProgress ?? (() => {}),
    onWarning: options.onWarning ?? (() => {}),
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
  if (job.optimize !== null) {
    throw new SkewflowError(
      'JobFileError',
      'optimize: not yet in this version, which evaluates the loss and its gradient once; take `optimize` out and use `gradient`',
    );
  }
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
