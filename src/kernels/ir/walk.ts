/**
 * In which order a shared graph is visited: every node once, its operands before it, without recursion.
 *
 * The order depends on the structure alone and not on node ids, which follow the history of the process:
 * what is derived in this order is the same in every process.
 */
import { type Expr, loopKey, operands } from './expr.ts';

/** All nodes reachable from the roots, operands before users, roots in the order given. */
export function postorder(...roots: readonly Expr[]): readonly Expr[] {
  const order: Expr[] = [];
  const done = new Set<Expr>();
  const path: { readonly node: Expr; readonly operands: readonly Expr[]; next: number }[] = [];

  const enter = (node: Expr): void => {
    if (done.has(node)) return;
    done.add(node);
    path.push({ node, operands: operands(node), next: 0 });
  };

  for (const root of roots) {
    enter(root);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const operand = top.operands[top.next++];
      if (operand === undefined) {
        order.push(top.node);
        path.pop();
      } else {
        enter(operand);
      }
    }
  }
  return order;
}

/**
 * A function of a node and its operands' results, each node computed once: `of(root)` may be called often.
 * The memo is weak, so that a program no longer used is forgotten.
 */
export function memoised<T>(compute: (node: Expr, of: (operand: Expr) => T) => T): (root: Expr) => T {
  const memo = new WeakMap<Expr, { readonly result: T }>();

  const known = (node: Expr): T => {
    const entry = memo.get(node);
    if (entry === undefined) throw new Error(`node ${node.id} is no operand of what is computed`);
    return entry.result;
  };

  return (root) => {
    const entry = memo.get(root);
    if (entry !== undefined) return entry.result;
    const path: Expr[] = [root];
    for (let node = path.at(-1); node !== undefined; node = path.at(-1)) {
      const missing = memo.has(node) ? [] : operands(node).filter((o) => !memo.has(o));
      if (missing.length > 0) {
        // Reversed, so that the first operand is computed first.
        path.push(...missing.reverse());
        continue;
      }
      if (!memo.has(node)) memo.set(node, { result: compute(node, known) });
      path.pop();
    }
    return known(root);
  };
}

const none: ReadonlySet<string> = new Set();

/**
 * The loops (as `loopKey`) whose row a value depends on and which it does not bind itself. A value under a reduction
 * whose loop is not among them is the same for every row of that reduction.
 */
export const freeLoops: (e: Expr) => ReadonlySet<string> = memoised<ReadonlySet<string>>((e, of) => {
  if (e.kind === 'input') {
    return 'loop' in e.leaf && e.leaf.loop !== null ? new Set([loopKey(e.leaf.loop)]) : none;
  }
  const parts = operands(e).map(of);
  const first = parts.find((p) => p.size > 0);
  if (first === undefined) return none;
  const shared = parts.every((p) => p.size === 0 || p === first);
  const all = shared ? first : new Set(parts.flatMap((p) => [...p]));
  if (e.kind !== 'reduce') return all;
  return new Set([...all].filter((key) => key !== loopKey(e.loop)));
});
