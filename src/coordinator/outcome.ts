/**
 * What does a run leave? Its results of the size of the sources, the facts in `result.json`, and both as files.
 */
import { createNpy } from '../arrays/npy-writer.ts';
import { writeNpz } from '../arrays/npz-writer.ts';
import type { ResultFolder } from '../arrays/result-folder.ts';
import { invariant } from '../errors.ts';
import type { Job } from '../job/job.ts';
import type { ProgramOutline } from '../kernels/sweep/program.ts';
import type { Optimization, OptimizationSummary } from '../optimization.ts';
import { convergencePlot } from '../plot/convergence.ts';
import { historyText } from '../plot/history.ts';
import type { Prepared } from '../prepare.ts';
import type { RowsWanted } from '../protocol.ts';
import { runKeys } from '../storage/keys.ts';
import type { Root } from '../storage/root.ts';
import { version } from '../version.ts';
import type { Evaluated } from './coordinator.ts';
import type { HistoryRow } from './descent.ts';
import { gradientTensors, norms, sourceTensors, type Tensors } from './result.ts';

/** The results of one size: of sources, sets, pairs and params, or of tracers. */
export interface Results {
  readonly gradient: Tensors;
  readonly values: Tensors;
  readonly final: Tensors;
  readonly trajectory: Tensors;
  /** What an optimisation found, and how; empty without one. */
  readonly optimum: Tensors;
  readonly history: readonly HistoryRow[];
}

/** What `result.json` holds. */
export interface RunSummary {
  /** The job's name. */
  readonly name: string;
  /** L; null when the job has no loss. */
  readonly loss: number | null;
  /** ‖∂L/∂·‖₂ of every source, set, pair and param field in `gradient`. */
  readonly gradientNorms: Readonly<Record<string, number>>;
  /** What computed: `wasm`, `webgpu` or `reference`. */
  readonly engine: string;
  /** Runs of one job with equal numerics classes have equal bits. */
  readonly numerics: string;
  /** Of the states and the tracers’ arrays; sums are in double precision whatever it says. */
  readonly precision: 'f32' | 'f64';
  /** Threads of all workers. */
  readonly threads: number;
  /** Parts that the tracers were cut into. */
  readonly shards: number;
  /** Evaluations of the loss; those before an optimisation was interrupted included. */
  readonly iterations: number;
  /** How the optimisation ended; null without `optimize`. */
  readonly optimization: OptimizationSummary | null;
  /** From the call of `run` to the result; of a fleet, since the coordinator that finished it took the run. */
  readonly seconds: number;
  /** Seconds spent reading and compiling the job, waiting for a worker, evaluating it, and writing the folder. */
  readonly timings: {
    /** Reading and compiling the job. */
    readonly prepare: number;
    /** Until the first worker came; 0 but in a fleet. */
    readonly wait: number;
    /** Evaluating it. */
    readonly evaluate: number;
    /** Writing its results. */
    readonly write: number;
  };
  /** Own row × bound row visits, forward and backward. */
  readonly pairs: number;
  /** `pairs` a second of evaluation. */
  readonly pairsPerSecond: number;
  /** Bytes the shards were given and answered with, an iteration. */
  readonly bytesPerIteration: number;
  /** Workers whose shards went to others. */
  readonly workersLost: number;
  /** Shards computed again because their worker was lost. */
  readonly redone: number;
  /** SHA-256 of everything that reaches the numbers. */
  readonly jobDigest: string;
  /** Of the package that coordinated. */
  readonly version: string;
}

/** The results of the size of the sources. */
export function sharedResults(
  { job, program, grid }: Prepared<ProgramOutline>,
  wanted: RowsWanted,
  evaluated: Evaluated,
  optimization: Pick<Optimization, 'history' | 'optimum'>,
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

/** Facts about a run that is done. */
export function summaryOf(
  { job, shards }: Prepared<ProgramOutline>,
  evaluated: Evaluated,
  shared: Results,
  optimization: Pick<Optimization, 'numericsBefore' | 'summary'>,
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
    numerics: [...new Set([...optimization.numericsBefore, ...joins.map(({ numerics }) => numerics)])].join(
      ' + ',
    ),
    precision: job.precision,
    threads: [...new Map(joins.map(({ worker, threads }) => [worker, threads])).values()].reduce(
      (a, b) => a + b,
    ),
    shards: shards.length,
    iterations,
    optimization: optimization.summary(),
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

/**
 * Write what is of the size of the sources: `gradient.npz`, `final/q.npy`, `trajectory/q.npy`, `trajectory/t.npy`, `job.yaml`; of an
 * optimisation `optimum.npz`, `history.csv`, `convergence.svg`.
 */
export async function writeShared(folder: ResultFolder, job: Job, shared: Results): Promise<void> {
  for (const kind of ['gradient', 'optimum'] as const) {
    const arrays = Object.entries(shared[kind]).map(([name, tensor]) => ({ name, ...tensor }));
    if (arrays.length > 0) await writeNpz(await folder.path(`${kind}.npz`), arrays);
  }
  if (shared.history.length > 0) {
    await folder.writeText('history.csv', historyText(shared.history));
    await folder.writeText('convergence.svg', convergencePlot(job.name, shared.history));
  }
  for (const kind of ['final', 'trajectory'] as const) {
    for (const [field, { shape, data }] of Object.entries(shared[kind])) {
      const file = await createNpy(await folder.path(kind, `${field}.npy`), 'f8', shape);
      try {
        await file.write(0, data);
      } finally {
        await file.close();
      }
    }
  }
  await folder.writeText('job.yaml', job.source.text);
}

/** Write `result.json`, the last file of a folder. */
export function writeSummary(folder: ResultFolder, summary: RunSummary): Promise<void> {
  return folder.writeText('result.json', `${JSON.stringify(summary, null, 2)}\n`);
}

/** What `show` has of results: the figures of `result.json`, and where they lie. */
export async function readFigures(
  root: Root,
  run: string,
): Promise<Record<string, boolean | number | string | null>> {
  const key = runKeys(run).resultFile;
  const text = Buffer.from((await root.read(key)) ?? new Uint8Array()).toString('utf8');
  const all = text === '' ? {} : (JSON.parse(text) as Partial<RunSummary>);
  const plain = Object.entries(all).filter(([, value]) => typeof value !== 'object' || value === null);
  return Object.fromEntries(plain) as Record<string, boolean | number | string | null>;
}
