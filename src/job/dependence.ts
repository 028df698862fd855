/** Whether the loss of a system depends on a field, and whether in a way that has a derivative. */
import { type Expr, type Leaf, operands } from '../kernels/ir/expr.ts';
import { opNamed } from '../kernels/ops/table.ts';
import type { System } from '../kernels/system.ts';

/** `flat`: only through functions whose derivative is 0 wherever it exists, such as `floor` or a comparison. */
export type Dependence = 'flat' | 'smooth';

type Known = System['terms'][number]['value'];

/**
 * How the loss depends on each field that it depends on: a search through the loss, the sums it is made of and the flows
 * of what evolves. A field that evolves always depends on its own start.
 */
export function dependenceOf(system: Pick<System, 'flow' | 'terms'>): ReadonlyMap<string, Dependence> {
  const found = new Map<string, Dependence>();
  const pending: { readonly field: string; readonly dependence: Dependence }[] = [];
  const visit = (value: Known, sums: readonly { readonly body: Expr }[], reached: Dependence): void => {
    for (const [leaf, inner] of leavesOf(value)) {
      const dependence = reached === 'flat' ? 'flat' : inner;
      if (leaf.role === 'sum') visit(sums[leaf.index]!.body, sums, dependence);
      else if ('field' in leaf) pending.push({ field: leaf.field, dependence });
    }
  };
  for (const term of system.terms) visit(term.value, term.sums, 'smooth');
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { field, dependence } = next;
    const before = found.get(field);
    if (before === 'smooth' || before === dependence) continue;
    found.set(field, dependence);
    const flow = system.flow.get(field);
    if (flow !== undefined) visit(flow, [], dependence);
  }
  return found;
}

/** The leaves of a graph, each once, with the best path to it. */
function leavesOf(root: Expr): ReadonlyMap<Leaf, Dependence> {
  const leaves = new Map<Leaf, Dependence>();
  const seen = new Map<Expr, Dependence>();
  const pending: { readonly node: Expr; readonly dependence: Dependence }[] = [
    { node: root, dependence: 'smooth' },
  ];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { node, dependence } = next;
    const before = seen.get(node);
    if (before === 'smooth' || before === dependence) continue;
    seen.set(node, dependence);
    if (node.kind === 'input') leaves.set(node.leaf, dependence);
    const flat = flatOperands(node);
    for (const operand of operands(node)) {
      pending.push({ node: operand, dependence: flat.has(operand) ? 'flat' : dependence });
    }
  }
  return leaves;
}

/** The operands through which nothing can be differentiated; one that also stands elsewhere in the node is none of them. */
function flatOperands(node: Expr): ReadonlySet<Expr> {
  switch (node.kind) {
    case 'apply': {
      const partials = opNamed(node.op).derivative(...node.args);
      const isFlat = (n: number): boolean => {
        const partial = partials[n] ?? null;
        return partial === null || (partial.kind === 'constant' && partial.value === 0);
      };
      const smooth = new Set(node.args.filter((_, n) => !isFlat(n)));
      return new Set(node.args.filter((arg, n) => isFlat(n) && !smooth.has(arg)));
    }
    case 'reduce': {
      const counts = node.by === 'argmax' || node.by === 'argmin' ? [node.body, node.where] : [node.where];
      return new Set(
        counts.filter(
          (operand) => operand !== null && operand !== (counts.length === 1 ? node.body : null),
        ) as Expr[],
      );
    }
    case 'concat':
    case 'constant':
    case 'input':
    case 'part':
    case 'total':
      return new Set();
  }
}
