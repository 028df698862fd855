/** What a formula becomes when some of its nodes are replaced. */
import { apply, concat, type Expr, type Leaf, operands, part, reduce, total } from './expr.ts';
import { memoised } from './walk.ts';

/** The same node over other operands (as many as `operands(e)`, in that order). */
export function rebuild(e: Expr, args: readonly Expr[]): Expr {
  const [first, second] = args;
  switch (e.kind) {
    case 'apply':
      return apply(e.op, ...args);
    case 'concat':
      return concat(...args);
    case 'constant':
    case 'input':
      return e;
    case 'part':
      return part(first!, e.start, e.width);
    case 'reduce':
      return reduce(e.by, e.loop, first!, second ?? null);
    case 'total':
      return total(first!);
  }
}

/**
 * Every node for which `replacement` is not null, replaced; replacements are not searched again.
 * Rows bound by reductions around a replaced node are visible to its replacement.
 */
export function substitute(e: Expr, replacement: (node: Expr) => Expr | null): Expr {
  return memoised<Expr>((node, of) => replacement(node) ?? rebuild(node, operands(node).map(of)))(e);
}

/** Every input for which `value` is not null, replaced. */
export function substituteLeaves(e: Expr, value: (leaf: Leaf, width: number) => Expr | null): Expr {
  return substitute(e, (node) => (node.kind === 'input' ? value(node.leaf, node.width) : null));
}

/** The same value, with every `stop` taken away: for what is not derived any more. */
export function withoutStops(e: Expr): Expr {
  return memoised<Expr>((node, of) =>
    node.kind === 'apply' && node.op === 'stop' ? of(node.args[0]!) : rebuild(node, operands(node).map(of)),
  )(e);
}
