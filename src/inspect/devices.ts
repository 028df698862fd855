/** What can compute here? Each engine, tried on a small job against the reference. */
import { availableParallelism } from 'node:os';
import { SkewflowError } from '../errors.ts';
import { jobFromObject } from '../job/load.ts';
import type { JobObject } from '../job/schema.ts';
import { openEngine } from '../worker/engine/discover.ts';
import type { Engine, EngineName, Precision } from '../worker/engine/engine.ts';
import { openReferenceEngine } from '../worker/engine/reference/engine.ts';
import { type Answer, evaluatorOn } from './evaluator.ts';
import { distance } from './norms.ts';
import { type Problem, takeRows } from './problem.ts';

/** One engine, and whether it computes here. */
export interface DeviceReport {
  readonly engine: EngineName;
  readonly usable: boolean;
  /** For people: lanes, threads, the self-test's outcome or why the engine is absent. */
  readonly description: string;
  /** Logical cores the engine may use. */
  readonly threads: number;
  /** One for each precision the engine has. */
  readonly precisions: readonly PrecisionReport[];
}

/** How an engine did on a small job in one precision. */
export interface PrecisionReport {
  readonly precision: Precision;
  /** Engines with equal numerics classes give equal bits for equal jobs. */
  readonly numerics: string;
  /** Largest relative difference of loss and gradient from the reference on a small job. */
  readonly error: number;
  readonly tolerance: number;
}

/** Relative differences that rounding can explain on the small job. */
const tolerances: Readonly<Record<Precision, number>> = { f32: 1e-4, f64: 1e-11 };

/** What there is here; documented where it is exported, in `index.ts`. */
export async function devices(): Promise<readonly DeviceReport[]> {
  const problem = await smallProblem();
  await using reference = openReferenceEngine();
  const expected = await answerOn(reference, problem, 1);
  return [
    await tried('wasm', ['f32', 'f64'], problem, expected),
    await tried('webgpu', ['f32'], problem, expected),
    await tried('reference', ['f64'], problem, expected),
  ];
}

async function tried(
  name: EngineName,
  precisions: readonly Precision[],
  problem: Problem,
  expected: Answer,
): Promise<DeviceReport> {
  const threads = name === 'reference' ? 1 : availableParallelism();
  const reports: PrecisionReport[] = [];
  try {
    for (const precision of precisions) {
      await using engine = await openEngine(name, { precision, threads, memoryBytes: memoryBytes });
      const answer = await answerOn(engine, problem, threads);
      const error = furthest(answer, expected);
      reports.push({ precision, numerics: engine.numerics, error, tolerance: tolerances[precision] });
    }
  } catch (error) {
    if (!(error instanceof SkewflowError)) throw error;
    return { engine: name, usable: false, description: error.message, threads: 0, precisions: [] };
  }
  const usable = reports.every((r) => r.error <= r.tolerance);
  return {
    engine: name,
    usable,
    description: describe(name, threads, reports),
    threads,
    precisions: reports,
  };
}

/** Far more than the small job needs. */
const memoryBytes = 2 ** 28;

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

const relaxed: Readonly<Record<string, string>> = {
  fused: 'relaxed SIMD with fused multiply-adds',
  unfused: 'relaxed SIMD, multiply-adds rounded twice',
  absent: 'no relaxed SIMD',
};

function describe(name: EngineName, threads: number, reports: readonly PrecisionReport[]): string {
  const tests = reports
    .map((r) => `${r.precision} ${r.error <= r.tolerance ? 'right' : 'WRONG'} to ${r.error.toExponential(0)}`)
    .join(', ');
  if (name === 'reference') return `plain double precision, one thread, for comparison; self-test: ${tests}`;
  const lanes = reports.map((r) => r.numerics.split('/')[2] ?? '').join(' and ');
  const madd = relaxed[reports[0]?.numerics.split('/')[3] ?? ''] ?? '';
  return `${threads} thread${threads === 1 ? '' : 's'} of ${lanes}, ${madd}; self-test: ${tests}`;
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
