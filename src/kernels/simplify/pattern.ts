/** When does a rule apply: patterns over formulas, their variables bound to what they meet. */
import type { Expr } from '../ir/expr.ts';
import type { OpName } from '../ops/table.ts';

/** What a rule may call its parts: `c`, `d` meet constants only, `s`, `t` scalars, `v`, `w` wider vectors, `x`, `y`, `z` anything. */
export type Variable = 'c' | 'd' | 's' | 't' | 'v' | 'w' | 'x' | 'y' | 'z';

export type Pattern =
  | { readonly kind: 'apply'; readonly op: OpName; readonly args: readonly Pattern[] }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'variable'; readonly name: Variable };

/** What the variables of a matched pattern stand for; those it does not mention are absent. */
export type Bindings = Readonly<Record<Variable, Expr>>;

/** One identity: `left` is rewritten to `right`, where `when` holds. */
export interface Rule {
  /** The identity as mathematics. */
  readonly name: string;
  readonly left: Extract<Pattern, { kind: 'apply' }>;
  readonly right: (bound: Bindings) => Expr;
  readonly when: (bound: Bindings) => boolean;
}

/** What each variable may stand for. */
const admits: Readonly<Record<Variable, (e: Expr) => boolean>> = {
  c: (e) => e.kind === 'constant',
  d: (e) => e.kind === 'constant',
  s: (e) => e.width === 1,
  t: (e) => e.width === 1,
  v: (e) => e.width > 1,
  w: (e) => e.width > 1,
  x: () => true,
  y: () => true,
  z: () => true,
};

/** What a pattern's variables stand for in `e`, or null where it does not match. A variable met twice must be the same node. */
export function match(pattern: Pattern, e: Expr): Bindings | null {
  const bound: Partial<Record<Variable, Expr>> = {};
  const meets = (p: Pattern, node: Expr): boolean => {
    switch (p.kind) {
      case 'apply':
        return node.kind === 'apply' && node.op === p.op && p.args.every((a, n) => meets(a, node.args[n]!));
      case 'number':
        return node.kind === 'constant' && node.value === p.value;
      case 'variable': {
        const before = bound[p.name];
        if (before !== undefined) return before === node;
        bound[p.name] = node;
        return admits[p.name](node);
      }
    }
  };
  return meets(pattern, e) ? (bound as Bindings) : null;
}
