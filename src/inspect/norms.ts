/** How long is an array of numbers, and how far are two apart? */

/** ‖a‖₂. */
export function norm(a: ArrayLike<number>): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += (a[k] as number) ** 2;
  return Math.sqrt(sum);
}

/** Σ aₖ bₖ. */
export function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, v, k) => sum + v * (b[k] as number), 0);
}

/** ‖a − b‖₂ ÷ ‖b‖₂; the plain distance where b is zero. Infinite for arrays of different lengths. */
export function distance(a: Float64Array, b: Float64Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  const apart = norm(a.map((v, k) => v - (b[k] as number)));
  return apart === 0 ? 0 : apart / (norm(b) || 1);
}
