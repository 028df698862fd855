/** What ⟨v̄, v̇⟩ is: cotangents of a row's leaves against tangents named `d…` (see `formulas.ts`). */
import type { Cotangents } from '../../../src/kernels/autodiff/vjp.ts';
import { type Expr, input, type Leaf, type Loop, loopKey } from '../../../src/kernels/ir/expr.ts';
import { type Bound, evaluate, type Given, rowCount } from '../evaluate.ts';

/** The leaf that holds a leaf's tangent; null for what does not move. */
export function tangentLeaf(leaf: Leaf): Leaf | null {
  switch (leaf.role) {
    case 'cotangent':
    case 'index':
    case 'time':
      return null;
    case 'own':
    case 'pair':
    case 'param':
    case 'row':
      return { ...leaf, field: `d${leaf.field}` };
    case 'sum':
      return { role: 'sum', index: leaf.index + 1 };
  }
}

/** The products whose sum is ⟨v̄, v̇⟩. */
export function pairing(cotangents: Cotangents, given: Given): readonly number[] {
  const products = (leaf: Leaf, value: Expr, bound: Bound): number[] => {
    const tangent = tangentLeaf(leaf);
    if (tangent === null) return [];
    const v = evaluate(input(tangent, value.width), given, bound);
    return evaluate(value, given, bound).map((c, n) => c * (v[n] ?? Number.NaN));
  };
  const rows = [...cotangents.own.values()].flatMap(({ leaf, value }) => products(leaf, value, new Map()));
  const sums = cotangents.rowSums.flatMap(({ target, value }) => products(target, value, new Map()));
  const scattered = cotangents.scatters.flatMap(({ target, loops, where, value }) =>
    visits(loops, given)
      .filter((bound) => where === null || evaluate(where, given, bound)[0] !== 0)
      .flatMap((bound) => products(target, value, bound)),
  );
  return [...rows, ...sums, ...scattered];
}

/** Every combination of rows of the loops. */
function visits(loops: readonly Loop[], given: Given): readonly Bound[] {
  const start: readonly Bound[] = [new Map()];
  return loops.reduce(
    (outer, loop) =>
      outer.flatMap((bound) =>
        Array.from({ length: rowCount(loop, given) }, (_, l) => new Map(bound).set(loopKey(loop), l)),
      ),
    start,
  );
}
