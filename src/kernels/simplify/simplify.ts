/**
 * What a formula is in its simplest form: the rules of `rules.ts` and the laws of `structure.ts` applied until none
 * applies, from the leaves up.
 *
 * The value is kept up to rounding. The result depends on the structure alone, and is the same in every process.
 */
import { apply, constant, type Expr, operands } from '../ir/expr.ts';
import { rebuild } from '../ir/substitute.ts';
import { type OpName, opNamed } from '../ops/table.ts';
import { match, type Rule } from './pattern.ts';
import { rules } from './rules.ts';
import { narrowed, simplerConcat, simplerPart, simplerReduce, simplerTotal } from './structure.ts';

/** Node ↦ its simplest form; simplest forms map to themselves. */
const simplest = new WeakMap<Expr, Expr>();

const rulesOf = new Map<OpName, readonly Rule[]>();
for (const rule of rules) rulesOf.set(rule.left.op, [...(rulesOf.get(rule.left.op) ?? []), rule]);

/** The simplest form known to this module, of the same width. */
export function simplify(root: Expr): Expr {
  // A node on the path waits for its operands, then for what it was rewritten to.
  const path: { readonly node: Expr; rewritten: Expr | null }[] = [{ node: root, rewritten: null }];
  const rewriting = new Set<Expr>();
  for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
    const { node, rewritten } = top;
    const waitsFor = simplest.has(node)
      ? []
      : (rewritten === null ? operands(node) : [rewritten]).filter((e) => !simplest.has(e));
    if (waitsFor.length > 0) {
      path.push(...waitsFor.reverse().map((e) => ({ node: e, rewritten: null })));
      continue;
    }
    if (simplest.has(node)) {
      path.pop();
      continue;
    }
    if (rewritten !== null) {
      settle(node, simplest.get(rewritten) ?? rewritten);
      path.pop();
      continue;
    }
    const over = rebuild(
      node,
      operands(node).map((e) => simplest.get(e) ?? e),
    );
    const next = over === node ? rewrite(node) : over;
    if (next === null) {
      settle(node, node);
      path.pop();
    } else {
      if (rewriting.has(next) && !simplest.has(next))
        throw new Error('a rewriting came back to where it began');
      rewriting.add(node);
      top.rewritten = next;
    }
  }
  return simplest.get(root) ?? root;
}

function settle(node: Expr, form: Expr): void {
  if (form.width !== node.width)
    throw new Error(`a rewriting changed the width ${node.width} to ${form.width}`);
  simplest.set(node, form);
}

/** One step, or null where nothing applies. Operands are in simplest form. */
function rewrite(e: Expr): Expr | null {
  switch (e.kind) {
    case 'apply': {
      const values = e.args.map((a) => (a.kind === 'constant' ? a.value : null)).filter((v) => v !== null);
      if (values.length === e.args.length) return constant(opNamed(e.op).evaluate(...values));
      const args = narrowed(e.args);
      if (args.some((a, n) => a !== e.args[n])) return apply(e.op, ...args);
      for (const rule of rulesOf.get(e.op) ?? []) {
        const bound = match(rule.left, e);
        if (bound !== null && rule.when(bound)) return rule.right(bound);
      }
      return null;
    }
    case 'concat':
      return simplerConcat(e);
    case 'constant':
    case 'input':
      return null;
    case 'part':
      return simplerPart(e);
    case 'reduce':
      return simplerReduce(e);
    case 'total':
      return simplerTotal(e);
  }
}
