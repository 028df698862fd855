/** Which identities of vectors and reductions are used: each function takes one node and gives a simpler one, or null. */
import {
  apply,
  type Concat,
  concat,
  constant,
  type Expr,
  loopKey,
  type Part,
  part,
  type Reduce,
  reduce,
  type Total,
  total,
} from '../ir/expr.ts';
import { freeLoops } from '../ir/walk.ts';
import { factored } from './factors.ts';

/** Whether every component is the constant 0. */
export function isZero(e: Expr): boolean {
  return e.kind === 'constant' ? e.value === 0 : e.kind === 'concat' && e.args.every(isZero);
}

/** The vector of zeros. */
export function zeros(width: number): Expr {
  return widen(constant(0), width);
}

/** A value that is the same for every component, written out. */
export function widen(e: Expr, width: number): Expr {
  return e.width === width ? e : concat(...Array.from({ length: width }, () => e));
}

/** Components of components, of elementwise operations, and of vectors put together. */
export function simplerPart(e: Part): Expr | null {
  const { arg, start, width } = e;
  if (arg.kind === 'part') return part(arg.arg, arg.start + start, width);
  if (arg.kind === 'apply') {
    return apply(arg.op, ...arg.args.map((a) => (a.width === 1 ? a : part(a, start, width))));
  }
  if (arg.kind !== 'concat') return null;
  const pieces: Expr[] = [];
  let at = 0;
  for (const piece of arg.args) {
    const from = Math.max(start, at);
    const to = Math.min(start + width, at + piece.width);
    if (from < to) pieces.push(part(piece, from - at, to - from));
    at += piece.width;
  }
  return concat(...pieces);
}

/** Vectors put together from vectors put together, and from neighbouring components of one vector. */
export function simplerConcat(e: Concat): Expr | null {
  const flat = e.args.flatMap((a) => (a.kind === 'concat' ? a.args : [a]));
  const pieces: Expr[] = [];
  for (const piece of flat) {
    const last = pieces.at(-1);
    const joined = last === undefined ? null : neighbours(last, piece);
    if (joined === null) pieces.push(piece);
    else pieces.splice(-1, 1, joined);
  }
  return pieces.length < e.args.length || flat.length > e.args.length ? concat(...pieces) : null;
}

function neighbours(a: Expr, b: Expr): Expr | null {
  if (a.kind !== 'part' || b.kind !== 'part' || a.arg !== b.arg || a.start + a.width !== b.start) return null;
  return part(a.arg, a.start, a.width + b.width);
}

/** Σ_c s·v_c = s·Σ_c v_c: scalars leave the sum of components. */
export function simplerTotal(e: Total): Expr | null {
  if (isZero(e.arg)) return constant(0);
  if (e.arg.kind === 'concat') return e.arg.args.map(total).reduce((a, b) => apply('add', a, b));
  const { outside, inside } = factored(e.arg, (f) => f.width === 1);
  return outside === null || inside === null ? null : apply('mul', outside, total(inside));
}

/** Σ_j c·f_j = c·Σ_j f_j: factors that are the same for every row leave the sum; sums of nothing vanish. */
export function simplerReduce(e: Reduce): Expr | null {
  const { by, loop, body, where } = e;
  if (where?.kind === 'constant' && where.value !== 0) return reduce(by, loop, body);
  if (by !== 'sum') return null;
  if (isZero(body) || (where !== null && isZero(where))) return zeros(e.width);
  const key = loopKey(loop);
  const { outside, inside } = factored(body, (f) => !freeLoops(f).has(key));
  if (outside === null) return split(e);
  const product = apply('mul', outside, reduce('sum', loop, inside ?? constant(1), where));
  return product.width === e.width ? product : null;
}

/** Σ_j (s_j·v + w_j) = (Σ_j s_j)·v + Σ_j w_j: a term that is a scalar times the same vector is summed as a scalar. */
function split(e: Reduce): Expr | null {
  const { body, loop, where } = e;
  if (body.kind !== 'apply' || (body.op !== 'add' && body.op !== 'sub') || body.width === 1) return null;
  const key = loopKey(loop);
  const terms = body.args.map((a) => ({ ...factored(a, (f) => !freeLoops(f).has(key)), width: a.width }));
  const narrows = terms.some(
    (t) => t.width === e.width && t.outside !== null && (t.inside?.width ?? 1) < t.width,
  );
  if (!narrows || terms.some((t) => t.width < e.width)) return null;
  return apply(body.op, ...body.args.map((a) => reduce('sum', loop, a, where)));
}

/** An argument that repeats one scalar, where another argument already has the full width: the scalar. */
export function narrowed(args: readonly Expr[]): readonly Expr[] {
  const full = args
    .filter((a) => repeated(a) === null)
    .some((a) => a.width === Math.max(...args.map((b) => b.width)));
  return full ? args.map((a) => repeated(a) ?? a) : args;
}

function repeated(e: Expr): Expr | null {
  const [first] = e.kind === 'concat' ? e.args : [];
  if (e.kind !== 'concat' || first === undefined || first.width !== 1) return null;
  return e.args.every((a) => a === first) ? first : null;
}
