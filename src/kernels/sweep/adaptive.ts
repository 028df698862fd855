/**
 * Which steps an adaptive run takes: the sources alone choose them, once; every sweep then uses them as they are.
 *
 * The error of a step is estimated by the scheme's embedded method and measured as
 *
 *   err = √( 1/n Σ_i (e_i / (abs + rel·max(|y_i|, |y⁺_i|)))² )      over the n evolving source components
 *
 * A step with err ≤ 1 is accepted; the next is h · min(5, max(0.2, 0.9·err^(−1/(q+1)))), q the embedded order, and not
 * larger than h after a rejection. Running integrals take no part. The controller is never differentiated: gradients
 * are those of the frozen steps.
 *
 * Hairer, Nørsett & Wanner, _Solving Ordinary Differential Equations I_, 2nd ed., 1993, §II.4, (4.11)–(4.14); Alexe &
 * Sandu 2009 on frozen steps.
 */
import { SkewflowError } from '../../errors.ts';
import { interpret } from '../reference/interpret.ts';
import { type Fields, givenOf, sourceFlow, sourceStart } from '../reference/sources.ts';
import type { RungeKutta } from '../schemes/scheme.ts';
import { schemeNamed } from '../schemes/table.ts';
import { stopsOf } from './grid.ts';
import type { Program } from './program.ts';

export interface StepTolerance {
  readonly abs: number;
  readonly rel: number;
}

/** d/dt of all components at a time. */
export type Slope = (time: number, state: Float64Array) => Float64Array;

/** What the controller runs on. */
export interface AdaptiveProblem {
  readonly scheme: RungeKutta;
  readonly slope: Slope;
  readonly start: Float64Array;
  /** Whether a component of the state counts in the error. */
  readonly counts: (component: number) => boolean;
  readonly from: number;
  readonly to: number;
  /** Times that must be grid points, ascending. */
  readonly stops: readonly number[];
}

/** More steps than any job could afford to keep: the tolerance is out of reach. */
const stepsMax = 1_000_000;
const safety = 0.9;
const growthMax = 5;
const shrinkMax = 0.2;

/**
 * The accepted times t_0 … t_T of a program whose scheme has an error estimate.
 *
 * @param fields - sources, sets, pairs and params by name, row-major
 * @throws SkewflowError('JobFileError') without evolving sources or with a scheme that estimates no error,
 *   'NonFiniteError' when no step is small enough, 'JobFailedError' when the tolerance needs over a million steps
 */
export function acceptedTimes(program: Program, tolerance: StepTolerance, fields: Fields): Float64Array {
  const { system, sources } = program;
  const scheme = system.scheme === null ? null : schemeNamed(system.scheme);
  if (scheme?.kind !== 'runge-kutta' || scheme.embedded === null) {
    throw new SkewflowError(
      'JobFileError',
      `\`tolerance\` needs a scheme that estimates its error: write \`scheme: dopri5\`, not ${system.scheme ?? 'none'}`,
    );
  }
  const counted = (sources?.stateComponents ?? 0) - (sources?.integralComponents ?? 0);
  const { flow = null } = sources ?? {};
  if (sources === null || flow === null || counted === 0) {
    throw new SkewflowError(
      'JobFileError',
      '`tolerance` needs sources that evolve: they choose the steps. Give `steps` instead',
    );
  }
  const ready = interpret(flow, program.layout.of('sources'));
  const given = givenOf(program, fields);
  const slope = sourceFlow(program, fields, given, (_fn, _own, inputs) =>
    ready({ ...inputs, ...given, tables: inputs.tables }),
  );
  return chooseTimes(
    {
      scheme,
      slope,
      start: sourceStart(program, fields),
      counts: (n) => n % sources.stateComponents < counted,
      from: system.from,
      to: system.to,
      stops: stopsOf(system, program.terms),
    },
    tolerance,
  );
}

/** Accepted times from `from` to `to`, every stop between them among them. */
export function chooseTimes(problem: AdaptiveProblem, tolerance: StepTolerance): Float64Array {
  const { from, to, slope } = problem;
  const span = to - from;
  // Stops nearer than any step could be are one: the grid splits a step where it must.
  const apart = (s: number, other: number): boolean => Math.abs(s - other) > 1e-12 * span;
  const inside = problem.stops.filter((s) => s > from && apart(s, from) && s < to && apart(s, to));
  const stops = [...inside.filter((s, n) => n === 0 || apart(s, inside[n - 1] ?? from)), to];
  const times = [from];
  let t = from;
  let y = problem.start;
  let k1 = slope(t, y);
  let h = Math.min(firstStep(problem, tolerance, k1), span);
  let limit = growthMax;
  let tried = 0;
  for (let next = 0; next < stops.length; ) {
    if (++tried > stepsMax) {
      throw new SkewflowError(
        'JobFailedError',
        `the tolerance needs more than ${stepsMax} steps: it is at t = ${t} of ${to}. Loosen it`,
        { time: t },
      );
    }
    const stop = stops[next] ?? to;
    // A remainder of a millionth of a step is not left over.
    const clipped = t + h * (1 + 1e-6) >= stop;
    const step = clipped ? stop - t : h;
    if (!(step > 16 * Number.EPSILON * Math.max(Math.abs(t), span))) {
      throw new SkewflowError(
        'NonFiniteError',
        `the sources blow up near t = ${t}, in step ${times.length - 1}: no step is small enough for the tolerance`,
        { time: t, step: times.length - 1 },
      );
    }
    const taken = attempt(problem, t, y, k1, step);
    const error = scaledNorm(problem, tolerance, taken.error, y, taken.end);
    const order = (problem.scheme.embedded?.order ?? 0) + 1;
    const wish = Number.isFinite(error) ? safety * error ** (-1 / order) : shrinkMax;
    const factor = Math.min(limit, Math.max(shrinkMax, wish));
    if (!(error <= 1)) {
      h = step * Math.min(factor, safety);
      limit = 1;
      continue;
    }
    t = clipped ? stop : t + step;
    if (clipped) next++;
    times.push(t);
    y = taken.end;
    k1 = taken.slope;
    // A step cut short at a stop says little about the steps to come.
    h = clipped ? Math.max(h, step * factor) : step * factor;
    limit = growthMax;
  }
  return Float64Array.from(times);
}

interface Attempt {
  readonly end: Float64Array;
  readonly error: Float64Array;
  /** The flow at the end: the first stage of the next step. */
  readonly slope: Float64Array;
}

/** One step of size h, and the difference from the embedded solution. */
function attempt(
  { scheme, slope }: AdaptiveProblem,
  t: number,
  y: Float64Array,
  k1: Float64Array,
  h: number,
): Attempt {
  const slopes = [k1];
  for (let s = 1; s < scheme.c.length; s++) {
    slopes.push(slope(t + scheme.c[s]! * h, along(y, h, scheme.a[s] ?? [], slopes)));
  }
  const end = along(y, h, scheme.b, slopes);
  slopes.push(slope(t + h, end));
  const zero = new Float64Array(y.length);
  return { end, error: along(zero, h, scheme.embedded?.weights ?? [], slopes), slope: slopes.at(-1) ?? k1 };
}

/** y + h Σ_r w_r K_r */
function along(
  y: Float64Array,
  h: number,
  weights: readonly number[],
  slopes: readonly Float64Array[],
): Float64Array {
  return y.map(
    (v, n) => v + h * weights.reduce((sum, w, r) => (w === 0 ? sum : sum + w * slopes[r]![n]!), 0),
  );
}

function scaledNorm(
  { counts }: AdaptiveProblem,
  { abs, rel }: StepTolerance,
  e: Float64Array,
  y: Float64Array,
  end: Float64Array,
): number {
  let sum = 0;
  let n = 0;
  for (let i = 0; i < e.length; i++) {
    if (!counts(i)) continue;
    n++;
    sum += (e[i]! / (abs + rel * Math.max(Math.abs(y[i]!), Math.abs(end[i]!)))) ** 2;
  }
  return Math.sqrt(sum / Math.max(1, n));
}

/** The first guess of §II.4, algorithm 4.14: small against the scale of the state and of its second derivative. */
function firstStep(problem: AdaptiveProblem, tolerance: StepTolerance, k1: Float64Array): number {
  const { start, slope, from, to, scheme } = problem;
  const norm = (v: Float64Array): number => scaledNorm(problem, tolerance, v, start, start);
  const d0 = norm(start);
  const d1 = norm(k1);
  const h0 = d0 < 1e-5 || d1 < 1e-5 ? 1e-6 * (to - from) : 0.01 * (d0 / d1);
  const k2 = slope(from + h0, along(start, h0, [1], [k1]));
  const d2 = norm(k2.map((v, n) => v - k1[n]!)) / h0;
  const steepest = Math.max(d1, d2);
  const h1 =
    steepest <= 1e-15 ? Math.max(1e-6 * (to - from), h0 * 1e-3) : (0.01 / steepest) ** (1 / scheme.order);
  const h = Math.min(100 * h0, h1);
  return Number.isFinite(h) && h > 0 ? h : 1e-6 * (to - from);
}
