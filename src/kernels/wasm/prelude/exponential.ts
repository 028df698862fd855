/** How exponentials, logarithms, powers and what is made of them are written in lane instructions. */
import { polynomials } from './coefficients.ts';
import type { Lanes, Value } from './lanes.ts';

/** ln 2 = high + low; n · high is exact for |n| < 2¹⁴ (f32) or 2²⁰ (f64). Cephes expf.c; fdlibm e_exp.c. */
const ln2 = {
  f32x4: { high: 0.693359375, low: -2.1219444e-4 },
  f64x2: { high: 0.6931471803691238, low: 1.9082149292705877e-10 },
} as const;

/**
 * Added to a number below 2^(fraction − 2) in magnitude it rounds it to the nearest integer n, half to even, and leaves
 * n + bias in the low bits: shifted left by `fraction` they are 2ⁿ, for n = −bias they are 0, for n = bias + 1 they are ∞.
 */
function magic({ format }: Lanes): number {
  return 1.5 * 2 ** format.fraction + format.bias;
}

/** Added to a number below 2^(fraction − 2) in magnitude it leaves the nearest integer n, half to even, in the low bits. */
function plainMagic({ format }: Lanes): number {
  return 1.5 * 2 ** format.fraction;
}

/**
 * 2ˣ.  n = round x, f = x − n, 2ˣ = 2ⁿ p(f) with p(f) = 1 + f (c₁ + …) of degree 5 (f32) or 11 (f64), p(0) = 1; n is added
 * to the exponent field of p as an integer.
 *
 * Twelve instructions with fma in f32, eleven where x ≤ 0 is known. Error ≤ 1.7e-7 relative (1.5 ulp) in f32, ≤ 1 ulp in
 * f64; exact at integers. At the bounds f = 0 and p = 1, so that the sum of bits is exactly 0 from −127 (−1023) down and
 * ∞ from 128 (1024) up. In the last octave above 0 the result is subnormal, its absolute error below 2^−127 (2^−1023).
 * NaN stays: it passes both bounds, and what its fraction field shifts out leaves it alone.
 *
 * Muller, _Elementary Functions_, 3rd ed., §11. Adding the exponent keeps the multiplier ports free: 1.06 × on the
 * Gaussian sum of bench/kernels/pairs.ts.
 */
export function exp2(e: Lanes, x: Value): Value {
  const below = e.knownNonPositive ? x : e.pmin(x, e.real(e.format.bias + 1));
  const bounded = e.keep(e.pmax(below, e.real(-e.format.bias)));
  const rounder = e.real(plainMagic(e));
  const t = e.keep(e.add(bounded, rounder));
  const f = e.keep(e.sub(bounded, e.sub(t, rounder)));
  const p = e.polynomial(f, [1, ...polynomials.exp2[e.lane]]);
  return e.integerAdd(p, e.shiftLeft(t, e.format.fraction));
}

/**
 * eˣ = 2ⁿ (1 + q): n = round(x/ln 2), r = x − n ln 2 in two parts (Cody & Waite), q = r (c₀ + c₁ r + …) = eʳ − 1.
 * For |x| within the exponent's range. `q` has a relative error of 1.5 ulp.
 */
function exponential(e: Lanes, x: Value): { readonly scale: Value; readonly q: Value; readonly r: Value } {
  const rounder = e.real(magic(e));
  const t = e.keep(e.madd(x, e.real(Math.LOG2E), rounder));
  const n = e.keep(e.sub(t, rounder));
  const r = e.keep(e.nmadd(n, e.real(ln2[e.lane].low), e.nmadd(n, e.real(ln2[e.lane].high), x)));
  return {
    scale: e.shiftLeft(t, e.format.fraction),
    q: e.mul(e.polynomial(r, polynomials.expm1[e.lane]), r),
    r,
  };
}

/** eˣ of an argument known to be within the exponent's range. */
function expWithin(e: Lanes, x: Value): Value {
  const { scale, r } = exponential(e, x);
  return e.mul(e.polynomial(r, [1, ...polynomials.expm1[e.lane]]), scale);
}

/**
 * eˣ. Error ≤ 1.5 ulp. 0 below −126.5 ln 2 = −87.7 (f32) or −708.7 (f64), ∞ from 127.5 ln 2 = 88.4 (709.4) on; NaN
 * stays, as in `exp2`.
 */
export function exp(e: Lanes, x: Value): Value {
  const [low, high] = [-e.format.bias * Math.LN2, (e.format.bias + 1) * Math.LN2];
  return expWithin(e, e.keep(e.pmax(e.pmin(x, e.real(high)), e.real(low))));
}

/**
 * x = 2ᵏ m, √½ ≤ m < √2, and log m = f − ½f² + s (½f² + R) with f = m − 1, s = f/(2 + f), R = z (c₀ + c₁ z + …), z = s².
 * A subnormal x is taken for one near the least normal number.
 *
 * fdlibm e_log.c (Sun Microsystems 1993), coefficients refitted.
 */
function logarithm(
  e: Lanes,
  x: Value,
): { readonly k: Value; readonly f: Value; readonly half: Value; readonly tail: Value } {
  const { fraction, bias } = e.format;
  const [one, rootHalf] =
    e.lane === 'f32x4' ? [0x3f800000n, 0x3f3504f3n] : [0x3ff0n << 48n, 0x3fe6a09e667f3bcdn];
  const i = e.keep(e.integerAdd(x, e.bits(one - rootHalf)));
  // The biased exponent becomes the low bits of 2^fraction, which is a float again.
  const exponent = e.or(e.shiftRight(i, fraction), e.real(2 ** fraction));
  const k = e.keep(e.sub(exponent, e.real(2 ** fraction + bias)));
  const m = e.integerAdd(e.and(i, e.bits((1n << BigInt(fraction)) - 1n)), e.bits(rootHalf));
  const f = e.keep(e.sub(m, e.real(1)));
  const s = e.keep(e.div(f, e.add(f, e.real(2))));
  const z = e.keep(e.mul(s, s));
  const half = e.keep(e.mul(e.mul(f, e.real(0.5)), f));
  const tail = e.keep(e.mul(s, e.madd(e.polynomial(z, polynomials.log[e.lane]), z, half)));
  return { k, f, half, tail };
}

/** What a logarithm is where `regular` is none: −∞ at 0, NaN below, ∞ and NaN as they came. */
function logarithmic(e: Lanes, x: Value, regular: Value): Value {
  const zero = e.real(0);
  const finite = e.choose(e.lt(x, e.real(Infinity)), regular, x);
  return e.choose(e.le(x, zero), e.or(e.real(-Infinity), e.lt(x, zero)), finite);
}

/** ln x = k ln 2 + log m. Error ≤ 1.5 ulp. */
export function log(e: Lanes, x: Value): Value {
  const { k, f, half, tail } = logarithm(e, x);
  const low = e.madd(k, e.real(ln2[e.lane].low), tail);
  return logarithmic(e, x, e.madd(k, e.real(ln2[e.lane].high), e.sub(f, e.sub(half, low))));
}

/** log₂ x = k + log m · log₂ e. Error ≤ 3 ulp. */
export function log2(e: Lanes, x: Value): Value {
  const { k, f, half, tail } = logarithm(e, x);
  return logarithmic(e, x, e.madd(e.sub(f, e.sub(half, tail)), e.real(Math.LOG2E), k));
}

/**
 * xʸ = 2^(y log₂ x) for x > 0; 0ʸ as in JavaScript; NaN for x < 0.
 *
 * log₂ x = k + w, |w| ≤ ½. y k is computed exactly in two parts, y being split in halves that k times fits, so that only
 * y w carries an error: ≤ 2 + 2 |y| ulp, whatever the magnitude of xʸ.
 */
export function pow(e: Lanes, x: Value, y: Value): Value {
  const logarithmOfM = logarithm(e, x);
  const { f, half, tail } = logarithmOfM;
  // Where x is 0 or ∞ the exponent stands for −∞ or ∞, finite so that it may meet y = 0.
  const beyond = 2 ** 40;
  const large = e.choose(e.eq(x, e.real(Infinity)), e.real(beyond), logarithmOfM.k);
  const k = e.keep(e.choose(e.eq(x, e.real(0)), e.real(-beyond), large));
  const upper = e.lane === 'f32x4' ? 0xfffff000n : 0xfffffffff8000000n;
  const high = e.keep(e.and(y, e.bits(upper)));
  const a = e.keep(e.mul(high, k));
  const b = e.keep(e.mul(e.sub(y, high), k));
  const c = e.keep(e.mul(e.mul(e.sub(f, e.sub(half, tail)), e.real(Math.LOG2E)), y));
  const sum = e.add(a, e.add(b, c));
  const rounder = e.real(magic(e));
  const bounded = e.pmax(e.pmin(sum, e.real(e.format.bias + 1)), e.real(-e.format.bias));
  const t = e.keep(e.add(bounded, rounder));
  const rest = e.add(e.add(e.sub(a, e.sub(t, rounder)), b), c);
  // Within the exponent's range |rest| ≤ ½ up to rounding; outside 2ⁿ is 0 or ∞ and the bounds keep 0 · ∞ away.
  const g = e.keep(e.pmax(e.pmin(rest, e.real(1)), e.real(-1)));
  const power = e.mul(e.polynomial(g, [1, ...polynomials.exp2[e.lane]]), e.shiftLeft(t, e.format.fraction));
  return e.choose(e.ge(x, e.real(0)), power, e.real(Number.NaN));
}

/** 1/√x, 0 at 0. Error ≤ 1.5 ulp. */
export function rsqrt(e: Lanes, x: Value): Value {
  return e.and(e.div(e.real(1), e.sqrt(x)), e.ne(x, e.real(0)));
}

/**
 * tanh x = −m/(2 + m) with m = e^(−2|x|) − 1 = 2ⁿ q + (2ⁿ − 1), and the sign of x. One path for all x: q keeps its
 * relative accuracy at 0. Error ≤ 3 ulp.
 */
export function tanh(e: Lanes, x: Value): Value {
  // e^(−2·24) is below a quarter ulp of 1 in either type; −2|x| is exact.
  const argument = e.keep(e.pmax(e.mul(e.abs(x), e.real(-2)), e.real(-48)));
  const { scale, q } = exponential(e, argument);
  const power = e.keep(scale);
  const m = e.keep(e.madd(q, power, e.sub(power, e.real(1))));
  const positive = e.neg(e.div(m, e.add(m, e.real(2))));
  return e.withSign(e.abs(positive), x);
}

/** 1/(1 + e⁻ˣ). Error ≤ 3 ulp; 0 where e⁻ˣ overflows. */
export function sigmoid(e: Lanes, x: Value): Value {
  return e.div(e.real(1), e.add(exp(e, e.keep(e.neg(x))), e.real(1)));
}

/**
 * erf x = x + x P(x²) for |x| < 1, else ±(1 − e^(−x² − T(|x| − 1))), T a polynomial and 1 − erf 4 (f32), 1 − erf 6 (f64)
 * below a quarter ulp. Error ≤ 3 ulp.
 */
export function erf(e: Lanes, x: Value): Value {
  const a = e.keep(e.pmin(e.abs(x), e.real(e.lane === 'f32x4' ? 4 : 6)));
  const z = e.keep(e.mul(a, a));
  const small = e.keep(e.madd(e.polynomial(z, polynomials.erf[e.lane]), a, a));
  const u = e.keep(e.sub(a, e.real(1)));
  const complement = expWithin(e, e.keep(e.neg(e.add(e.polynomial(u, polynomials.erfTail[e.lane]), z))));
  const magnitude = e.choose(e.lt(a, e.real(1)), small, e.sub(e.real(1), complement));
  return e.withSign(magnitude, x);
}
