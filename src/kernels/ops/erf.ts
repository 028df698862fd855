/** What erf is in double precision, to a few units in the last place: the oracle, not the fast path. */

/**
 * erf x = 2/√π ∫₀ˣ e^{−s²} ds.
 *
 *   |x| < 2     2x/√π e^{−x²} Σₙ (2x²)ⁿ / (1·3·…·(2n+1))           all terms positive: no cancellation
 *   else        1 − e^{−x²}/√π · 1/(x + ½/(x + 1/(x + 3⁄2/(x + …))))
 *
 * 64 levels of the fraction leave less than 1e-16 of erfc 2 = 0.0047.
 *
 * Abramowitz & Stegun, _Handbook of Mathematical Functions_, 7.1.6 and 7.1.14.
 */
export function erfOf(x: number): number {
  const a = Math.abs(x);
  if (a >= 6) return Math.sign(x); // 1 − erf 6 = 2.2e-17 < u
  return a < 2 ? series(x) : Math.sign(x) * (1 - tail(a));
}

function series(x: number): number {
  const q = 2 * x * x;
  let sum = 1;
  // Innermost first, so that no rounding error is carried through more than a few terms; 48 suffice for x = 2.
  for (let n = 48; n >= 1; n--) sum = 1 + (q * sum) / (2 * n + 1);
  return ((2 * x) / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** erfc x for x ≥ 2. */
function tail(x: number): number {
  let f = x;
  for (let n = 64; n >= 1; n--) f = x + n / 2 / f;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / f;
}
