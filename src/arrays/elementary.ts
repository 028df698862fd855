/**
 * What log x and cos 2πu are, in the same bits everywhere: made of +, −, ×, ÷ alone, which IEEE 754 defines exactly,
 * while the engines' own `Math.log` and `Math.cos` differ in the last place.
 */

const words = new DataView(new ArrayBuffer(8));

const ln2High = 6.931471803691238e-1;
const ln2Low = 1.9082149292705877e-10;
/** e_log.c, Lg1 … Lg7. */
const logCoefficients = [
  6.666666666666735e-1, 3.999999999940942e-1, 2.857142874366239e-1, 2.2222198432149784e-1,
  1.818357216161805e-1, 1.5313837699209373e-1, 1.4798198605116586e-1,
] as const;

/**
 * The natural logarithm of a normal x > 0.
 *
 *   x = 2ᵏ(1 + f), √2/2 < 1 + f < √2;   s = f/(2 + f);   log(1 + f) = f − s(f − R(s²)) with R a polynomial
 *
 * Error below 1 ulp.
 *
 * FDLIBM 5.3, e_log.c (Sun Microsystems, 1993).
 */
export function log(x: number): number {
  words.setFloat64(0, x);
  const high = words.getUint32(0);
  // The carry moves mantissas above √2 into the next binade.
  const shift = ((high & 0xfffff) + 0x95f64) & 0x100000;
  const k = (high >>> 20) - 1023 + (shift >>> 20);
  words.setUint32(0, (high & 0xfffff) | (shift ^ 0x3ff00000));
  const f = words.getFloat64(0) - 1;
  const [l1, l2, l3, l4, l5, l6, l7] = logCoefficients;
  const s = f / (2 + f);
  const z = s * s;
  const w = z * z;
  const t1 = w * (l2 + w * (l4 + w * l6));
  const t2 = z * (l1 + w * (l3 + w * (l5 + w * l7)));
  const half = 0.5 * f * f;
  return k * ln2High - (half - (s * (half + (t1 + t2)) + k * ln2Low) - f);
}

/** k_cos.c, C1 … C6. */
const cosCoefficients = [
  4.16666666666666e-2, -1.388888888887411e-3, 2.480158728947673e-5, -2.7557314351390663e-7,
  2.087572321298175e-9, -1.1359647557788195e-11,
] as const;
/** k_sin.c, S1 … S6. */
const sinCoefficients = [
  -1.6666666666666632e-1, 8.33333333332249e-3, -1.984126982985795e-4, 2.7557313707070068e-6,
  -2.5050760253406863e-8, 1.58969099521155e-10,
] as const;

/** Σ cₙ zⁿ by Horner's rule. */
function polynomial(coefficients: readonly number[], z: number): number {
  let sum = 0;
  for (let n = coefficients.length - 1; n >= 0; n--) sum = sum * z + coefficients[n]!;
  return sum;
}

/** cos x for |x| ≤ π/4. */
function cosKernel(x: number): number {
  const z = x * x;
  return 1 - (0.5 * z - z * z * polynomial(cosCoefficients, z));
}

/** sin x for |x| ≤ π/4. */
function sinKernel(x: number): number {
  const z = x * x;
  return x + x * z * polynomial(sinCoefficients, z);
}

/**
 * cos 2πu for u in [0, 1]. The quarter turn is taken off before π comes in, which is exact.
 *
 * Absolute error below 3e-16.
 *
 * FDLIBM 5.3, k_cos.c and k_sin.c (Sun Microsystems, 1993).
 */
export function cosTurns(u: number): number {
  const quarter = Math.floor(4 * u + 0.5);
  const x = 2 * Math.PI * (u - quarter / 4);
  switch (quarter & 3) {
    case 0:
      return cosKernel(x);
    case 1:
      return -sinKernel(x);
    case 2:
      return -cosKernel(x);
    default:
      return sinKernel(x);
  }
}
