/** Which points are allowed? Those between a lower and an upper bound a variable; both may be infinite. */

export interface Box {
  readonly lower: Float64Array;
  readonly upper: Float64Array;
}

/** Whether any variable has a bound at all. */
export function bounded({ lower, upper }: Box): boolean {
  return lower.some((low) => low !== -Infinity) || upper.some((high) => high !== Infinity);
}

/** The nearest point of the box. */
export function clamp({ lower, upper }: Box, point: Float64Array): Float64Array {
  return point.map((x, i) => Math.min(Math.max(x, lower[i] as number), upper[i] as number));
}

/**
 * ‖P(x − g) − x‖∞: 0 exactly where no allowed direction leads down, ‖g‖∞ where no bound is near.
 *
 * Byrd, Lu, Nocedal & Zhu, _A limited memory algorithm for bound constrained optimization_, SIAM J. Sci. Comput. 16
 * (1995), eq. 6.1.
 */
export function projectedNorm({ lower, upper }: Box, point: Float64Array, gradient: Float64Array): number {
  let norm = 0;
  for (let i = 0; i < point.length; i++) {
    const [x, g] = [point[i] as number, gradient[i] as number];
    // max(l − x, min(−g, u − x)) keeps the digits of g that x − g would lose.
    const step = Math.max((lower[i] as number) - x, Math.min(-g, (upper[i] as number) - x));
    norm = Math.max(norm, Math.abs(step));
  }
  return norm;
}

/** The largest t for which x + t d is allowed; +∞ when no bound is in the way. */
export function reach({ lower, upper }: Box, point: Float64Array, direction: Float64Array): number {
  let t = Infinity;
  for (let i = 0; i < point.length; i++) {
    const d = direction[i] as number;
    if (d > 0) t = Math.min(t, ((upper[i] as number) - (point[i] as number)) / d);
    if (d < 0) t = Math.min(t, ((lower[i] as number) - (point[i] as number)) / d);
  }
  return Math.max(t, 0);
}
