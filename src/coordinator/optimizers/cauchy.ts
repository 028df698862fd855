/**
 * Which way, when bounds are near? To the minimum of the quasi-Newton model within the box: first along the projected
 * steepest descent (the generalised Cauchy point, which decides what lies at a bound), then over the variables left free.
 *
 *   m(z) = gᵀ(z − x) + ½ (z − x)ᵀ B (z − x),   B = θI − W M Wᵀ
 *   W = [Y θS],   M⁻¹ = ( −D  Lᵀ ; L  θ SᵀS ),   D = diag(sᵢᵀyᵢ),   L = the part of SᵀY below the diagonal
 *
 * Byrd, Lu, Nocedal & Zhu, SIAM J. Sci. Comput. 16 (1995): eq. 3.2–3.4, algorithm CP, §5.1 (direct primal method);
 * Morales & Nocedal, ACM TOMS 38 (2011): the minimum over the free variables is projected rather than cut short.
 */
import { type Box, clamp, reach } from './box.ts';
import { invert, type Matrix, solve, times } from './dense.ts';
import { type Pair, scale } from './quasi-newton.ts';
import { dot, minus } from './vector.ts';

/** B as θ, the columns of W, and M with its inverse. */
interface Model {
  readonly θ: number;
  readonly columns: readonly Float64Array[];
  readonly m: Matrix;
  readonly inverse: Matrix;
}

/** From x to the model's minimum in the box; x + direction is allowed. null when the model cannot be inverted. */
export function boundedDirection(
  box: Box,
  pairs: readonly Pair[],
  x: Float64Array,
  g: Float64Array,
): Float64Array | null {
  const model = modelOf(pairs);
  if (model === null) return null;
  const cauchy = cauchyPoint(box, model, x, g);
  const step = freeStep(model, x, g, cauchy);
  if (step === null) return null;
  const target = cauchy.point.map((c, i) => c + (step[i] as number));
  const direction = minus(clamp(box, target), x);
  if (dot(direction, g) < 0) return direction;
  const share = Math.min(1, reach(box, cauchy.point, step));
  return minus(
    clamp(
      box,
      cauchy.point.map((c, i) => c + share * (step[i] as number)),
    ),
    x,
  );
}

function modelOf(pairs: readonly Pair[]): Model | null {
  const θ = scale(pairs);
  const k = pairs.length;
  const sy = pairs.map(({ s }) => pairs.map(({ y }) => dot(s, y)));
  const ss = pairs.map(({ s }) => pairs.map((other) => dot(s, other.s)));
  const below = (i: number, j: number): number => (i > j ? (sy[i]?.[j] as number) : 0);
  const inverse = Array.from({ length: 2 * k }, (_, i) =>
    Array.from({ length: 2 * k }, (_unused, j) => {
      if (i < k && j < k) return i === j ? -(sy[i]?.[i] as number) : 0;
      if (i >= k && j >= k) return θ * (ss[i - k]?.[j - k] as number);
      return i >= k ? below(i - k, j) : below(j - k, i);
    }),
  );
  const m = invert(inverse);
  const columns = [...pairs.map(({ y }) => y), ...pairs.map(({ s }) => s.map((value) => θ * value))];
  return m === null ? null : { θ, columns, m, inverse };
}

interface Cauchy {
  readonly point: Float64Array;
  /** Wᵀ(point − x). */
  readonly c: readonly number[];
  /** 1 for each variable that did not come to a bound. */
  readonly free: Uint8Array;
}

/** The first minimum of m along the path P(x − t g); algorithm CP, in its letters. */
function cauchyPoint(box: Box, model: Model, x: Float64Array, g: Float64Array): Cauchy {
  const { θ, columns, m } = model;
  const breaks = x.map((value, i) => breakOf(box, value, g, i));
  const d = g.map((value, i) => ((breaks[i] as number) > 0 ? -value : 0));
  const order = [...breaks.keys()]
    .filter((i) => (breaks[i] as number) > 0 && breaks[i] !== Infinity)
    .sort((a, b) => (breaks[a] as number) - (breaks[b] as number) || a - b);
  const free = Uint8Array.from(breaks, (t) => (t > 0 ? 1 : 0));
  const point = x.slice();
  let p = columns.map((column) => dot(column, d));
  let c = columns.map(() => 0);
  let slope = -dot(d, d);
  const product = (a: readonly number[], b: readonly number[]): number => sum(a, times(m, b));
  let bend = -θ * slope - product(p, p);
  let t = 0;
  for (const b of order) {
    const until = breaks[b] as number;
    if (bend > 0 && -slope / bend < until - t) break;
    if (!(slope < 0)) break;
    const Δ = until - t;
    const gb = g[b] as number;
    const w = columns.map((column) => column[b] as number);
    point[b] = gb < 0 ? (box.upper[b] as number) : (box.lower[b] as number);
    c = c.map((value, k) => value + Δ * (p[k] as number));
    const z = (point[b] as number) - (x[b] as number);
    slope += Δ * bend + gb * gb + θ * gb * z - gb * product(w, c);
    bend -= θ * gb * gb + 2 * gb * product(w, p) + gb * gb * product(w, w);
    p = p.map((value, k) => value + gb * (w[k] as number));
    d[b] = 0;
    free[b] = 0;
    t = until;
  }
  const rest = slope < 0 && bend > 0 ? -slope / bend : 0;
  t += rest;
  c = c.map((value, k) => value + rest * (p[k] as number));
  for (let i = 0; i < x.length; i++) {
    if (free[i] === 1) point[i] = (x[i] as number) + t * (d[i] as number);
  }
  return { point: clamp(box, point), c, free };
}

/** How far −g leads before variable i meets its bound. */
function breakOf({ lower, upper }: Box, x: number, g: Float64Array, i: number): number {
  const slope = g[i] as number;
  if (slope < 0) return (x - (upper[i] as number)) / slope;
  if (slope > 0) return (x - (lower[i] as number)) / slope;
  return Infinity;
}

/** From the Cauchy point to the minimum of m over the free variables, the others held; the bounds are not looked at. */
function freeStep(
  { θ, columns, m, inverse }: Model,
  x: Float64Array,
  g: Float64Array,
  { point, c, free }: Cauchy,
): Float64Array | null {
  const mc = times(m, c);
  const r = g.map((value, i) =>
    free[i] === 1 ? value + θ * ((point[i] as number) - (x[i] as number)) - at(columns, i, mc) : 0,
  );
  // (θI − W M Wᵀ)⁻¹ r = r/θ + W (M⁻¹ − WᵀW/θ)⁻¹ Wᵀ r / θ²  over the free variables, by Sherman, Morrison & Woodbury.
  const masked = columns.map((column) => column.map((value, i) => (free[i] === 1 ? value : 0)));
  const inner = masked.map((a, i) => masked.map((b, j) => (inverse[i]?.[j] as number) - dot(a, b) / θ));
  const v = solve(
    inner,
    masked.map((column) => dot(column, r)),
  );
  if (v === null) return null;
  return r.map((value, i) => (free[i] === 1 ? -value / θ - at(masked, i, v) / (θ * θ) : 0));
}

/** Component i of W v. */
function at(columns: readonly Float64Array[], i: number, v: readonly number[]): number {
  return columns.reduce((total, column, k) => total + (column[i] as number) * (v[k] as number), 0);
}

function sum(a: readonly number[], b: readonly number[]): number {
  return a.reduce((total, value, k) => total + value * (b[k] as number), 0);
}
