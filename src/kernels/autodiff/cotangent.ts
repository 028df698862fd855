/** What the cotangent of a node is, gathered from its users. */
import { apply, concat, constant, type Expr, part } from '../ir/expr.ts';
import { simplify } from '../simplify/simplify.ts';
import { isZero, widen } from '../simplify/structure.ts';

/** A vector added to components [start, start + width) of a node's cotangent; of width 1, it meets each of them. */
export interface Contribution {
  readonly start: number;
  readonly width: number;
  readonly value: Expr;
}

/**
 * The sum of the contributions, simplified; of width 1 when it is the same for every component, null when it is zero.
 * Components nobody contributes to are exact zeros.
 */
export function gather(contributions: readonly Contribution[], width: number): Expr | null {
  const cuts = new Set([0, width, ...contributions.flatMap((c) => [c.start, c.start + c.width])]);
  const edges = [...cuts].sort((a, b) => a - b);
  const segments = edges.slice(0, -1).map((start, n) => {
    const end = edges[n + 1] ?? width;
    const covering = contributions.filter((c) => c.start <= start && end <= c.start + c.width);
    const values = covering.map((c) =>
      c.value.width === 1 ? c.value : part(c.value, start - c.start, end - start),
    );
    const [first, ...rest] = multiples(values);
    return { width: end - start, value: first === undefined ? constant(0) : rest.reduce(plus, first) };
  });
  const [only] = segments;
  const sum =
    segments.length === 1 && only !== undefined
      ? only.value
      : concat(...segments.map((s) => widen(s.value, s.width)));
  const value = simplify(sum);
  return isZero(value) ? null : value;
}

/** Equal contributions as one multiple, in the order of the first: x·x gives its factor g·x twice, hence 2·(g·x). */
function multiples(values: readonly Expr[]): readonly Expr[] {
  return [...new Set(values)].map((value) => {
    const count = values.filter((v) => v === value).length;
    return count === 1 ? value : apply('mul', constant(count), value);
  });
}

function plus(a: Expr, b: Expr): Expr {
  return apply('add', a, b);
}
