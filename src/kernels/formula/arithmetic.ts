/** How operators become nodes: constants fold, and an integer power is repeated multiplication. */
import { apply, concat, constant, type Expr } from '../ir/expr.ts';

type Arithmetic = 'add' | 'div' | 'mul' | 'sub';

const onNumbers: Readonly<Record<Arithmetic, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  div: (a, b) => a / b,
  mul: (a, b) => a * b,
  sub: (a, b) => a - b,
};

/** `a op b`; of two constants the constant, in double precision, unless that is not finite. */
export function arithmetic(op: Arithmetic, a: Expr, b: Expr): Expr {
  if (a.kind === 'constant' && b.kind === 'constant') {
    const value = onNumbers[op](a.value, b.value);
    if (Number.isFinite(value)) return constant(value);
  }
  return apply(op, a, b);
}

export function negated(a: Expr): Expr {
  return a.kind === 'constant' ? constant(-a.value) : apply('neg', a);
}

/**
 * x ^ y: for a constant integer y repeated multiplication (below 0 its reciprocal), otherwise `pow`, for x > 0.
 */
export function power(x: Expr, y: Expr): Expr {
  if (y.kind === 'constant' && Number.isSafeInteger(y.value)) return integerPower(x, y.value);
  return apply('pow', x, y);
}

/**
 * xⁿ by squaring: at most 2 log₂ |n| products, shared.
 *
 * Knuth, _The Art of Computer Programming_ 2, §4.6.3, method A.
 */
function integerPower(x: Expr, n: number): Expr {
  if (n === 0) return filled(1, x.width);
  let result: Expr | undefined;
  let square = x;
  for (let rest = Math.abs(n); ; square = arithmetic('mul', square, square)) {
    if (rest % 2 === 1) result = result === undefined ? square : arithmetic('mul', result, square);
    rest = Math.floor(rest / 2);
    if (rest === 0) break;
  }
  // |n| ≥ 1 has a highest bit, so that there is a result.
  return n < 0 ? arithmetic('div', constant(1), result!) : result!;
}

/** A vector of that width with one value in every component. */
export function filled(value: number, width: number): Expr {
  return concat(...Array.from({ length: width }, () => constant(value)));
}
