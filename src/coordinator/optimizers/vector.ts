/** Sums and combinations of vectors, in one order. */

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

/** ‖a‖₂. */
export function length(a: Float64Array): number {
  return Math.sqrt(dot(a, a));
}

/** a + t b. */
export function along(a: Float64Array, t: number, b: Float64Array): Float64Array {
  return a.map((value, i) => value + t * (b[i] as number));
}

/** a − b. */
export function minus(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value - (b[i] as number));
}

export function negative(a: Float64Array): Float64Array {
  return a.map((value) => -value);
}
