/**
 * How does a cotangent meet a derivative that has no value on the branch not taken?
 *
 *   e = select(c, log u, 0):   ū = select(c, κ, 0) · 1/u   is 0 · ∞ where c = 0 and u = 0
 *                              ū = select(c, κ · 1/u, 0)   is 0 there, and the same elsewhere
 *
 * So the selection is kept outermost, from the branch to the leaves.
 */
import { apply, constant, type Expr, part, total } from '../ir/expr.ts';
import { isZero } from '../simplify/structure.ts';

/** A value that is `inner` where the condition holds (or where it does not), and 0 elsewhere. */
interface Guarded {
  readonly condition: Expr;
  readonly holds: boolean;
  readonly inner: Expr;
}

/** κ · ∂, selected where κ is. */
export function guardedProduct(cotangent: Expr, partial: Expr): Expr {
  const guarded = guardedIn(cotangent);
  if (guarded === null) return apply('mul', cotangent, partial);
  return selected(guarded, guardedProduct(guarded.inner, partial));
}

/** Σ of the components, selected where they are. */
export function guardedTotal(e: Expr): Expr {
  const guarded = guardedIn(e);
  return guarded !== null && guarded.condition.width === 1
    ? selected(guarded, guardedTotal(guarded.inner))
    : total(e);
}

function selected({ condition, holds }: Guarded, inner: Expr): Expr {
  const zero = constant(0);
  return holds ? apply('select', condition, inner, zero) : apply('select', condition, zero, inner);
}

/** Nodes never change, and a product may hold one of them at many places. */
const known = new WeakMap<Expr, Guarded | null>();

/** The selection in a value, wherever simplification has left it; null: there is none. */
function guardedIn(e: Expr): Guarded | null {
  const before = known.get(e);
  if (before !== undefined) return before;
  const found = guardIn(e);
  known.set(e, found);
  return found;
}

function guardIn(e: Expr): Guarded | null {
  if (e.kind === 'part') {
    const inside = guardedIn(e.arg);
    return inside?.condition.width === 1 ? { ...inside, inner: part(inside.inner, e.start, e.width) } : null;
  }
  if (e.kind !== 'apply') return null;
  const [a, b = a, c = a] = e.args as readonly [Expr, Expr?, Expr?];
  if (e.op === 'select') {
    if (isZero(c)) return { condition: a, holds: true, inner: b };
    return isZero(b) ? { condition: a, holds: false, inner: c } : null;
  }
  if (e.op === 'neg' || e.op === 'div') {
    const inside = guardedIn(a);
    return inside && { ...inside, inner: apply(e.op, inside.inner, ...e.args.slice(1)) };
  }
  if (e.op === 'mul') {
    const right = guardedIn(b);
    if (right !== null) return { ...right, inner: apply('mul', a, right.inner) };
    const left = guardedIn(a);
    return left && { ...left, inner: apply('mul', left.inner, b) };
  }
  if (e.op === 'add' || e.op === 'sub') {
    const [left, right] = [guardedIn(a), guardedIn(b)];
    if (left === null || right === null) return null;
    if (left.condition !== right.condition || left.holds !== right.holds) return null;
    return { ...left, inner: apply(e.op, left.inner, right.inner) };
  }
  return null;
}
