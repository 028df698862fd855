/**
 * What ∂ℓ/∂(everything read) is, when ∂ℓ/∂(some outputs) is given: one fused backward for all cotangents together.
 *
 * The graph is walked once, users before operands. A node is visited in a *scope*: the reductions entered to reach
 * it, from the outermost in. Entering Σⱼ multiplies nothing: the cotangent of every term is the cotangent of the sum.
 *
 *   R = Σⱼ f(u, vⱼ):   ū += Σⱼ (∂f/∂u)ᵀ R̄        u, the same for every j, is left to the outer scope
 *                      v̄ⱼ += (∂f/∂vⱼ)ᵀ R̄         summed over own rows later: a scatter when vⱼ is a bound row's value
 *
 * So work that does not depend on j (1/σ² and its derivative) happens once, outside the loop, and two reductions
 * over the same rows are reversed as one: the cotangents of what they share are added before it is reversed.
 *
 * Griewank & Walther, _Evaluating Derivatives_, 2nd ed., SIAM 2008, §3.2 (incremental adjoint).
 */
import {
  apply,
  constant,
  type Expr,
  input,
  type Leaf,
  type Loop,
  leafKey,
  loopKey,
  part,
  reduce,
} from '../ir/expr.ts';
import type { RowSum, Scatter } from '../ir/row-function.ts';
import { withoutStops } from '../ir/substitute.ts';
import { freeLoops, postorder } from '../ir/walk.ts';
import { opNamed } from '../ops/table.ts';
import { simplify } from '../simplify/simplify.ts';
import { widen } from '../simplify/structure.ts';
import { type Contribution, gather } from './cotangent.ts';
import { guardedProduct, guardedTotal } from './guard.ts';

/** An output and ∂ℓ/∂output, of the output's width (or of width 1: the same for every component). */
export interface Seed {
  readonly value: Expr;
  readonly cotangent: Expr;
}

/** The cotangents of the leaves that were wanted; leaves that receive nothing are absent. */
export interface Cotangents {
  /** Of what belongs to the own row (`own`, `cotangent`) and of `time`, by `leafKey`; of the leaf's width. */
  readonly own: ReadonlyMap<string, { readonly leaf: Leaf; readonly value: Expr }>;
  /** Of what every row shares (`param`, `sum`): this row's part of it. */
  readonly rowSums: readonly RowSum[];
  /** Of bound rows and of weights of pairs. */
  readonly scatters: readonly Scatter[];
}

/** A reduction entered: the rows `loop` visits, those where `where` ≠ 0. */
interface Binding {
  readonly loop: Loop;
  readonly where: Expr | null;
}

/** Bindings from the outermost in; equal scopes are the same object. */
interface Scope {
  readonly outer: Scope | null;
  readonly binding: Binding | null;
  readonly inner: Map<string, Scope>;
}

/**
 * Cotangents of all wanted leaves the seeds depend on.
 *
 * min and max over rows: the first winner receives the cotangent, component by component. argmin, argmax, `where`,
 * row numbers and `stop` pass nothing on.
 *
 * @throws Error if an output depends on a bound row outside of its reduction
 */
export function vjp(seeds: readonly Seed[], wants: (leaf: Leaf) => boolean): Cotangents {
  const outputs = seeds.map((seed) => ({ value: simplify(seed.value), cotangent: simplify(seed.cotangent) }));
  const order = postorder(...outputs.map((o) => o.value));
  const reaches = active(order, wants);
  const top: Scope = { outer: null, binding: null, inner: new Map() };
  const pending = new Map<Expr, Map<Scope, Contribution[]>>();

  const contribute = (to: Expr, start: number, width: number, value: Expr, from: Scope): void => {
    if (!reaches.has(to)) return;
    let scope = from;
    let term = value;
    // Everything the operand does not depend on is summed here: the loops it is the same for.
    for (; scope.binding !== null && scope.outer !== null; scope = scope.outer) {
      if (freeLoops(to).has(loopKey(scope.binding.loop))) break;
      term = reduce('sum', scope.binding.loop, term, scope.binding.where);
    }
    const scopes = pending.get(to) ?? new Map<Scope, Contribution[]>();
    pending.set(to, scopes);
    scopes.set(scope, [...(scopes.get(scope) ?? []), { start, width, value: term }]);
  };

  for (const { value, cotangent } of outputs) contribute(value, 0, value.width, cotangent, top);

  const own = new Map<string, { leaf: Leaf; value: Expr }>();
  const rowSums: RowSum[] = [];
  const scatters: Scatter[] = [];

  const leave = (leaf: Leaf, value: Expr, scope: Scope): void => {
    if (leaf.role === 'row' || leaf.role === 'pair') {
      const bindings = path(scope);
      if (bindings.at(-1) === undefined) throw new Error(`${leafKey(leaf)} stands outside of its reduction`);
      const where = bindings.flatMap((b) => (b.where === null ? [] : [b.where]));
      scatters.push({
        target: leaf,
        loops: bindings.map((b) => b.loop),
        where: where.length === 0 ? null : finish(where.reduce((a, b) => apply('mul', a, b))),
        value,
      });
    } else if (leaf.role === 'param' || leaf.role === 'sum') {
      rowSums.push({ target: leaf, value });
    } else {
      own.set(leafKey(leaf), { leaf, value });
    }
  };

  for (const node of order.toReversed()) {
    for (const [scope, contributions] of pending.get(node) ?? []) {
      const cotangent = gather(contributions, node.width);
      if (cotangent === null) continue;
      if (node.kind === 'input') leave(node.leaf, finish(widen(cotangent, node.width)), scope);
      else reverse(node, cotangent, scope, contribute);
    }
  }
  return { own, rowSums, scatters };
}

/** Nodes through which a wanted leaf can be reached. */
function active(order: readonly Expr[], wants: (leaf: Leaf) => boolean): ReadonlySet<Expr> {
  const reaches = new Set<Expr>();
  for (const node of order) {
    const leads =
      node.kind === 'input'
        ? node.leaf.role !== 'index' && wants(node.leaf)
        : passesOn(node).some((a) => reaches.has(a));
    if (leads) reaches.add(node);
  }
  return reaches;
}

/** The operands a cotangent can reach. */
function passesOn(node: Expr): readonly Expr[] {
  switch (node.kind) {
    case 'apply': {
      const partials = opNamed(node.op).derivative(...node.args);
      return node.args.filter((_, n) => partials[n] !== null);
    }
    case 'concat':
      return node.args;
    case 'constant':
    case 'input':
      return [];
    case 'part':
    case 'total':
      return [node.arg];
    case 'reduce':
      return node.by === 'argmax' || node.by === 'argmin' ? [] : [node.body];
  }
}

type Contribute = (to: Expr, start: number, width: number, value: Expr, scope: Scope) => void;

/** Pass the cotangent κ of an inner node on to its operands. */
function reverse(
  node: Exclude<Expr, { kind: 'input' }>,
  κ: Expr,
  scope: Scope,
  contribute: Contribute,
): void {
  switch (node.kind) {
    case 'apply': {
      const partials = opNamed(node.op).derivative(...node.args);
      node.args.forEach((arg, n) => {
        const partial = partials[n] ?? null;
        if (partial === null) return;
        const product = guardedProduct(κ, partial);
        contribute(arg, 0, arg.width, arg.width === 1 ? summed(product, node.width) : product, scope);
      });
      return;
    }
    case 'concat': {
      let start = 0;
      for (const arg of node.args) {
        const piece = κ.width === 1 ? κ : part(κ, start, arg.width);
        contribute(arg, 0, arg.width, piece, scope);
        start += arg.width;
      }
      return;
    }
    case 'constant':
      return;
    case 'part':
      contribute(node.arg, node.start, node.width, κ, scope);
      return;
    case 'reduce': {
      const { by, loop, body, where } = node;
      const inside = enter(scope, { loop, where });
      if (by === 'sum') {
        contribute(body, 0, body.width, κ, inside);
      } else if (by === 'min' || by === 'max') {
        const winner = reduce(by === 'min' ? 'argmin' : 'argmax', loop, body, where);
        const won = apply('eq', input({ role: 'index', loop }, 1), winner);
        contribute(body, 0, body.width, apply('mul', κ, won), inside);
      }
      return;
    }
    case 'total':
      contribute(node.arg, 0, node.arg.width, κ, scope);
      return;
  }
}

/** A cotangent that meets one scalar in all `width` components. */
function summed(product: Expr, width: number): Expr {
  if (product.width > 1) return guardedTotal(product);
  return width === 1 ? product : apply('mul', constant(width), product);
}

function enter(scope: Scope, binding: Binding): Scope {
  const key = `${loopKey(binding.loop)} ${binding.where?.id ?? ''}`;
  const inside = scope.inner.get(key) ?? { outer: scope, binding, inner: new Map() };
  scope.inner.set(key, inside);
  return inside;
}

/** The bindings of a scope from the outermost in. */
function path(scope: Scope): readonly Binding[] {
  const bindings: Binding[] = [];
  for (let s: Scope | null = scope; s !== null; s = s.outer) if (s.binding !== null) bindings.push(s.binding);
  return bindings.reverse();
}

/** A result nobody derives again, so that `stop` has done its work. */
function finish(e: Expr): Expr {
  return simplify(withoutStops(e));
}
