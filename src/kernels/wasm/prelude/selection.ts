/** How comparisons, choices, roundings and signs are written in lane instructions. All are exact, mod apart. */
import type { Lanes, Value } from './lanes.ts';

/** 1 where the relation holds, else 0; a NaN compares as in JavaScript. */
const truth =
  (relation: 'eq' | 'ge' | 'gt' | 'le' | 'lt' | 'ne') =>
  (e: Lanes, a: Value, b: Value): Value =>
    e.and(e[relation](a, b), e.real(1));

export const eq = truth('eq');
export const ge = truth('ge');
export const gt = truth('gt');
export const le = truth('le');
export const lt = truth('lt');
export const ne = truth('ne');

/** x ≥ 0 ? 1 : 0 */
export function step(e: Lanes, x: Value): Value {
  return ge(e, x, e.real(0));
}

/** max(x, 0); NaN stays. */
export function relu(e: Lanes, x: Value): Value {
  return e.pmax(x, e.real(0));
}

/** The first argument wins ties. pmin alone would lose a NaN in b: ORed with all ones it stays one. */
export function min(e: Lanes, a: Value, b: Value): Value {
  return e.or(e.pmin(a, b), e.ne(b, b));
}

/** As `min`. */
export function max(e: Lanes, a: Value, b: Value): Value {
  return e.or(e.pmax(a, b), e.ne(b, b));
}

/** min(max(x, low), high). A NaN in x stays; a bound that is NaN does not bind. */
export function clamp(e: Lanes, x: Value, low: Value, high: Value): Value {
  return e.pmin(e.pmax(x, low), high);
}

/** c ≠ 0 ? a : b */
export function select(e: Lanes, c: Value, a: Value, b: Value): Value {
  return e.choose(e.eq(c, e.real(0)), b, a);
}

/** −1, 0 or 1; 0 and NaN stay as they are. */
export function sign(e: Lanes, x: Value): Value {
  return e.choose(e.gt(e.abs(x), e.real(0)), e.withSign(e.real(1), x), x);
}

export function stop(_: Lanes, x: Value): Value {
  return x;
}

/**
 * Half away from zero: trunc(x + h) with h the number below ½ and the sign of x. With ½ itself the number below ½ would
 * round up; with h the sum x + h of a half-integer rounds to the integer above, to even.
 */
export function round(e: Lanes, x: Value): Value {
  const belowHalf = 0.5 - 2 ** -(e.format.fraction + 2);
  return e.trunc(e.add(x, e.withSign(e.real(belowHalf), x)));
}

/**
 * x − n ⌊x/n⌋, in [0, n) for n > 0 and in (n, 0] for n < 0, up to rounding: where x/n rounds up to a whole number the
 * difference has the wrong sign, and n is added. Error ≤ 2u |x|.
 */
export function mod(e: Lanes, x: Value, n: Value): Value {
  const r = e.keep(e.nmadd(e.floor(e.div(x, n)), n, x));
  return e.add(r, e.and(e.lt(e.mul(r, n), e.real(0)), n));
}
