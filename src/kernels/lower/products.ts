/**
 * How a product is multiplied out: factors that vary less are multiplied further out.
 *
 *   a·b·c / d  →  ((coefficient · factors of no loop) · factors of the own row · …) · factors of the innermost loop
 *
 * Factors are ordered by where they are known (`rank`): nothing bound and the same for all rows, then the own row,
 * then the bound row of the outermost loop, and so on inwards; within a loop what is the same for all own rows comes
 * first. Each partial product then stands at its own rank, and the scheduler computes it there, once.
 * Signs and constants are collected in double precision and join the outermost factor; a sign that finds no factor
 * further out stays outside, where the sum that takes the product absorbs it.
 */
import type { Scalar, ScalarGraph } from './scalar.ts';

/** coefficient · Π over / Π under. */
export interface Product {
  readonly coefficient: number;
  readonly over: readonly Scalar[];
  readonly under: readonly Scalar[];
}

export const one: Product = { coefficient: 1, over: [], under: [] };

export function times(a: Product, b: Product): Product {
  return {
    coefficient: a.coefficient * b.coefficient,
    over: [...a.over, ...b.over],
    under: [...a.under, ...b.under],
  };
}

export function over(a: Product, b: Product): Product {
  return {
    coefficient: a.coefficient / b.coefficient,
    over: [...a.over, ...b.under],
    under: [...a.under, ...b.over],
  };
}

/** One scalar as a product: constants and signs move into the coefficient. */
export function asProduct(s: Scalar): Product {
  if (s.kind === 'constant') return { ...one, coefficient: s.value };
  if (s.kind === 'apply' && s.op === 'neg') {
    const [inner] = s.args;
    if (inner !== undefined) return times({ ...one, coefficient: -1 }, asProduct(inner));
  }
  return { ...one, over: [s] };
}

/**
 * A product split in two: what does not depend on the row of the loop with bit `bit`, and the rest.
 */
export function splitAtLoop(
  p: Product,
  bit: number,
): { readonly outside: Product; readonly inside: Product } {
  const inLoop = (s: Scalar): boolean => (s.bound & (1 << bit)) !== 0;
  const outLoop = (s: Scalar): boolean => !inLoop(s);
  return {
    outside: { coefficient: p.coefficient, over: p.over.filter(outLoop), under: p.under.filter(outLoop) },
    inside: { coefficient: 1, over: p.over.filter(inLoop), under: p.under.filter(inLoop) },
  };
}

/** Where a scalar is known, from the outside in: 2 · (depth of its innermost loop + 1), + 1 if own rows differ. */
function rankIn(graph: ScalarGraph): (s: Scalar) => number {
  return (s) => {
    let depth = -1;
    for (const [bit, loop] of graph.loops.entries()) {
      if ((s.bound & (1 << bit)) !== 0) depth = Math.max(depth, loop.depth);
    }
    return 2 * (depth + 1) + (s.varies ? 1 : 0);
  };
}

/** Whether scalars are known further out than `s`. */
export function isFurtherOut(graph: ScalarGraph, s: Scalar): (other: Scalar) => boolean {
  const rank = rankIn(graph);
  return (other) => rank(other) < rank(s);
}

/**
 * The product as a scalar.
 *
 * Within a rank, factors under the line are multiplied first and divided once; further out than the innermost rank that
 * division yields the hoisted reciprocal that the rest is multiplied by.
 */
export function multiplyOut(graph: ScalarGraph, p: Product): Scalar {
  const rank = rankIn(graph);
  const ranks = [...new Set([...p.over, ...p.under].map(rank))].sort((a, b) => a - b);
  if (ranks.length === 0) return graph.constant(p.coefficient);

  const hoisted = ranks.length > 1 || ranks[0] === 0;
  const coefficient = p.coefficient === -1 && !hoisted ? 1 : p.coefficient;
  let outer: Scalar | null = coefficient === 1 ? null : graph.constant(coefficient);
  for (const r of ranks) {
    const above = chain(
      graph,
      p.over.filter((s) => rank(s) === r),
    );
    const below = chain(
      graph,
      p.under.filter((s) => rank(s) === r),
    );
    outer = quotient(graph, product(graph, outer, above), below);
  }
  if (outer === null) return graph.constant(1);
  return coefficient === p.coefficient ? outer : graph.apply('neg', outer);
}

/** Equal sets of factors give equal chains: in the order of construction, from the left. */
function chain(graph: ScalarGraph, factors: readonly Scalar[]): Scalar | null {
  return [...factors].sort((a, b) => a.id - b.id).reduce<Scalar | null>((p, s) => product(graph, p, s), null);
}

function product(graph: ScalarGraph, a: Scalar | null, b: Scalar | null): Scalar | null {
  if (a === null || b === null) return a ?? b;
  if (a.kind === 'constant' && a.value === -1) return graph.apply('neg', b);
  return graph.apply('mul', a, b);
}

function quotient(graph: ScalarGraph, a: Scalar | null, b: Scalar | null): Scalar | null {
  if (b === null) return a;
  return graph.apply('div', a ?? graph.constant(1), b);
}
