/**
 * How many bound rows a row function visits for one own row: what `explain` predicts and engines count.
 */
import { type Expr, type Loop, loopKey, operands } from '../ir/expr.ts';
import type { RowFunction } from '../ir/row-function.ts';

/**
 * Σ over distinct loop nests of the product of their row counts. Reductions and scatters over the same rows at the
 * same depth are one loop, however many there are and whatever an engine makes of them.
 */
export function boundVisits(fn: RowFunction, count: (over: string) => number): number {
  const nests = new Map<string, number>();
  const enter = (chain: string, visits: number, loop: Loop): { chain: string; visits: number } => {
    const inner = { chain: `${chain} ${loopKey(loop)}`, visits: visits * count(loop.over) };
    nests.set(inner.chain, inner.visits);
    return inner;
  };
  const seen = new Set<string>();
  const pending: { readonly node: Expr; readonly chain: string; readonly visits: number }[] = [];
  const push = (node: Expr, chain: string, visits: number): void => {
    const key = `${node.id} ${chain}`;
    if (seen.has(key)) return;
    seen.add(key);
    pending.push({ node, chain, visits });
  };

  for (const p of fn.planes) push(p.value, '', 1);
  for (const r of fn.rowSums) push(r.value, '', 1);
  for (const s of fn.scatters) {
    let at = { chain: '', visits: 1 };
    for (const loop of s.loops) at = enter(at.chain, at.visits, loop);
    push(s.value, at.chain, at.visits);
    if (s.where !== null) push(s.where, at.chain, at.visits);
  }
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { node } = next;
    const home = node.kind === 'reduce' ? hoisted(next, node.loop) : next;
    const inner = node.kind === 'reduce' ? enter(home.chain, home.visits, node.loop) : home;
    for (const o of operands(node)) push(o, inner.chain, inner.visits);
  }
  return [...nests.values()].reduce((a, b) => a + b, 0);

  /** A reduction inside a loop over its own bound row stands outside of that loop: the winner of a min, for one. */
  function hoisted(at: { readonly chain: string; readonly visits: number }, loop: Loop): typeof at {
    const keys = at.chain.split(' ');
    const around = keys.indexOf(loopKey(loop));
    if (around === -1) return at;
    const chain = keys.slice(0, around).join(' ');
    return { chain, visits: nests.get(chain) ?? 1 };
  }
}
