/** Which factors of a product can leave a sum: those that are the same in every term. */
import { apply, constant, type Expr } from '../ir/expr.ts';

/** A product e = outside · inside; a part that is absent is 1. */
export interface Factored {
  readonly outside: Expr | null;
  readonly inside: Expr | null;
}

/** Products of products opened: what lies deeper counts as one factor, so that long products stay cheap to look into. */
const depthMax = 32;

/**
 * A product divided into the factors that satisfy `leaves` and the others.
 *
 *   c·f → c, f      f/c → 1/c, f      −f → −1, f      and so on through products of products
 *
 * Only products, quotients and signs are looked into; each shared one once.
 */
export function factored(product: Expr, leaves: (factor: Expr) => boolean): Factored {
  const known = new Map<Expr, Factored>();

  const divide = (e: Expr, depth: number): Factored => {
    const before = known.get(e);
    if (before !== undefined) return before;
    const result = leaves(e) && !isOne(e) ? { outside: e, inside: null } : opened(e, depth);
    known.set(e, result);
    return result;
  };

  const opened = (e: Expr, depth: number): Factored => {
    const whole = { outside: null, inside: e };
    if (e.kind !== 'apply' || depth === depthMax) return whole;
    if (e.op !== 'neg' && e.op !== 'mul' && e.op !== 'div') return whole;
    const [a, b] = e.args.map((arg) => divide(arg, depth + 1));
    if (a === undefined) return whole;
    if (b === undefined) return { outside: join('mul', constant(-1), a.outside), inside: a.inside };
    if (a.outside === null && b.outside === null) return whole;
    const op = e.op === 'div' ? 'div' : 'mul';
    return { outside: join(op, a.outside, b.outside), inside: join(op, a.inside, b.inside) };
  };

  return divide(product, 0);
}

/** a·b or a/b, where an absent part is 1. */
function join(op: 'div' | 'mul', a: Expr | null, b: Expr | null): Expr | null {
  if (b === null) return a;
  if (a === null) return op === 'mul' ? b : apply('div', constant(1), b);
  return apply(op, a, b);
}

/** Whether it is the constant 1, which is no factor worth moving. */
function isOne(e: Expr): boolean {
  return e.kind === 'constant' && e.value === 1;
}
