/**
 * What can a program ask of skewflow? The public API: the only file to import.
 *
 * Each function loads what it needs when it is called, so that importing this file costs nothing.
 */
import type { Job } from './job/job.ts';
import type { JobObject } from './job/schema.ts';
import type { RunOptions, RunResult } from './run.ts';

export type { Tensor, Tensors } from './coordinator/result.ts';
export { type ErrorTag, isSkewflowError, SkewflowError } from './errors.ts';
export { parseBytes } from './job/bytes.ts';
export type { Job } from './job/job.ts';
export type { JobObject } from './job/schema.ts';
export type { ProgressEvent, RunOptions, RunResult, RunSummary } from './run.ts';
export { version } from './version.ts';
export type { EngineChoice } from './worker/engine/discover.ts';

/**
 * Compute the loss of a job and its exact gradient, on this machine.
 *
 *   x_i' = f(x_i, Σ_j F(x_i, y_j))     y_j' = g(y_j, Σ_k G(y_j, y_k))     L = h(Σ_i s(x_i))
 *
 * Shapes, units and names are those of the job; time is in the units of `integrate`. One evaluation costs
 * O(N·M·steps) and a small multiple of it for the gradient; nothing N × M is ever formed.
 *
 * @param job - path of a job file (YAML or JSON), or the same document as an object, with arrays in place of paths
 * @returns the loss, the gradient and everything else the job asks for, in double precision
 * @throws FormulaError, JobFileError, ShapeError, InputError, UsageError for what is wrong with the job or the options
 * @throws MemoryError when the job needs more than `memoryBytes`, with both numbers, before anything is computed
 * @throws NonFiniteError naming the first step, time, group and row where a value stopped being finite
 * @throws NoDeviceError when the chosen engine cannot compute here, AbortedError when `signal` aborts
 *
 * @example
 * const { loss, gradient } = await run({
 *   sources: { q: [[0, 0], [1, 0]], p: [[1, 0], [0, 1]] },
 *   tracers: { x: { uniform: [-1, 1], dim: 2, seed: 7 }, rows: 1000 },
 *   flow: { x: 'sum(j, exp(-sqdist(x, q[j])) * p[j])' },
 *   integrate: { scheme: 'rk4', from: 0, to: 1, steps: 10 },
 *   loss: 'mean(i, sqnorm(x))',
 *   gradient: ['p'],
 * });
 * gradient.p; // { shape: [2, 2], data: Float64Array(4) }
 */
export async function run(job: JobObject | string, options: RunOptions = {}): Promise<RunResult> {
  const { run: carryOut } = await import('./run.ts');
  return carryOut(job, options);
}

/**
 * Read and check a job without running it: every formula checked, every width and row count settled, every default filled in.
 *
 * The arrays are open and not read; each is an `ArraySource` in `job.arrays`, to be closed by its `close`.
 *
 * @param job - path of a job file (YAML or JSON), or the same document as an object
 * @param set - changes to the job, as `--set`: `params.sigma=0.3`
 * @throws FormulaError, JobFileError, ShapeError, InputError, UsageError: whatever is wrong with the job
 *
 * @example
 * const job = await loadJob('job.yaml', ['params.sigma=0.3']);
 * job.system.tracers?.rows; // N
 */
export async function loadJob(job: JobObject | string, set: readonly string[] = []): Promise<Job> {
  const { loadJob: load } = await import('./job/load.ts');
  return load(typeof job === 'string' ? { path: job, sets: set } : { object: job, sets: set });
}

/**
 * The JSON Schema (draft 2020-12) of the job file, for editors and validators.
 *
 * It says what a job file may contain, not what agrees with what: widths, rows and formulas are checked by `loadJob`.
 *
 * @example
 * await writeFile('job.schema.json', JSON.stringify(await schema(), null, 2));
 */
export async function schema(): Promise<Readonly<Record<string, unknown>>> {
  const { jobJsonSchema } = await import('./job/schema.ts');
  return jobJsonSchema();
}
