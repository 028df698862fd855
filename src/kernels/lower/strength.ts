/**
 * Which cheaper scalars a row function can be computed from: the loop-invariant pass.
 *
 *   a·b·c / d        factors multiplied from the outside in (`products.ts`)
 *   exp(x)           exp2(x · log₂ e), the constant joining the product x
 *   x^c, 2c ∈ ℤ      repeated multiplication of x, √x and 1/√x          (x > 0, as `pow` demands)
 *   Σ_l c·f          c · Σ_l f                                           where c does not depend on l
 *
 * Only rounding changes. A product is opened only where it has a single use, so that nothing shared is computed twice;
 * sums keep their order, because cancellation depends on it.
 */
import type { OpName } from '../ops/table.ts';
import { asProduct, multiplyOut, one, over, type Product, splitAtLoop, times } from './products.ts';
import type { Scalar, ScalarGraph } from './scalar.ts';
import type { ScalarFunction } from './scalarise.ts';

/** Largest |exponent| written as repeated multiplication: eight multiplications at most, a few ulp. */
const exponentMax = 16;

export function strengthReduce(fn: ScalarFunction): ScalarFunction {
  const { graph } = fn;
  const results = [
    ...fn.planes.flatMap((p) => p.values),
    ...fn.rowSums.map((r) => r.value),
    ...fn.scatters.flatMap((s) => (s.where === null ? [s.value] : [s.value, s.where])),
  ];
  const order = reachable(results);
  const uses = countUses(order, results);
  const rewritten = new Map<Scalar, Scalar>();
  /** Products that rewritten scalars were multiplied out from. */
  const factored = new Map<Scalar, Product>();

  const now = (s: Scalar): Scalar => rewritten.get(s) ?? s;
  const write = (p: Product): Scalar => {
    const s = multiplyOut(graph, p);
    factored.set(s, p);
    return s;
  };
  /** The factors of an argument: opened when this is its only use. */
  const factors = (s: Scalar): Product => {
    const r = now(s);
    return (uses.get(s) === 1 ? factored.get(r) : undefined) ?? asProduct(r);
  };

  const rewriteApply = (op: OpName, args: readonly Scalar[]): Scalar => {
    const [a, b] = args;
    if (a !== undefined && b === undefined) {
      if (op === 'neg') return write(times({ ...one, coefficient: -1 }, factors(a)));
      if (op === 'exp')
        return graph.apply('exp2', write(times({ ...one, coefficient: Math.LOG2E }, factors(a))));
    }
    if (a !== undefined && b !== undefined) {
      if (op === 'mul') return write(times(factors(a), factors(b)));
      if (op === 'div') return write(over(factors(a), factors(b)));
      const exponent = now(b);
      if (op === 'pow' && exponent.kind === 'constant') {
        const powered = power(graph, now(a), exponent.value);
        if (powered !== null) return powered;
      }
    }
    return graph.apply(op, ...args.map(now));
  };

  const rewriteSum = (s: Extract<Scalar, { kind: 'reduce' }>): Scalar => {
    const body = now(s.body);
    const { outside, inside } = splitAtLoop(factored.get(body) ?? asProduct(body), graph.bitOf(s.loop));
    const where = s.where === null ? null : now(s.where);
    return write(
      times(outside, { ...one, over: [graph.reduce('sum', s.loop, multiplyOut(graph, inside), where)] }),
    );
  };

  for (const s of order) {
    if (s.kind === 'apply') rewritten.set(s, rewriteApply(s.op, s.args));
    else if (s.kind === 'reduce') {
      rewritten.set(
        s,
        s.by === 'sum'
          ? rewriteSum(s)
          : graph.reduce(s.by, s.loop, now(s.body), s.where === null ? null : now(s.where)),
      );
    }
  }
  return {
    ...fn,
    planes: fn.planes.map((p) => ({ ...p, values: p.values.map(now) })),
    rowSums: fn.rowSums.map((r) => ({ ...r, value: now(r.value) })),
    scatters: fn.scatters.map((s) => ({
      ...s,
      value: now(s.value),
      where: s.where === null ? null : now(s.where),
    })),
  };
}

/** The scalars a scalar is made of. */
export function scalarOperands(s: Scalar): readonly Scalar[] {
  switch (s.kind) {
    case 'apply':
      return s.args;
    case 'constant':
    case 'leaf':
      return [];
    case 'reduce':
      return s.where === null ? [s.body] : [s.body, s.where];
  }
}

/** Every scalar the roots need, operands first. */
export function reachable(roots: readonly Scalar[]): readonly Scalar[] {
  const seen = new Set<Scalar>();
  const pending = [...roots];
  for (let s = pending.pop(); s !== undefined; s = pending.pop()) {
    if (seen.has(s)) continue;
    seen.add(s);
    pending.push(...scalarOperands(s));
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

function countUses(order: readonly Scalar[], results: readonly Scalar[]): ReadonlyMap<Scalar, number> {
  const uses = new Map<Scalar, number>();
  for (const used of [...order.flatMap(scalarOperands), ...results])
    uses.set(used, (uses.get(used) ?? 0) + 1);
  return uses;
}

/**
 * x^c for 2c a small integer, by squaring; null for other exponents.
 *
 *   c ≥ 0: x^⌊c⌋ · √x^(2c mod 2)        c < 0: 1 / x^|c| for whole c, otherwise (1/√x)^(2|c|)
 */
function power(graph: ScalarGraph, x: Scalar, c: number): Scalar | null {
  if (!Number.isInteger(2 * c) || Math.abs(c) > exponentMax) return null;
  const whole = Number.isInteger(c);
  if (c < 0 && !whole) return repeated(graph, graph.apply('rsqrt', x), -2 * c);
  const size = repeated(graph, x, Math.floor(Math.abs(c)));
  if (c < 0) return graph.apply('div', graph.constant(1), size);
  return whole ? size : graph.apply('mul', size, graph.apply('sqrt', x));
}

function repeated(graph: ScalarGraph, x: Scalar, n: number): Scalar {
  if (n === 0) return graph.constant(1);
  if (n === 1) return x;
  const half = repeated(graph, x, Math.floor(n / 2));
  const square = graph.apply('mul', half, half);
  return n % 2 === 1 ? graph.apply('mul', square, x) : square;
}
