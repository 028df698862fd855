/**
 * Whether a formula is affine in some of its nodes, and if so what its linear and its constant part are.
 */
import { apply, concat, type Expr, operands, part, total } from '../ir/expr.ts';
import { memoised } from '../ir/walk.ts';
import type { OpName } from '../ops/table.ts';
import { widen, zeros } from '../simplify/structure.ts';

/** e = linear + rest: `linear` is homogeneous in the atoms, `rest` reads none. null: identically zero. */
export interface Affine {
  readonly linear: Expr | null;
  readonly rest: Expr | null;
}

/** The parts of an elementwise operation whose arguments are affine; null where it is not affine in its atoms. */
type Rule = (width: number, args: readonly Affine[]) => Affine | null;

const additive =
  (op: 'add' | 'sub'): Rule =>
  (width, [a, b]) => {
    const join = (x: Expr | null | undefined, y: Expr | null | undefined): Expr | null => {
      if (x == null) return y == null ? null : widen(op === 'sub' ? apply('neg', y) : y, width);
      return y == null ? widen(x, width) : apply(op, x, y);
    };
    return { linear: join(a?.linear, b?.linear), rest: join(a?.rest, b?.rest) };
  };

/** (l + r)·c for one argument without atoms. */
const mul: Rule = (width, [a, b]) => {
  if (a === undefined || b === undefined || (a.linear !== null && b.linear !== null)) return null;
  const [variable, factor] = a.linear === null ? [b, a.rest] : [a, b.rest];
  const times = (x: Expr | null): Expr | null =>
    x === null || factor === null ? null : widen(apply('mul', x, factor), width);
  return { linear: times(variable.linear), rest: times(variable.rest) };
};

const div: Rule = (width, [a, b]) => {
  if (a === undefined || b === undefined || b.linear !== null) return null;
  const over = (x: Expr | null): Expr | null =>
    x === null ? null : widen(apply('div', x, b.rest ?? zeros(1)), width);
  return { linear: over(a.linear), rest: over(a.rest) };
};

const neg: Rule = (_, [a]) => {
  const minus = (x: Expr | null | undefined): Expr | null => (x == null ? null : apply('neg', x));
  return { linear: minus(a?.linear), rest: minus(a?.rest) };
};

/** Operations that are linear in some argument; every other operation makes a formula non-linear. */
const rules: Partial<Readonly<Record<OpName, Rule>>> = {
  add: additive('add'),
  div,
  mul,
  neg,
  sub: additive('sub'),
};

/** The parts of `e` with respect to the nodes that `isAtom` names; null when it is not affine in them. */
export function affineIn(e: Expr, isAtom: (node: Expr) => boolean): Affine | null {
  return memoised<Affine | null>((node, of) => {
    if (isAtom(node)) return { linear: node, rest: null };
    const parts = operands(node).map(of);
    if (parts.every((p) => p !== null && p.linear === null)) return { linear: null, rest: node };
    const affine = parts.flatMap((p) => (p === null ? [] : [p]));
    if (affine.length < parts.length) return null;
    switch (node.kind) {
      case 'apply':
        return rules[node.op]?.(node.width, affine) ?? null;
      case 'concat': {
        const joined = (side: 'linear' | 'rest'): Expr =>
          concat(...affine.map((p, n) => p[side] ?? zeros(node.args[n]?.width ?? 1)));
        return { linear: joined('linear'), rest: joined('rest') };
      }
      case 'part':
        return each(affine, (x) => part(x, node.start, node.width));
      case 'total':
        return each(affine, total);
      case 'constant':
      case 'input':
      case 'reduce':
        return null;
    }
  })(e);
}

function each([arg]: readonly Affine[], f: (x: Expr) => Expr): Affine {
  const on = (x: Expr | null | undefined): Expr | null => (x == null ? null : f(x));
  return { linear: on(arg?.linear), rest: on(arg?.rest) };
}
