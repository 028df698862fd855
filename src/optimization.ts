/**
 * How is the loss of a job minimised in this process? By a course from where it was stopped, if it was, with a checkpoint
 * after every step when there is a folder for results.
 */
import type { Checkpoints, Kept } from './checkpoints.ts';
import { type Course, once } from './coordinator/course.ts';
import {
  type Descent,
  decodeDescent,
  descend,
  encodeDescent,
  type HistoryRow,
} from './coordinator/descent.ts';
import type { Reason } from './coordinator/optimizers/optimizer.ts';
import type { Tensors } from './coordinator/result.ts';
import { invariant, isSkewflowError, SkewflowError } from './errors.ts';
import type { Optimize } from './job/job.ts';
import type { ProgramOutline } from './kernels/sweep/program.ts';
import type { Prepared } from './prepare.ts';
import type { RowsWanted } from './protocol.ts';

/** How an optimisation ended; in `result.json`. */
export interface OptimizationSummary {
  /** Its name in job files. */
  readonly method: Optimize['method'];
  /** Steps taken. */
  readonly iterations: number;
  /** Evaluations of the loss that led them; the one at the optimum for the results is not counted. */
  readonly evaluations: number;
  /**
   * Why it is over: the gradient, or the decrease of the loss, is below its tolerance; nothing lower can be told at this
   * precision; or a limit is reached.
   */
  readonly reason: Reason;
  /** ‖∇L‖∞ of the free variables at the last step; components that push against a bound are left out. */
  readonly gradientNorm: number;
  /** The step at which this process took the run up; null: it began it. */
  readonly resumedFrom: number | null;
}

/** The course of a run and what an optimisation adds to its results. */
export interface Optimization {
  readonly course: Course;
  /** The last step; null before the first, and without optimisation. */
  readonly latest: () => HistoryRow | null;
  readonly resumedFrom: number | null;
  /** Numerics classes that took it so far before it was interrupted. */
  readonly numericsBefore: readonly string[];
  readonly history: () => readonly HistoryRow[];
  /** The fields in `over` at the optimum; {} without optimisation. */
  readonly optimum: () => Tensors;
  readonly summary: () => OptimizationSummary | null;
  /** The error as the user reads it: an interruption that can be gone on from says so. */
  readonly explain: (error: unknown) => unknown;
  /** The results are there: no checkpoint is needed. */
  readonly settle: () => Promise<void>;
}

export interface OptimizationOptions {
  /** Where it is kept how far the optimisation is; null: nowhere. */
  readonly checkpoints: Checkpoints | null;
  /** Whether checkpoints that are there are thrown away. */
  readonly fresh: boolean;
  /** Numerics classes that compute in this process, as far as they are known. */
  readonly numerics: () => readonly string[];
  /** Seconds since the run began. */
  readonly seconds: () => number;
}

/**
 * The course of a job: of an optimisation where the job has one, otherwise one evaluation.
 *
 * @throws JobFileError when a bound excludes the start; UsageError when the checkpoints are another job's
 */
export async function openOptimization(
  { job, program, fields }: Prepared<ProgramOutline>,
  wanted: RowsWanted,
  { checkpoints, fresh, numerics, seconds }: OptimizationOptions,
): Promise<Optimization> {
  const { optimize, precision } = job;
  if (optimize === null) return evaluatedOnce(fields);
  if (fresh) await checkpoints?.remove();
  const kept = (await checkpoints?.latest()) ?? null;
  const resume = resumable(kept, checkpoints);
  const before = kept?.numerics ?? [];
  const descent = descend({ optimize, precision }, program, fields, {
    rows: wantsRows(wanted),
    resume,
    save: async (state, taken) => {
      if (taken === null) return;
      const classes = [...new Set([...before, ...numerics()])];
      await checkpoints?.save(taken.iteration, { text: encodeDescent(state), numerics: classes });
    },
    seconds,
  });
  const latest = (): HistoryRow | null => descent.state().history.at(-1) ?? null;
  const resumedFrom = resume === null ? null : resume.optimizer.iteration;
  return {
    course: descent,
    latest,
    resumedFrom,
    numericsBefore: before,
    history: () => descent.state().history,
    optimum: () => optimumTensors(descent, (field) => job.arrays.get(field)?.shape ?? null),
    summary: () => summaryOf(optimize, descent, resumedFrom),
    explain: (error) => {
      const step = latest();
      const goesOn = checkpoints !== null && step !== null && isSkewflowError(error, 'AbortedError');
      return goesOn ? interrupted(step, error) : error;
    },
    settle: async () => checkpoints?.remove(),
  };
}

function evaluatedOnce(fields: ReadonlyMap<string, Float64Array>): Optimization {
  return {
    course: once(fields),
    latest: () => null,
    resumedFrom: null,
    numericsBefore: [],
    history: () => [],
    optimum: () => ({}),
    summary: () => null,
    explain: (error) => error,
    settle: async () => {},
  };
}

function resumable(kept: Kept | null, checkpoints: Checkpoints | null): ReturnType<typeof decodeDescent> {
  if (kept === null || checkpoints === null) return null;
  const state = decodeDescent(kept.text);
  if (state !== null) return state;
  throw new SkewflowError(
    'UsageError',
    `${checkpoints.folder} holds checkpoints of another version of skewflow: start anew with \`--fresh\``,
  );
}

function wantsRows({ gradient, final, trajectory, values }: RowsWanted): boolean {
  return gradient.length > 0 || final || trajectory.length > 0 || values;
}

function optimumTensors(descent: Descent, given: (field: string) => readonly number[] | null): Tensors {
  return Object.fromEntries(
    [...descent.optimum()].map(([name, data]) => [name, { shape: given(name) ?? [data.length], data }]),
  );
}

function summaryOf({ method }: Optimize, descent: Descent, resumedFrom: number | null): OptimizationSummary {
  const { optimizer, history, reason } = descent.state();
  invariant(reason !== null, 'a run of an optimisation is done when its optimiser is');
  return {
    method,
    iterations: optimizer.iteration,
    evaluations: optimizer.evaluations,
    reason,
    gradientNorm: history.at(-1)?.gradientNorm ?? Number.NaN,
    resumedFrom,
  };
}

function interrupted({ iteration }: HistoryRow, cause: Error): SkewflowError {
  return new SkewflowError(
    'AbortedError',
    `stopped at iteration ${iteration}: the same command goes on from there`,
    { iteration },
    { cause },
  );
}
