/** Which factors of a product can leave a sum: those that are the same in every term. */
import { apply, constant, type Expr } from '../ir/expr.ts';
import { memoised } from '../ir/walk.ts';

/** A product e = outside · inside; a part that is absent is 1. */
export interface Factored {
  readonly outside: Expr | null;
  readonly inside: Expr | null;
}

/**
 * A product divided into the factors that satisfy `leaves` and the others.
 *
 *   c·f → c, f      f/c → 1/c, f      −f → −1, f      and so on through products of products
 *
 * Only products, quotients and signs are looked into; each shared node once.
 */
export function factored(product: Expr, leaves: (factor: Expr) => boolean): Factored {
  return memoised<Factored>((e, of) => {
    if (leaves(e) && !isOne(e)) return { outside: e, inside: null };
    const whole = { outside: null, inside: e };
    if (e.kind !== 'apply') return whole;
    const [a, b] = e.args.map(of);
    if (e.op === 'neg' && a !== undefined)
      return { outside: join('mul', constant(-1), a.outside), inside: a.inside };
    if ((e.op !== 'mul' && e.op !== 'div') || a === undefined || b === undefined) return whole;
    if (a.outside === null && b.outside === null) return whole;
    return { outside: join(e.op, a.outside, b.outside), inside: join(e.op, a.inside, b.inside) };
  })(product);
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
