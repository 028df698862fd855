/**
 * Which scalars a row function's vectors are made of: every vector node component by component, every result a root.
 */
import { invariant } from '../../errors.ts';
import { type Expr, type Leaf, type Loop, operands } from '../ir/expr.ts';
import type { Layout } from '../ir/kernel.ts';
import type { RowFunction } from '../ir/row-function.ts';
import { type Scalar, type ScalarGraph, type ScalarLeaf, scalarGraph } from './scalar.ts';

/** A row function as scalars: the same three kinds of result. */
export interface ScalarFunction {
  readonly name: string;
  readonly graph: ScalarGraph;
  readonly planes: readonly { readonly bank: string; readonly values: readonly Scalar[] }[];
  readonly rowSums: readonly ScalarRowSum[];
  readonly scatters: readonly ScalarScatter[];
}

interface ScalarRowSum {
  readonly target: 'params' | 'sums';
  readonly component: number;
  readonly value: Scalar;
}

export interface ScalarScatter {
  readonly target: Extract<ScalarLeaf, { role: 'pair' | 'row' }>;
  /** Outermost first. */
  readonly loops: readonly Loop[];
  readonly value: Scalar;
  readonly where: Scalar | null;
}

/** Results that are exactly zero add nothing and are left out, except in planes. */
const addsNothing = (s: Scalar): boolean => s.kind === 'constant' && s.value === 0;

export function scalarise(fn: RowFunction, layout: Layout): ScalarFunction {
  const graph = scalarGraph();
  const components = componentsOf(graph, layout);
  const single = (e: Expr): Scalar => {
    const [only] = components(e);
    invariant(only !== undefined, 'a vector has at least one component');
    return only;
  };
  return {
    name: fn.name,
    graph,
    planes: fn.planes.map((p) => ({ bank: p.name, values: components(p.value) })),
    rowSums: fn.rowSums.flatMap((r) =>
      components(r.value).flatMap((value, c) =>
        addsNothing(value) ? [] : [{ ...rowSumTarget(r.target, layout, c), value }],
      ),
    ),
    scatters: fn.scatters.flatMap((s) =>
      components(s.value).flatMap((value, c) => {
        if (addsNothing(value)) return [];
        const target = placeLeaf(s.target, c, layout);
        invariant(
          target.role === 'pair' || target.role === 'row',
          'only bound rows and pairs are scattered to',
        );
        return [{ target, loops: s.loops, value, where: s.where === null ? null : single(s.where) }];
      }),
    ),
  };
}

function rowSumTarget(
  leaf: RowFunction['rowSums'][number]['target'],
  layout: Layout,
  component: number,
): { readonly target: 'params' | 'sums'; readonly component: number } {
  return leaf.role === 'param'
    ? { target: 'params', component: layout.param(leaf.field) + component }
    : { target: 'sums', component: leaf.index + component };
}

/** Component c of a leaf, where the layout puts it. */
function placeLeaf(leaf: Leaf, c: number, layout: Layout): ScalarLeaf {
  switch (leaf.role) {
    case 'cotangent': {
      const { bank, components } = layout.cotangent(leaf.name);
      return { role: 'own', bank, component: c, components };
    }
    case 'index':
      return { role: 'index', loop: leaf.loop };
    case 'own': {
      const { bank, component, components } = layout.own(leaf.field, leaf.at);
      return { role: 'own', bank, component: component + c, components };
    }
    case 'pair':
      return {
        role: 'pair',
        field: leaf.field,
        component: c,
        components: layout.pair(leaf.field),
        loop: leaf.loop,
      };
    case 'param':
      return { role: 'param', component: layout.param(leaf.field) + c };
    case 'row': {
      const { table, column, columns } = layout.row(leaf.loop.over, leaf.field, leaf.at);
      return { role: 'row', table, column: column + c, columns, loop: leaf.loop };
    }
    case 'sum':
      return { role: 'sum', index: leaf.index + c };
    case 'time':
      return { role: 'time' };
  }
}

/** The components of a vector as scalars, each node visited once and without recursion (graphs may be deep). */
function componentsOf(graph: ScalarGraph, layout: Layout): (e: Expr) => readonly Scalar[] {
  const done = new Map<Expr, readonly Scalar[]>();

  const of = (e: Expr): readonly Scalar[] => {
    const known = done.get(e);
    invariant(known !== undefined, 'operands come before their user');
    return known;
  };
  const at = (e: Expr, c: number): Scalar => {
    const all = of(e);
    const one = all[all.length === 1 ? 0 : c];
    invariant(one !== undefined, 'arguments have the width of the node or width 1');
    return one;
  };
  const each = (width: number, make: (c: number) => Scalar): readonly Scalar[] =>
    Array.from({ length: width }, (_, c) => make(c));

  const expand = (e: Expr): readonly Scalar[] => {
    switch (e.kind) {
      case 'apply':
        return each(e.width, (c) => graph.apply(e.op, ...e.args.map((a) => at(a, c))));
      case 'concat':
        return e.args.flatMap((a) => of(a));
      case 'constant':
        return [graph.constant(e.value)];
      case 'input':
        return each(e.width, (c) => graph.leaf(placeLeaf(e.leaf, c, layout)));
      case 'part':
        return of(e.arg).slice(e.start, e.start + e.width);
      case 'reduce':
        return each(e.width, (c) =>
          graph.reduce(e.by, e.loop, at(e.body, c), e.where === null ? null : at(e.where, 0)),
        );
      case 'total':
        return [of(e.arg).reduce((sum, s) => graph.apply('add', sum, s))];
    }
  };

  return (root) => {
    const pending: Expr[] = [root];
    for (let e = pending.at(-1); e !== undefined; e = pending.at(-1)) {
      const missing = done.has(e) ? [] : operands(e).filter((o) => !done.has(o));
      if (missing.length > 0) {
        pending.push(...missing);
        continue;
      }
      if (!done.has(e)) done.set(e, expand(e));
      pending.pop();
    }
    return of(root);
  };
}
