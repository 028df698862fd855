/** Is the gradient right? Its components along seeded directions against differences of the loss. */
import { openGenerator } from '../arrays/generators.ts';
import { type Difference, derivativeAt0 } from './differences.ts';
import type { Answer, Changes, Evaluator } from './evaluator.ts';
import { dot, norm } from './norms.ts';
import type { Arrays, Problem } from './problem.ts';

/** The gradient by one field against differences of the loss. */
export interface GradientLine {
  /** Which part of the gradient. */
  readonly field: string;
  /** Numbers in the gradient. */
  readonly size: number;
  /** ‖∂L/∂field‖₂ by the engine under test, over the rows taken. */
  readonly norm: number;
  /** Along which it was tried, seeded. */
  readonly directions: number;
  /** Root mean square over directions of (g·v − differences) ÷ scale: estimates ‖error‖₂ ÷ ‖g‖₂. */
  readonly error: number;
  /** The same of what the differences themselves may be off. */
  readonly uncertainty: number;
  /** What `error` may be. */
  readonly tolerance: number;
  /** Whether it is no more, or no more than `uncertainty` explains. */
  readonly passed: boolean;
}

/** Directions an array is tried along: equally far in all components, and in proportion to each. */
const spreads = ['even', 'even', 'relative'] as const;
type Spread = (typeof spreads)[number];

/** First step of the differences, relative to the size of the numbers. */
const firstStep = 2 ** -5;

/**
 * One line for each field of the gradient.
 *
 * Along v = S ξ with ξ standard normal, E (e·v)² = ‖S e‖₂² for any error e of the gradient: the root mean square of
 * g·v − dL(y + s v)/ds over directions, divided by ‖S g‖₂, is what the norm of the error comes to.
 *
 * @param answer - of the engine under test
 * @param oracle - evaluates losses only, in double precision
 */
export async function checkGradients(
  problem: Problem,
  answer: Answer,
  oracle: Evaluator,
  tolerance: number,
): Promise<readonly GradientLine[]> {
  const lines: GradientLine[] = [];
  for (const field of problem.system.gradient) {
    const gradient = answer.gradient.get(field) ?? new Float64Array(0);
    const tried = gradient.length === 1 ? spreads.slice(0, 1) : spreads;
    const trials: Trial[] = [];
    for (const [seed, spread] of tried.entries()) {
      trials.push(await along(problem, field, gradient, oracle, { spread, seed, tolerance }));
    }
    const error = rootMeanSquare(trials.map((t) => t.error));
    lines.push({
      field,
      size: gradient.length,
      norm: norm(gradient),
      directions: trials.length,
      error,
      uncertainty: rootMeanSquare(trials.map((t) => t.uncertainty)),
      tolerance,
      passed: error <= tolerance,
    });
  }
  return lines;
}

interface Trial {
  readonly error: number;
  readonly uncertainty: number;
}

interface Direction {
  readonly spread: Spread;
  readonly seed: number;
  readonly tolerance: number;
}

async function along(
  problem: Problem,
  field: string,
  gradient: Float64Array,
  oracle: Evaluator,
  { spread, seed, tolerance }: Direction,
): Promise<Trial> {
  const values = problem.shared.get(field) ?? problem.tracers.get(field) ?? new Float64Array(0);
  const scale = scaleOf(values, spread);
  const ξ = directionOf(field, values.length, seed);
  const v = scale.map((s, k) => s * (ξ[k] as number));
  const size = norm(gradient.map((g, k) => g * (scale[k] as number)));
  const loss = (s: number): Promise<number> => oracle.loss(moved(problem, field, values, v, s));
  const enough = Math.max(size * tolerance, Number.MIN_VALUE) / 50;
  const { value, uncertainty }: Difference = await derivativeAt0(loss, firstStep, enough);
  const off = Math.abs(dot(gradient, v) - value);
  const unit = Math.max(size, Number.isFinite(value) ? Math.abs(value) : 0) || 1;
  return { error: off === 0 ? 0 : finiteOr(off / unit), uncertainty: finiteOr(uncertainty / unit) };
}

/** Standard normal numbers, the same for a field in every check; 1 for a single number. */
function directionOf(field: string, count: number, seed: number): Float64Array {
  if (count === 1) return Float64Array.of(1);
  return Float64Array.from(openGenerator({ normal: [0, 1], seed }, field).make(0, count, count));
}

/** NaN never compares as too large: what cannot be computed is infinitely wrong. */
const finiteOr = (x: number): number => (Number.isNaN(x) ? Number.POSITIVE_INFINITY : x);

/** How far each component is moved for a unit of the direction; 1 for an array of zeros. */
function scaleOf(values: Float64Array, spread: Spread): Float64Array {
  const typical = norm(values) / Math.sqrt(values.length) || 1;
  return values.map((x) => (spread === 'even' ? typical : Math.max(Math.abs(x), typical * 2 ** -20)));
}

/** The problem's numbers with `field` moved by s·v. */
function moved(problem: Problem, field: string, values: Float64Array, v: Float64Array, s: number): Changes {
  const there = values.map((x, k) => x + s * (v[k] as number));
  const replaced = (arrays: Arrays): Arrays => new Map([...arrays, [field, there]]);
  return problem.shared.has(field)
    ? { shared: replaced(problem.shared) }
    : { tracers: replaced(problem.tracers) };
}

function rootMeanSquare(values: readonly number[]): number {
  return Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / Math.max(values.length, 1));
}
