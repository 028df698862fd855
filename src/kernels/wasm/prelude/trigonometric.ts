/** How sines, tangents and their inverses are written in lane instructions. */
import { polynomials } from './coefficients.ts';
import type { Lanes, Value } from './lanes.ts';

/**
 * π/2 = a + b + c; j · a and j · b are exact for |j| < 2¹³ (f32) or 2²⁰ (f64), that is |x| ≤ 1.2e4 or 1.6e6.
 * Cephes sinf.c; fdlibm e_rem_pio2.c.
 */
const halfPi = {
  f32x4: [1.5703125, 0.0004837512969970703, 7.549789954891882e-8],
  f64x2: [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21],
} as const;

/** π/2 to twice the lane's precision. */
const halfPiTwice = {
  f32x4: { high: 1.5707963705062866, low: -4.371139000186241e-8 },
  f64x2: { high: 1.5707963267948966, low: 6.123233995736766e-17 },
} as const;

/** x = j π/2 + r, |r| ≤ π/4 (1 + small): the sine and cosine of r, and j as the low bits of `quadrant`. */
function reduced(
  e: Lanes,
  x: Value,
): { readonly sine: Value; readonly cosine: Value; readonly quadrant: Value } {
  const rounder = e.real(1.5 * 2 ** e.format.fraction);
  const quadrant = e.keep(e.madd(x, e.real(2 / Math.PI), rounder));
  const j = e.keep(e.sub(quadrant, rounder));
  const [a, b, c] = halfPi[e.lane];
  const rest = e.nmadd(j, e.real(c), e.nmadd(j, e.real(b), e.nmadd(j, e.real(a), x)));
  // Where x has no fraction left, neither has j, and the rest is anything: a sine stays a sine. A NaN stays one.
  const r = e.keep(e.pmax(e.pmin(rest, e.real(1)), e.real(-1)));
  const z = e.keep(e.mul(r, r));
  // sin r = r + r³ S(r²), cos r = 1 − r²/2 + r⁴ C(r²)
  const sine = e.keep(e.madd(e.mul(e.polynomial(z, polynomials.sin[e.lane]), z), r, r));
  const start = e.nmadd(z, e.real(0.5), e.real(1));
  const cosine = e.keep(e.madd(e.mul(e.polynomial(z, polynomials.cos[e.lane]), z), z, start));
  return { sine, cosine, quadrant };
}

/** Whether the integer in the low bits is even, as a mask. */
function even(e: Lanes, quadrant: Value): Value {
  return e.integerEq(e.and(quadrant, e.bits(1n)), e.bits(0n));
}

/** ± one of the two, as quadrant j has it: sin x = sin r, cos r, −sin r, −cos r for j = 0, 1, 2, 3 (mod 4). */
function sineOf(e: Lanes, sine: Value, cosine: Value, quadrant: Value): Value {
  const negative = e.signOf(e.shiftLeft(quadrant, e.format.bits - 2));
  return e.xor(e.choose(even(e, quadrant), sine, cosine), negative);
}

/**
 * sin x. Absolute error ≤ 1.6 u for |x| ≤ 1e4 (f32) or 1e6 (f64), u being the lane's unit roundoff; relative error
 * ≤ 2 ulp but next to a zero, where in f32 it is ≤ 14 ulp for |x| ≤ 100. Further out accuracy is lost, and beyond
 * 2^(fraction − 2) all meaning: it is some number in [−1, 1]. NaN and ±∞ give NaN.
 */
export function sin(e: Lanes, x: Value): Value {
  const { sine, cosine, quadrant } = reduced(e, x);
  return sineOf(e, sine, cosine, quadrant);
}

/** cos x = sin(x + π/2): the next quadrant. Errors as `sin`. */
export function cos(e: Lanes, x: Value): Value {
  const { sine, cosine, quadrant } = reduced(e, x);
  return sineOf(e, sine, cosine, e.keep(e.integerAdd(quadrant, e.bits(1n))));
}

/** tan x = tan r for even j, −1/tan r for odd. Relative error ≤ 4 ulp on [−π/2, π/2], away from the poles beyond. */
export function tan(e: Lanes, x: Value): Value {
  const { sine, cosine, quadrant } = reduced(e, x);
  const mask = e.keep(even(e, quadrant));
  const quotient = e.div(e.choose(mask, sine, cosine), e.choose(mask, cosine, sine));
  return e.xor(quotient, e.shiftLeft(quadrant, e.format.bits - 1));
}

/**
 * For a = |x| ≤ ½: asin a. For a > ½: asin √((1 − a)/2) = ½ acos a. Either way s + s³ P(s²) with s ≤ ½; NaN for a > 1.
 * Cephes asin.c.
 */
function arcsine(e: Lanes, x: Value): { readonly angle: Value; readonly large: Value } {
  const a = e.keep(e.abs(x));
  const large = e.keep(e.gt(a, e.real(0.5)));
  const z = e.keep(e.choose(large, e.mul(e.sub(e.real(1), a), e.real(0.5)), e.mul(a, a)));
  const s = e.keep(e.choose(large, e.sqrt(z), a));
  const angle = e.keep(e.madd(e.mul(e.polynomial(z, polynomials.asin[e.lane]), z), s, s));
  return { angle, large };
}

/** asin x = π/2 − 2 asin √((1 − x)/2). Error ≤ 3 ulp. */
export function asin(e: Lanes, x: Value): Value {
  const { angle, large } = arcsine(e, x);
  const { high, low } = halfPiTwice[e.lane];
  const complement = e.sub(e.real(high), e.sub(e.add(angle, angle), e.real(low)));
  return e.withSign(e.choose(large, complement, angle), x);
}

/** acos x = 2 asin √((1 − x)/2), π − 2 asin √((1 + x)/2) or π/2 − asin x. Error ≤ 3 ulp. */
export function acos(e: Lanes, x: Value): Value {
  const { angle, large } = arcsine(e, x);
  const signed = e.keep(e.withSign(angle, x));
  const { high, low } = halfPiTwice[e.lane];
  const far = e.add(e.and(e.lt(x, e.real(0)), e.real(Math.PI)), e.add(signed, signed));
  return e.choose(large, far, e.sub(e.real(high), e.sub(signed, e.real(low))));
}

/**
 * The angle in [0, π/2] of the point (a, b), a, b ≥ 0: atan of the smaller over the larger, whose complement it is where
 * b > a, by one division:
 *
 *   t = q, or (q − 1)/(q + 1) where q = smaller/larger > tan(π/8);   atan q = t + t³ P(t²), or π/4 more
 *
 * |t| ≤ tan(π/8). The origin has angle 0. Error ≤ 3 ulp.
 */
function angleOf(e: Lanes, a: Value, b: Value): Value {
  // The order of the operands keeps a NaN in a in the one and a NaN in b in the other.
  const smaller = e.keep(e.pmin(a, b));
  // Not 0, so that the origin's quotient is 0.
  const larger = e.keep(e.pmax(e.pmax(b, a), e.real(2 ** (1 - e.format.bias))));
  const steep = e.keep(e.gt(smaller, e.mul(larger, e.real(Math.SQRT2 - 1))));
  const above = e.choose(steep, e.sub(smaller, larger), smaller);
  const below = e.add(larger, e.and(steep, smaller));
  const t = e.keep(e.div(above, below));
  const z = e.keep(e.mul(t, t));
  const { high, low } = halfPiTwice[e.lane];
  const cubed = e.mul(e.mul(e.polynomial(z, polynomials.atan[e.lane]), z), t);
  const rest = e.keep(e.add(cubed, e.and(steep, e.real(low / 2))));
  const angle = e.keep(e.add(e.add(rest, t), e.and(steep, e.real(high / 2))));
  return e.choose(e.gt(b, a), e.sub(e.real(high), e.sub(angle, e.real(low))), angle);
}

/** atan x: the angle of (1, |x|), with the sign of x. Error ≤ 3 ulp. */
export function atan(e: Lanes, x: Value): Value {
  return e.withSign(angleOf(e, e.real(1), e.keep(e.abs(x))), x);
}

/** The angle of the point (x, y) in [−π, π]; 0 at the origin. Error ≤ 4 ulp. */
export function atan2(e: Lanes, y: Value, x: Value): Value {
  const angle = e.keep(angleOf(e, e.keep(e.abs(x)), e.keep(e.abs(y))));
  const positive = e.choose(e.lt(x, e.real(0)), e.sub(e.real(Math.PI), angle), angle);
  return e.withSign(positive, y);
}
