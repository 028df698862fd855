/** Is the gradient of a job right, and does its scheme keep its order? Measured, on some of its rows. */
import { availableParallelism, totalmem } from 'node:os';
import { readConfig } from '../config.ts';
import { SkewflowError } from '../errors.ts';
import type { Job } from '../job/job.ts';
import { closeJob, loadJob } from '../job/load.ts';
import { withOwnRowAdvice } from '../job/own-row.ts';
import type { JobObject } from '../job/schema.ts';
import { memoryNeed, refuseBeyondMemory } from '../partition/memory.ts';
import { type EngineChoice, openEngine } from '../worker/engine/discover.ts';
import type { Engine } from '../worker/engine/engine.ts';
import { type Answer, type Evaluator, evaluatorOn } from './evaluator.ts';
import { checkGradients, type GradientLine } from './gradient-check.ts';
import { measureOrder, type OrderReport } from './order.ts';
import { type Problem, takeRows } from './problem.ts';
import { workOf } from './work.ts';

/** How `check` goes about it. */
export interface CheckOptions {
  /** What is checked. Default `auto`, as for `run`. */
  readonly engine?: EngineChoice;
  /** Number of the GPU that is checked, the first of several. Default: the first hardware GPU. */
  readonly devices?: readonly number[];
  /** Threads to compute with. Default: as for `run`. */
  readonly threads?: number;
  /** Bytes it may take. Default: as for `run`. */
  readonly memoryBytes?: number;
  /** Changes to the job, as `--set`. */
  readonly set?: readonly string[];
  /** Hosts its inputs may lie on although they are private or plain http: `host` or `host:port`. */
  readonly allowHosts?: readonly string[];
  /** Told what the choice of a device leaves to be desired, a sentence. Default: nobody. */
  readonly onWarning?: (sentence: string) => void;
  /** Aborting stops it with AbortedError. */
  readonly signal?: AbortSignal;
}

/** What a check found. All errors are relative: ‖difference‖₂ / ‖reference‖₂. */
export interface CheckReport {
  /** The job's name. */
  readonly name: string;
  /** Numerics class of the engine under test. */
  readonly numerics: string;
  /** What the differences were taken of: an engine in double precision, forward only. */
  readonly oracle: string;
  /** Relative difference of the oracle's loss from the plain reference; null where the reference would take too long. */
  readonly oracleError: number | null;
  /** Tracers taken of all. */
  readonly rows: {
    /** Evenly spread. */
    readonly taken: number;
    /** N. */
    readonly all: number;
  };
  /** The engine's loss against the oracle's. */
  readonly loss: {
    /** The engine’s loss over the rows taken. */
    readonly value: number;
    /** Relative difference. */
    readonly error: number;
    /** What it may be. */
    readonly tolerance: number;
    /** Whether it is no more. */
    readonly passed: boolean;
  };
  /** A line for each field of the gradient. */
  readonly gradients: readonly GradientLine[];
  /** Null for a job without a flow. */
  readonly order: OrderReport | null;
  /** Whether everything is within its tolerance. */
  readonly passed: boolean;
}

/** Relative, by the norm of an array. */
export const tolerances = { f32: 1e-3, f64: 1e-6 } as const;

/** Tracers a check takes. */
const rowsMax = 64;

/** Pairs the reference may visit for one loss, and all of a check's losses together. */
const referencePairsMax = 4e6;
const referenceTotalMax = 2e7;
/** Losses that a check comes to, about: fields × directions × levels × 2. */
const lossesPerField = 30;
/** Work of the order's measurement, in evaluations at the job's own steps. */
const orderEvaluationsMax = 64;

/** Check a job; documented where it is exported, in `index.ts`. */
export async function check(what: JobObject | string, options: CheckOptions = {}): Promise<CheckReport> {
  const sets = options.set ?? [];
  const reach = {
    allowHosts: options.allowHosts ?? [],
    publicHosts: true,
    s3: readConfig(process.env).s3,
  };
  const job = await loadJob({
    ...(typeof what === 'string' ? { path: what } : { object: what }),
    sets,
    reach,
  });
  try {
    return await checked(job, options).catch((error: unknown) => {
      throw withOwnRowAdvice(error, job.system);
    });
  } finally {
    await closeJob(job);
  }
}

async function checked(job: Job, options: CheckOptions): Promise<CheckReport> {
  if (job.system.terms.length === 0) {
    throw new SkewflowError('UsageError', 'the job has no `loss`: there is no gradient to check');
  }
  const problem = await takeRows(job, rowsMax);
  const threads = options.threads ?? availableParallelism();
  const memoryBytes = options.memoryBytes ?? Math.floor(totalmem() * 0.75);
  if (options.engine !== 'reference') refuseTooLarge(problem, threads, memoryBytes);
  const { precision } = job;
  const signal = options.signal === undefined ? {} : { signal: options.signal };

  const { devices, onWarning } = options;
  await using engine = await openEngine(options.engine ?? 'auto', {
    precision,
    threads,
    memoryBytes,
    ...(devices === undefined ? {} : { devices }),
    ...(onWarning === undefined ? {} : { onWarning }),
  });
  await using reference = await openEngine('reference', { precision: 'f64', threads: 1, memoryBytes });
  await using fast = await openEngine('wasm', { precision: 'f64', threads, memoryBytes });
  const { numerics, answer } = await answerOn(engine, problem, { threads, ...signal });

  const pairs = forwardPairs(problem);
  const plain = pairs * lossesPerField * Math.max(job.system.gradient.length, 1) <= referenceTotalMax;
  await using oracle = await evaluatorOn(plain ? reference : fast, problem, { threads, ...signal });
  const expected = await oracle.loss();
  const oracleError = plain
    ? 0
    : pairs > referencePairsMax
      ? null
      : relative(expected, await lossOn(reference, problem, signal));

  const tolerance = tolerances[engine.precision];
  const error = relative(answer.loss, expected);
  const loss = { value: answer.loss, error, tolerance, passed: error <= tolerance };
  const gradients = await checkGradients(problem, answer, oracle, tolerance);
  await using refined = plain ? await evaluatorOn(fast, problem, { threads, ...signal }) : null;
  const order = await measureOrder(problem, refined ?? oracle, orderEvaluationsMax);
  return {
    name: job.name,
    numerics,
    oracle: oracle.numerics,
    oracleError,
    rows: { taken: problem.rows.length, all: job.system.tracers?.rows ?? 0 },
    loss,
    gradients,
    order,
    passed: loss.passed && gradients.every((g) => g.passed) && !tooLow(order),
  };
}

/**
 * The rows taken are one shard, all steps are held, and the oracle has double precision.
 *
 * @throws MemoryError with both figures, before anything is computed
 */
function refuseTooLarge({ program, grid, rows }: Problem, threads: number, memoryBytes: number): void {
  const steps = Math.max(1, grid.times.length - 1);
  const plan = { program, grid, precision: 'f64', segmentSteps: steps, threads } as const;
  refuseBeyondMemory(memoryNeed({ ...plan, shardRows: [rows.length] }), memoryBytes);
}

interface Asked {
  readonly threads: number;
  readonly signal?: AbortSignal;
}

async function answerOn(
  engine: Engine,
  problem: Problem,
  asked: Asked,
): Promise<{ readonly numerics: string; readonly answer: Answer }> {
  await using evaluator: Evaluator = await evaluatorOn(engine, problem, asked);
  return { numerics: evaluator.numerics, answer: await evaluator.evaluate() };
}

async function lossOn(engine: Engine, problem: Problem, signal: Omit<Asked, 'threads'>): Promise<number> {
  await using evaluator = await evaluatorOn(engine, problem, { threads: 1, ...signal });
  return await evaluator.loss();
}

/** Pairs of one forward sweep. */
function forwardPairs({ program, grid }: Problem): number {
  const work = workOf({ program, grid, shards: 1, sourcesLeaf: true, segmentSteps: grid.times.length });
  return work.filter((w) => w.direction === 'forward').reduce((sum, w) => sum + w.pairs, 0);
}

/** Whether a flow without kinks settled at an order below the declared one. */
function tooLow(order: OrderReport | null): boolean {
  return order?.smooth === true && [order.states, order.gradient].some((m) => m?.verdict === 'lower');
}

function relative(a: number, b: number): number {
  const difference = Math.abs(a - b);
  return Number.isNaN(difference)
    ? Number.POSITIVE_INFINITY
    : difference === 0
      ? 0
      : difference / Math.abs(b);
}
