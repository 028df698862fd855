/** What can compute here? Each engine and each GPU, tried on a small job against the reference. */
import { availableParallelism } from 'node:os';
import { isSkewflowError } from '../errors.ts';
import { jobFromObject } from '../job/load.ts';
import type { JobObject } from '../job/schema.ts';
import { defaultLimits } from '../worker/child/supervision.ts';
import { findGpus, type Gpu, howToGetOne } from '../worker/engine/dawn/adapters.ts';
import { type ChoiceOptions, chooseStations, gpuStation, type Station } from '../worker/engine/discover.ts';
import type { Engine, EngineName, Precision } from '../worker/engine/engine.ts';
import { openReferenceEngine } from '../worker/engine/reference/engine.ts';
import { type Answer, evaluatorOn } from './evaluator.ts';
import { distance } from './norms.ts';
import { type Problem, takeRows } from './problem.ts';

/** One engine, and whether it computes here. */
export interface DeviceReport {
  /** What `--engine` calls it. */
  readonly engine: EngineName;
  /** The GPU's name, or the engine's. */
  readonly name: string;
  /** `absent`: there is none; `failing`: there is one, and it fails its self-test. */
  readonly status: 'absent' | 'failing' | 'usable';
  /** Whether the status is `usable`. */
  readonly usable: boolean;
  /** For people: what it is, the self-test's outcome, or why there is none and what to do. */
  readonly description: string;
  /** Logical cores the engine may use. */
  readonly threads: number;
  /** One for each precision the engine has. */
  readonly precisions: readonly PrecisionReport[];
  /** null for an engine that needs no GPU. */
  readonly gpu: GpuReport | null;
}

/** How an engine did on a small job in one precision. */
export interface PrecisionReport {
  /** Of its states. */
  readonly precision: Precision;
  /** Engines with equal numerics classes give equal bits for equal jobs. */
  readonly numerics: string;
  /** Largest relative difference of loss and gradient from the reference on a small job. */
  readonly error: number;
  /** What `error` may be. */
  readonly tolerance: number;
}

/** What a GPU says of itself. */
export interface GpuReport {
  /** Its number in `--devices`. */
  readonly index: number;
  /** `vulkan`, `metal` or `d3d12`. */
  readonly backend: string;
  /** Who makes it, as WebGPU tells. */
  readonly vendor: string;
  /** Its family, as WebGPU tells; empty where it does not. */
  readonly architecture: string;
  /** The driver with its version. */
  readonly driver: string;
  /** Whether it computes on the processor; `auto` never takes such a one. */
  readonly software: boolean;
  /** Where one of several identical GPUs is: its bus address or driver file. */
  readonly place: string | null;
  /** The adapter's limits by their names in the WebGPU specification. */
  readonly limits: Readonly<Record<string, number>>;
}

/** Relative differences that rounding can explain on the small job. */
const tolerances: Readonly<Record<Precision, number>> = { f32: 1e-4, f64: 1e-11 };

/** Far more than the small job needs. */
const memoryBytes = 2 ** 28;

/** A self-test tells at once when a device hangs or dies. */
const limits = { ...defaultLimits, restartsMax: 0, firstMs: 30_000 };

/** What there is here; documented where it is exported, in `index.ts`. */
export async function devices(): Promise<readonly DeviceReport[]> {
  const { problem, expected } = await known();
  const { gpus, notes } = await findGpus();

  const reports = [await engineReport('wasm', ['f32', 'f64'], problem, expected)];
  for (const gpu of gpus) reports.push(await gpuReport(gpu, problem, expected));
  for (const note of notes) reports.push(absent(note));
  if (gpus.length + notes.length === 0) reports.push(absent(howToGetOne()));
  reports.push(await engineReport('reference', ['f64'], problem, expected));
  return reports;
}

async function engineReport(
  engine: 'reference' | 'wasm',
  precisions: readonly Precision[],
  problem: Problem,
  expected: Answer,
): Promise<DeviceReport> {
  const threads = engine === 'reference' ? 1 : availableParallelism();
  const tests: SelfTest[] = [];
  for (const precision of precisions) {
    const [station] = await chooseStations(engine, { precision, threads, memoryBytes });
    if (station !== undefined) tests.push(await selfTest(station, precision, threads, problem, expected));
  }
  const about = engine === 'reference' ? aboutReference : aboutWasm(threads, measured(tests));
  return { engine, name: engine, ...outcome(about, tests), threads, gpu: null };
}

async function gpuReport(gpu: Gpu, problem: Problem, expected: Answer): Promise<DeviceReport> {
  const { index, place } = gpu;
  const { name, backend, vendor, architecture, driver, software, limits: adapterLimits } = gpu.adapter;
  const options: ChoiceOptions = { precision: 'f32', threads: 1, memoryBytes, limits };
  const tests = [await selfTest(gpuStation(gpu, options), 'f32', 1, problem, expected)];
  return {
    engine: 'webgpu',
    name,
    ...outcome(aboutGpu(gpu), tests),
    threads: 1,
    gpu: { index, backend, vendor, architecture, driver, software, place, limits: adapterLimits },
  };
}

function absent(description: string): DeviceReport {
  return {
    engine: 'webgpu',
    name: 'webgpu',
    status: 'absent',
    usable: false,
    description,
    threads: 0,
    precisions: [],
    gpu: null,
  };
}

// --- the self-test ----------------------------------------------------------------------------------------

/** The small job, and what the reference has for it. */
async function known(): Promise<{ readonly problem: Problem; readonly expected: Answer }> {
  const problem = await smallProblem();
  await using reference = openReferenceEngine();
  return { problem, expected: await answerOn(reference, problem, 1) };
}

/** What a device gave on the small job, or why it gave nothing. */
type SelfTest =
  | ({ readonly kind: 'measured' } & PrecisionReport)
  | { readonly kind: 'broke'; readonly precision: Precision; readonly why: string };

async function selfTest(
  station: Station,
  precision: Precision,
  threads: number,
  problem: Problem,
  expected: Answer,
): Promise<SelfTest> {
  try {
    await using engine = await station.open();
    const answer = await answerOn(engine, problem, threads);
    const { numerics } = engine;
    const error = furthest(answer, expected);
    return { kind: 'measured', precision, numerics, error, tolerance: tolerances[precision] };
  } catch (error) {
    if (!isSkewflowError(error)) throw error;
    return { kind: 'broke', precision, why: error.message };
  }
}

/**
 * Try a device in single precision, as a worker does before it takes seats.
 *
 * @returns what is wrong with it, or null
 */
export async function examine(station: Station): Promise<string | null> {
  const { problem, expected } = await known();
  const test = await selfTest(station, 'f32', 1, problem, expected);
  if (test.kind === 'broke') return test.why;
  return test.error <= test.tolerance ? null : `it computes wrongly, to ${test.error.toExponential(0)}`;
}

function measured(tests: readonly SelfTest[]): readonly PrecisionReport[] {
  return tests.flatMap((test) => {
    if (test.kind === 'broke') return [];
    const { kind: _, ...report } = test;
    return [report];
  });
}

function outcome(
  about: string,
  tests: readonly SelfTest[],
): Pick<DeviceReport, 'description' | 'precisions' | 'status' | 'usable'> {
  const usable = tests.every((test) => test.kind === 'measured' && test.error <= test.tolerance);
  const said = tests.map((test) => {
    if (test.kind === 'broke') return `${test.precision} broke: ${test.why}`;
    return `${test.precision} ${test.error <= test.tolerance ? 'right' : 'WRONG'} to ${test.error.toExponential(0)}`;
  });
  return {
    status: usable ? 'usable' : 'failing',
    usable,
    description: `${about}; self-test: ${said.join(', ')}`,
    precisions: measured(tests),
  };
}

async function answerOn(engine: Engine, problem: Problem, threads: number): Promise<Answer> {
  await using evaluator = await evaluatorOn(engine, problem, { threads });
  return await evaluator.evaluate();
}

/** The largest relative difference among loss and gradients. */
function furthest(answer: Answer, expected: Answer): number {
  const losses = Math.abs(answer.loss - expected.loss) / Math.abs(expected.loss);
  return [...expected.gradient].reduce(
    (worst, [name, g]) => Math.max(worst, distance(answer.gradient.get(name) ?? new Float64Array(0), g)),
    losses,
  );
}

// --- in words ---------------------------------------------------------------------------------------------

const aboutReference = 'plain double precision, one thread, for comparison';

const relaxed: Readonly<Record<string, string>> = {
  fused: 'relaxed SIMD with fused multiply-adds',
  unfused: 'relaxed SIMD, multiply-adds rounded twice',
  absent: 'no relaxed SIMD',
};

function aboutWasm(threads: number, reports: readonly PrecisionReport[]): string {
  const lanes = reports.map((r) => r.numerics.split('/')[2] ?? '').join(' and ');
  const madd = relaxed[reports[0]?.numerics.split('/')[3] ?? ''] ?? '';
  return `${threads} thread${threads === 1 ? '' : 's'} of ${lanes}, ${madd}`;
}

function aboutGpu({ index, adapter, place }: Gpu): string {
  const { name, driver, software, limits: most } = adapter;
  const mebibytes = (name: string): string => `${Math.floor((most[name] ?? 0) / 2 ** 20)} MiB`;
  return [
    `${index}: ${name}${place === null ? '' : ` at ${place}`}`,
    ...(software ? ['a software adapter, for tests'] : []),
    driver,
    `buffers to ${mebibytes('maxBufferSize')}, bindings to ${mebibytes('maxStorageBufferBindingSize')}`,
  ].join(', ');
}

/** Something of everything: reductions of every kind, a set, self-exclusion, two stages, a loss in two phases. */
const smallJob: JobObject = {
  sources: {
    q: { uniform: [-1, 1], dim: 2, seed: 1 },
    p: { normal: [0, 0.2], dim: 2, seed: 2 },
    rows: 7,
  },
  sets: { goals: { z: { uniform: [-1, 1], dim: 2, seed: 3 }, rows: 5 } },
  tracers: { x: { uniform: [-1, 1], dim: 2, seed: 4 }, rows: 300 },
  params: { sigma: 0.7 },
  flow: {
    x: 'sum(j, exp(-sqdist(x, q[j]) / sigma^2) * p[j]) + 0.1 * softmax(j, dot(x, q[j]), tanh(p[j]))',
    q: 'sum(k != j, (q - q[k]) / (1 + sqdist(q, q[k])))',
    p: '-p * sigmoid(t)',
  },
  integrate: { scheme: 'heun', from: 0, to: 1, steps: 6 },
  loss: 'log(mean(i, sqnorm(x))) - mean(i, logsumexp(j in goals, -sqdist(x, z[j]) / sigma))',
  gradient: ['q', 'p', 'sigma', 'z', 'x'],
  precision: 'f32',
};

async function smallProblem(): Promise<Problem> {
  const job = await jobFromObject(smallJob);
  return takeRows(job, 300);
}
