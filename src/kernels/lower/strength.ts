/**
 * Which cheaper scalars a row function can be computed from: the loop-invariant pass.
 *
 *   a·b·c / d            factors multiplied from the outside in (`products.ts`)
 *   a/x, b/x             a·r, b·r with r = 1/x, where x differs from pair to pair
 *   exp(x), sigmoid(x)   2^(x log₂ e), 1/(1 + 2^(−x log₂ e)), the constant joining the product x
 *   c·(a·x + b)          (c·a)·x + c·b                                       where c, a and b are known further out
 *   x^c, 2c ∈ ℤ          repeated multiplication of x, √x and 1/√x              (x > 0, as `pow` demands)
 *   Σ_l c·f              c · Σ_l f                                           where c does not depend on l
 *   Σ_{l : where} f      Σ_l (f where `where`, else 0), the selection shared by the sums of one f
 *
 * Only rounding changes. A product is opened only where it has a single use, so that nothing shared is computed twice;
 * sums keep their order, because cancellation depends on it.
 */
import type { OpName } from '../ops/table.ts';
import {
  asProduct,
  isFurtherOut,
  multiplyOut,
  one,
  over,
  type Product,
  splitAtLoop,
  times,
} from './products.ts';
import type { Scalar, ScalarGraph } from './scalar.ts';
import type { ScalarFunction, ScalarScatter } from './scalarise.ts';

/** Largest |exponent| written as repeated multiplication: eight multiplications at most, a few ulp. */
const exponentMax = 16;

const constantProduct = (coefficient: number): Product => ({ ...one, coefficient });

export function strengthReduce(fn: ScalarFunction): ScalarFunction {
  const { graph } = fn;
  const results = [
    ...fn.planes.flatMap((p) => p.values),
    ...fn.rowSums.map((r) => r.value),
    ...fn.scatters.flatMap((s) => (s.where === null ? [s.value] : [s.value, s.where])),
  ];
  const order = reachable(results);
  const uses = countUses(order, results);
  const divisions = countDivisions(order, uses);
  const rewritten = new Map<Scalar, Scalar>();
  /** Products that rewritten scalars were multiplied out from. */
  const factored = new Map<Scalar, Product>();
  /** Addends of rewritten sums that have a single use. */
  const addends = new Map<Scalar, readonly Product[]>();

  const now = (s: Scalar): Scalar => rewritten.get(s) ?? s;
  const write = (product: Product): Scalar => {
    const p = opened(product);
    const s = distributed(p) ?? multiplyOut(graph, p);
    factored.set(s, p);
    return s;
  };
  /**
   * A product that is scaled anyway takes over the scale of its factors: c·(a·x) is (c·a)·x, and a·x, though it has other
   * uses, need not be computed for this one.
   */
  const opened = (p: Product): Product => {
    const innermost = p.over.find((s) => p.over.every((t) => !isFurtherOut(graph, t)(s)));
    if (innermost === undefined) return p;
    const further = isFurtherOut(graph, innermost);
    const scaled = Math.abs(p.coefficient) !== 1 || [...p.over, ...p.under].some(further);
    const scaleOf = (s: Scalar): Product | null => {
      const q = further(s) ? undefined : factored.get(s);
      const inner = q?.over.filter((t) => !further(t)) ?? [];
      return q !== undefined && inner.length === 1 && inner[0] !== s && q.under.every(further) ? q : null;
    };
    const factor = scaled ? p.over.find((s) => scaleOf(s) !== null) : undefined;
    const scale = factor === undefined ? null : scaleOf(factor);
    if (factor === undefined || scale === null) return p;
    const at = p.over.indexOf(factor);
    return opened(times({ ...p, over: p.over.filter((_, n) => n !== at) }, scale));
  };
  /** The factors of an argument: opened when this is its only use. */
  const factors = (s: Scalar): Product => {
    const r = now(s);
    return (uses.get(s) === 1 ? factored.get(r) : undefined) ?? asProduct(r);
  };
  /** The addends of an argument, likewise. */
  const terms = (s: Scalar): readonly Product[] =>
    (uses.get(s) === 1 ? addends.get(now(s)) : undefined) ?? [factors(s)];

  /** c·(Σ addends), when every addend can take c in without a multiplication more; otherwise null. */
  const distributed = (p: Product): Scalar | null => {
    const sums = p.over.filter((s) => addends.has(s));
    const [sum] = sums;
    const rest = { ...p, over: p.over.filter((s) => s !== sum) };
    const parts = sum === undefined ? undefined : addends.get(sum);
    if (sum === undefined || parts === undefined || sums.length !== 1) return null;
    if (rest.over.length + rest.under.length === 0 && Math.abs(rest.coefficient) === 1) return null;
    const further = isFurtherOut(graph, sum);
    const takesIn = (t: Product): boolean => t.coefficient !== 1 || [...t.over, ...t.under].some(further);
    if (![...rest.over, ...rest.under].every(further) || !parts.every(takesIn)) return null;
    return parts.map((t) => multiplyOut(graph, times(rest, t))).reduce((a, b) => graph.apply('add', a, b));
  };

  /** a / b, with one reciprocal for all divisions by the same varying scalar. */
  const quotient = (a: Scalar, b: Scalar): Scalar => {
    const whole = divisorOf(b, uses);
    const divisor =
      whole === b ? factors(b) : times(constantProduct(constantFactor(b)), asProduct(now(whole)));
    const shared = new Set([...divisions].flatMap(([s, count]) => (count > 1 ? [now(s)] : [])));
    const reciprocals = divisor.over.filter((s) => shared.has(s));
    const kept = { ...divisor, over: divisor.over.filter((s) => !shared.has(s)) };
    const inverted = reciprocals.map((s) => graph.apply('div', graph.constant(1), s));
    return write(over(times(factors(a), { ...one, over: inverted }), kept));
  };

  const rewriteApply = (s: Scalar, op: OpName, args: readonly Scalar[]): Scalar => {
    const [a, b] = args;
    if (a === undefined) return s;
    const timesConstant = (c: number): Scalar => write(times(constantProduct(c), factors(a)));
    if (op === 'neg') return timesConstant(-1);
    if (op === 'exp') return graph.apply('exp2', timesConstant(Math.LOG2E));
    if (op === 'sigmoid') {
      const unit = graph.constant(1);
      return graph.apply(
        'div',
        unit,
        graph.apply('add', unit, graph.apply('exp2', timesConstant(-Math.LOG2E))),
      );
    }
    if (b === undefined) return graph.apply(op, now(a));
    if (op === 'mul') return write(times(factors(a), factors(b)));
    if (op === 'div') return quotient(a, b);
    if (op === 'add' || op === 'sub') {
      const sum = graph.apply(op, now(a), now(b));
      const sign = constantProduct(op === 'add' ? 1 : -1);
      if (uses.get(s) === 1) addends.set(sum, [...terms(a), ...terms(b).map((t) => times(sign, t))]);
      return sum;
    }
    const exponent = now(b);
    const powered =
      op === 'pow' && exponent.kind === 'constant' ? power(graph, now(a), exponent.value) : null;
    return powered ?? graph.apply(op, ...args.map(now));
  };

  /** f where `where`, else 0; a sign stays outside. */
  const selected = (value: Scalar, where: Scalar | null): Scalar => {
    if (where === null) return value;
    const [inner] = value.kind === 'apply' && value.op === 'neg' ? value.args : [];
    if (inner !== undefined) return graph.apply('neg', selected(inner, where));
    return graph.apply('select', now(where), value, graph.constant(0));
  };

  const rewriteReduction = (s: Extract<Scalar, { kind: 'reduce' }>): Scalar => {
    const body = now(s.body);
    if (s.by !== 'sum') return graph.reduce(s.by, s.loop, body, s.where === null ? null : now(s.where));
    const { outside, inside } = splitAtLoop(factored.get(body) ?? asProduct(body), graph.bitOf(s.loop));
    const sum = graph.reduce('sum', s.loop, selected(multiplyOut(graph, inside), s.where), null);
    return write(times(outside, { ...one, over: [sum] }));
  };

  for (const s of order) {
    if (s.kind === 'apply') rewritten.set(s, rewriteApply(s, s.op, s.args));
    else if (s.kind === 'reduce') rewritten.set(s, rewriteReduction(s));
  }
  return {
    ...fn,
    planes: fn.planes.map((p) => ({ ...p, values: p.values.map(now) })),
    rowSums: fn.rowSums.map((r) => ({ ...r, value: now(r.value) })),
    scatters: fn.scatters.map(
      (s): ScalarScatter => ({ ...s, value: selected(now(s.value), s.where), where: null }),
    ),
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
function reachable(roots: readonly Scalar[]): readonly Scalar[] {
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

/** What is divided by when `b` is the divisor: b without a constant factor. */
function divisorOf(b: Scalar, uses: ReadonlyMap<Scalar, number>): Scalar {
  if (b.kind !== 'apply' || b.op !== 'mul' || uses.get(b) === 1) return b;
  const rest = b.args.filter((s) => s.kind !== 'constant');
  const [only] = rest;
  return rest.length === 1 && only !== undefined ? only : b;
}

function constantFactor(b: Scalar): number {
  const constants = b.kind === 'apply' ? b.args.flatMap((s) => (s.kind === 'constant' ? [s.value] : [])) : [];
  return constants.reduce((p, c) => p * c, 1);
}

/** By how many divisions each scalar that differs from pair to pair is divided by. */
function countDivisions(
  order: readonly Scalar[],
  uses: ReadonlyMap<Scalar, number>,
): ReadonlyMap<Scalar, number> {
  const counts = new Map<Scalar, number>();
  const bases = (b: Scalar): readonly Scalar[] => {
    if (b.kind === 'constant') return [];
    const whole = divisorOf(b, uses);
    if (whole !== b) return [whole];
    return b.kind === 'apply' && b.op === 'mul' && uses.get(b) === 1 ? b.args.flatMap(bases) : [b];
  };
  for (const s of order) {
    const b = s.kind === 'apply' && s.op === 'div' ? s.args[1] : undefined;
    for (const x of new Set(b === undefined ? [] : bases(b))) {
      if (x.varies && x.bound !== 0) counts.set(x, (counts.get(x) ?? 0) + 1);
    }
  }
  return counts;
}

/**
 * x^c for 2c a small integer; null for other exponents.
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

/** xⁿ; odd powers in steps of x², so that x³ and x⁵ share their factors; large ones by squaring. */
function repeated(graph: ScalarGraph, x: Scalar, n: number): Scalar {
  if (n === 0) return graph.constant(1);
  if (n === 1) return x;
  const square = graph.apply('mul', x, x);
  if (n % 2 === 0) return repeated(graph, square, n / 2);
  if (n < 9) return graph.apply('mul', repeated(graph, x, n - 2), square);
  return graph.apply('mul', repeated(graph, x, n - 1), x);
}
