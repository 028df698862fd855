/**
 * What can a program ask of skewflow? The public API: the only file to import.
 *
 * Each function loads what it needs when it is called, so that importing this file costs nothing.
 */
import type { CreatedExample, Example } from './examples.ts';
import type { CheckOptions, CheckReport } from './inspect/check.ts';
import type { DeviceReport } from './inspect/devices.ts';
import type { Explanation } from './inspect/explain.ts';
import type { ExplainOptions } from './inspect/explain-job.ts';
import type { Job } from './job/job.ts';
import type { JobObject } from './job/schema.ts';
import type { PlotOptions } from './plot/folder.ts';
import type { RunOptions, RunResult } from './run.ts';

export type { GeneratorSpec } from './arrays/generators.ts';
export type { NestedList, Shaped } from './arrays/inline.ts';
export type { ArraySpec } from './arrays/open.ts';
export type { ArraySource } from './arrays/source.ts';
export {
  acceptedOf,
  type BatchJob,
  type Cancelled,
  Client,
  type ClientOptions,
  type RunEvent,
  type RunFilter,
  type RunStatus,
  type SubmitOptions,
  type SubmittedBatch,
} from './client/client.ts';
export type { FetchedResult, ResultOptions, RunHandle } from './client/handle.ts';
export { sweepsOf } from './client/sweep.ts';
export type { RedisOptions } from './connect.ts';
export type { HistoryRow } from './coordinator/descent.ts';
export type { Reason } from './coordinator/optimizers/optimizer.ts';
export type { Tensor, Tensors } from './coordinator/result.ts';
export { type ErrorTag, isSkewflowError, SkewflowError } from './errors.ts';
export type { CreatedExample, Example } from './examples.ts';
export type { RunNews } from './exchange/register.ts';
export type { CheckOptions, CheckReport } from './inspect/check.ts';
export { checkText } from './inspect/check-text.ts';
export type { DenseCost } from './inspect/dense.ts';
export type { DeviceReport, GpuReport, PrecisionReport } from './inspect/devices.ts';
export type { Explanation, KernelLine, MemoryLines, TrafficLines } from './inspect/explain.ts';
export type { ExplainOptions } from './inspect/explain-job.ts';
export { type ExplanationPart, explainText } from './inspect/explain-text.ts';
export type { FormulaLine, FormulaSection } from './inspect/formulas.ts';
export type { GradientLine } from './inspect/gradient-check.ts';
export type { BlockKind, Jacobian, Line } from './inspect/jacobian.ts';
export type { KernelListing } from './inspect/kernel-listing.ts';
export type { MeasuredOrder, OrderReport, OrderVerdict } from './inspect/order.ts';
export type { WorkLine } from './inspect/work.ts';
export { parseBytes } from './job/bytes.ts';
export type { Integrate, Job, Optimize, Output } from './job/job.ts';
export type { JobObject } from './job/schema.ts';
export type { Facts, Log } from './log.ts';
export type { OptimizationSummary } from './optimization.ts';
export type { Part } from './partition/parts.ts';
export type { PlotOptions } from './plot/folder.ts';
export {
  Coordinator,
  type CoordinatorOptions,
  type ProcessOptions,
  Worker,
  type WorkerOptions,
} from './processes.ts';
export type { ProgressEvent, RunOptions, RunResult, RunSummary } from './run.ts';
export { version } from './version.ts';
export type { EngineChoice } from './worker/engine/discover.ts';
export type { EngineName, Precision } from './worker/engine/engine.ts';

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
 * @param allowHosts - hosts its inputs may lie on although they are private or plain http: `host` or `host:port`
 * @throws FormulaError, JobFileError, ShapeError, InputError, UsageError: whatever is wrong with the job
 * @throws OutOfReachError for a server with an input that does not answer
 *
 * @example
 * const job = await loadJob('job.yaml', ['params.sigma=0.3']);
 * job.system.tracers?.rows; // N
 */
export async function loadJob(
  job: JobObject | string,
  set: readonly string[] = [],
  allowHosts: readonly string[] = [],
): Promise<Job> {
  const [{ loadJob: load }, { readConfig }] = await Promise.all([
    import('./job/load.ts'),
    import('./config.ts'),
  ]);
  const reach = { allowHosts, publicHosts: true, s3: readConfig(process.env).s3 };
  return load({ ...(typeof job === 'string' ? { path: job } : { object: job }), sets: set, reach });
}

/**
 * What would a job do, and what does its structure save? Nothing is computed, but for the steps of an adaptive job.
 *
 * Which blocks of the Jacobian are zero, diagonal or dense; the formulas that run, forward and derived; rows and pairs
 * visited, bytes held and sent; what dense back-propagation would have cost. `explainText` makes it readable.
 *
 * @param job - path of a job file (YAML or JSON), or the same document as an object
 * @throws FormulaError, JobFileError, ShapeError, InputError, UsageError: whatever is wrong with the job
 *
 * @example
 * const { jacobian, totals } = await explain('job.yaml');
 * totals.backwardPairs; // own row × bound row visits of the backward sweep
 */
export async function explain(job: JobObject | string, options: ExplainOptions = {}): Promise<Explanation> {
  const { explain: explained } = await import('./inspect/explain-job.ts');
  return explained(job, options);
}

/**
 * Is the gradient right? Each part of it along seeded random directions against finite differences of the loss in double
 * precision, and the order of the scheme by halving its steps.
 *
 * At most 64 tracers are taken, evenly spread over all of them, with every source; errors are relative to the norm of
 * that part of the gradient, and may be 1e-6 in f64 and 1e-3 in f32. `checkText` makes the report readable.
 *
 * @param job - path of a job file (YAML or JSON), or the same document as an object
 * @throws UsageError for a job without a loss; what `run` throws for a job that cannot be run, MemoryError among it
 *
 * @example
 * const { passed, gradients } = await check('job.yaml', { engine: 'wasm' });
 * gradients[0]; // { field: 'p', norm: 42.8, error: 3.1e-6, tolerance: 1e-3, passed: true, … }
 */
export async function check(job: JobObject | string, options: CheckOptions = {}): Promise<CheckReport> {
  const { check: checked } = await import('./inspect/check.ts');
  return checked(job, options);
}

/**
 * What can compute here? Every engine and every GPU, tried on a small job against the reference.
 *
 * @returns one report an engine and GPU: the usable ones, those that fail their self-test, and what to install where no GPU
 *   answers
 *
 * @example
 * (await devices()).filter((d) => d.usable).map((d) => d.name); // ['wasm', 'NVIDIA GeForce RTX 4090', 'reference']
 */
export async function devices(): Promise<readonly DeviceReport[]> {
  const { devices: found } = await import('./inspect/devices.ts');
  return found();
}

/**
 * Draw what a folder of results holds, as SVG files in it: `convergence.svg` of an optimisation, `final.svg` and
 * `trajectory.svg` of fields with two components or more (the two that spread most), `gradient.svg` of the norms.
 *
 * @param folder - a folder that `run` wrote
 * @returns the paths written
 * @throws InputError when it is no folder of results, or holds nothing to draw
 * @throws UsageError when PNGs are wanted and cannot be drawn: sharp, or a font, is missing
 *
 * @example
 * await run('job.yaml', { out: 'out' });
 * await plot('out'); // ['out/final.svg', 'out/gradient.svg']
 */
export async function plot(folder: string, options: PlotOptions = {}): Promise<readonly string[]> {
  const { plotFolder } = await import('./plot/folder.ts');
  return plotFolder(folder, options);
}

/**
 * The examples that come with the package: name and first sentence.
 *
 * @example
 * for (const { name, title } of await listExamples()) console.log(name, title);
 */
export async function listExamples(): Promise<readonly Example[]> {
  const { listExamples: list } = await import('./examples.ts');
  return list();
}

/**
 * Make a folder with an example: its job file, README, data and the script that draws its picture.
 *
 * @param name - one of `listExamples`
 * @param folder - where; it appears when it is complete, or not at all
 * @throws UsageError for an unknown name, and for a folder that exists
 *
 * @example
 * const { job } = await createExample('vortices', './vortices');
 * await run(job);
 */
export async function createExample(name: string, folder: string): Promise<CreatedExample> {
  const { createExample: create } = await import('./examples.ts');
  return create(name, folder);
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
