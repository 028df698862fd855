/**
 * Which way, by what the last gradients say about the curvature? The limited-memory BFGS model of the Hessian, from pairs
 * s = x⁺ − x and y = ∇L(x⁺) − ∇L(x).
 *
 * Nocedal & Wright, _Numerical Optimization_, 2nd ed., Springer 2006, §7.2.
 */

import type { Iterate } from './method.ts';
import { along, dot, length, minus, negative } from './vector.ts';

/** sᵀy > 0. */
export interface Pair {
  readonly s: Float64Array;
  readonly y: Float64Array;
}

/**
 * The pairs with that of one more step, the oldest first. A step along which the gradient does not grow, or grows by no
 * more than its own rounding error, tells nothing and is left out.
 */
export function withStep(
  pairs: readonly Pair[],
  from: Iterate,
  to: Iterate,
  { memory, noise }: { readonly memory: number; readonly noise: number },
): readonly Pair[] {
  const [s, y] = [minus(to.point, from.point), minus(to.gradient, from.gradient)];
  const floor = Math.max(
    Number.EPSILON * dot(y, y),
    noise * length(s) * Math.min(length(from.gradient), length(to.gradient)),
  );
  return dot(s, y) > floor ? [...pairs, { s, y }].slice(-memory) : pairs;
}

/** yᵀy / sᵀy of the latest pair: the scale of the Hessian before any pair is applied; 1 without pairs. */
export function scale(pairs: readonly Pair[]): number {
  const latest = pairs.at(-1);
  return latest === undefined ? 1 : dot(latest.y, latest.y) / dot(latest.s, latest.y);
}

/** −H ∇L with H the model's inverse Hessian; algorithm 7.4, the two-loop recursion. */
export function quasiNewton(pairs: readonly Pair[], gradient: Float64Array): Float64Array {
  let q: Float64Array = gradient;
  const α = pairs.map(() => 0);
  for (let k = pairs.length - 1; k >= 0; k--) {
    const { s, y } = pairs[k] as Pair;
    α[k] = dot(s, q) / dot(s, y);
    q = along(q, -(α[k] as number), y);
  }
  const θ = scale(pairs);
  let r: Float64Array = q.map((value) => value / θ);
  for (const [k, { s, y }] of pairs.entries()) {
    const β = dot(y, r) / dot(s, y);
    r = along(r, (α[k] as number) - β, s);
  }
  return negative(r);
}
