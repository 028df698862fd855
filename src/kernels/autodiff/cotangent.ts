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
  const whole = contributions.filter((c) => c.width === width);
  const pieces = contributions.filter((c) => c.width < width);
  const terms = whole.map((c) => c.value);
  if (pieces.length > 0) terms.push(assembled(pieces, width));
  const value = simplify(sum(terms));
  return isZero(value) ? null : value;
}

/** Contributions to components, as one vector: between any two edges the sum of what covers the place. */
function assembled(pieces: readonly Contribution[], width: number): Expr {
  const cuts = new Set([0, width, ...pieces.flatMap((c) => [c.start, c.start + c.width])]);
  const edges = [...cuts].sort((a, b) => a - b);
  const segments = edges.slice(0, -1).map((start, n) => {
    const end = edges[n + 1] ?? width;
    const covering = pieces.filter((c) => c.start <= start && end <= c.start + c.width);
    const values = covering.map((c) =>
      c.value.width === 1 ? c.value : part(c.value, start - c.start, end - start),
    );
    return widen(sum(values), end - start);
  });
  return concat(...segments);
}

/** Equal terms are one multiple: x·x gives its factor g·x twice, hence (2 g)·x and one multiplication for both. */
function sum(terms: readonly Expr[]): Expr {
  const [first, ...rest] = [...new Set(terms)].map((term) => {
    const count = terms.filter((t) => t === term).length;
    return count === 1 ? term : apply('mul', constant(count), term);
  });
  return first === undefined ? constant(0) : rest.reduce((a, b) => apply('add', a, b), first);
}
