/**
 * What a formula is once its names are known: a shared, immutable graph of small vectors.
 *
 * Every node has a fixed width; a scalar has width 1. Nodes are hash-consed: two nodes that say the same are
 * the same object, so sharing is `===` and every pass visits a shared node once (see `walk.ts`).
 * Constructors do not simplify; `simplify/` does.
 */
import type { OpName } from '../ops/table.ts';

export type Expr = Apply | Concat | Constant | Input | Part | Reduce | Total;

interface Node {
  /** Unique per distinct node and increasing: an argument's id is always below its user's. */
  readonly id: number;
  readonly width: number;
}

/** A number, in double precision. */
export interface Constant extends Node {
  readonly kind: 'constant';
  readonly value: number;
}

/** Something the row program is given. */
export interface Input extends Node {
  readonly kind: 'input';
  readonly leaf: Leaf;
}

/** An elementwise operation; arguments have the node's width or width 1 (which then meets every component). */
export interface Apply extends Node {
  readonly kind: 'apply';
  readonly op: OpName;
  readonly args: readonly Expr[];
}

/** The sum of the components of a vector. */
export interface Total extends Node {
  readonly kind: 'total';
  readonly arg: Expr;
}

/** Components [start, start + width) of a vector. */
export interface Part extends Node {
  readonly kind: 'part';
  readonly arg: Expr;
  readonly start: number;
}

/** Vectors one after another. */
export interface Concat extends Node {
  readonly kind: 'concat';
  readonly args: readonly Expr[];
}

/**
 * A reduction over the rows of a set, component by component.
 *
 *   sum, min, max: ⊕_{l : where_l ≠ 0} body_l       argmin, argmax: the lowest row number l attaining it
 *
 * `where` (width 1, or null for every row) selects rows; a row left out is selected away, never multiplied by 0.
 * Over no rows: sum 0, min +∞, max −∞, argmin and argmax −1.
 * mean, logsumexp and softmax are written with these three and `stop` (formula/reductions.ts).
 */
export interface Reduce extends Node {
  readonly kind: 'reduce';
  readonly by: ReduceBy;
  readonly loop: Loop;
  readonly body: Expr;
  readonly where: Expr | null;
}

export type ReduceBy = 'argmax' | 'argmin' | 'max' | 'min' | 'sum';

/**
 * A bound row: the row visited by the reductions at one nesting depth over one set.
 * Reductions over the same set at the same depth share their loop, which is what lets them fuse.
 */
export interface Loop {
  /** 'sources' or the name of a set. */
  readonly over: string;
  /** 0 for a reduction that stands in no other, 1 inside one of those, … */
  readonly depth: number;
}

/** The moment a field is read at: `now`, or a label such as `start` or `0.5` in `x@start`, `x@0.5`. */
export type Moment = string;
export const now: Moment = 'now';

export type Leaf =
  /** ∂ℓ/∂(output plane `name`) of this row: what a backward program is given. */
  | { readonly role: 'cotangent'; readonly name: string }
  /** The row number, as a float: the row's own (loop null) or that of a bound row. */
  | { readonly role: 'index'; readonly loop: Loop | null }
  /** The row's own value of a field. */
  | { readonly role: 'own'; readonly field: string; readonly at: Moment }
  /** The weight from the bound row to the own row: W[own, bound]. */
  | { readonly role: 'pair'; readonly loop: Loop; readonly field: string }
  | { readonly role: 'param'; readonly field: string }
  /** A bound row's value of a field. */
  | { readonly role: 'row'; readonly loop: Loop; readonly field: string; readonly at: Moment }
  /** The value of a term's sum over tracers number `index`; only in h(S). */
  | { readonly role: 'sum'; readonly index: number }
  | { readonly role: 'time' };

// --- hash-consing -----------------------------------------------------------------------------------------

/** Distinct nodes by their printed form; weak, so that a program no longer used is forgotten. */
const interned = new Map<string, WeakRef<Expr>>();
const forgotten = new FinalizationRegistry<string>((key) => {
  if (interned.get(key)?.deref() === undefined) interned.delete(key);
});
let nextId = 1;

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

function intern(key: string, node: WithoutId<Expr>): Expr {
  const known = interned.get(key)?.deref();
  if (known !== undefined) return known;
  const fresh = Object.freeze({ id: nextId++, ...node }) as Expr;
  interned.set(key, new WeakRef(fresh));
  forgotten.register(fresh, key);
  return fresh;
}

const ids = (nodes: readonly Expr[]): string => nodes.map((n) => n.id).join(',');

export function loopKey(loop: Loop | null): string {
  return loop === null ? 'own' : `${loop.over}#${loop.depth}`;
}

/** A leaf as text: equal leaves, equal text. */
export function leafKey(leaf: Leaf): string {
  switch (leaf.role) {
    case 'cotangent':
      return `cotangent ${leaf.name}`;
    case 'index':
      return `index ${loopKey(leaf.loop)}`;
    case 'own':
      return `own ${leaf.field}@${leaf.at}`;
    case 'pair':
      return `pair ${leaf.field}[${loopKey(leaf.loop)}]`;
    case 'param':
      return `param ${leaf.field}`;
    case 'row':
      return `row ${leaf.field}[${loopKey(leaf.loop)}]@${leaf.at}`;
    case 'sum':
      return `sum ${leaf.index}`;
    case 'time':
      return 'time';
  }
}

// --- constructors -----------------------------------------------------------------------------------------

export function constant(value: number): Expr {
  const text = Object.is(value, -0) ? '-0' : String(value);
  return intern(`c ${text}`, { kind: 'constant', width: 1, value });
}

export function input(leaf: Leaf, width: number): Expr {
  return intern(`i ${leafKey(leaf)} ${width}`, { kind: 'input', width, leaf: Object.freeze(leaf) });
}

/** An elementwise operation; the width is that of the widest argument. */
export function apply(op: OpName, ...args: readonly Expr[]): Expr {
  const width = Math.max(1, ...args.map((a) => a.width));
  for (const a of args) {
    if (a.width !== width && a.width !== 1) {
      throw new RangeError(`${op}: widths ${args.map((x) => x.width).join(' and ')} do not meet`);
    }
  }
  return intern(`a ${op} ${ids(args)}`, { kind: 'apply', width, op, args: Object.freeze([...args]) });
}

export function total(arg: Expr): Expr {
  return arg.width === 1 ? arg : intern(`t ${arg.id}`, { kind: 'total', width: 1, arg });
}

export function part(arg: Expr, start: number, width: number): Expr {
  if (start < 0 || width < 1 || start + width > arg.width) {
    throw new RangeError(`components [${start}, ${start + width}) of a vector of width ${arg.width}`);
  }
  if (width === arg.width) return arg;
  return intern(`p ${arg.id} ${start} ${width}`, { kind: 'part', width, arg, start });
}

export function concat(...args: readonly Expr[]): Expr {
  const [only] = args;
  if (args.length === 1 && only !== undefined) return only;
  const width = args.reduce((w, a) => w + a.width, 0);
  return intern(`v ${ids(args)}`, { kind: 'concat', width, args: Object.freeze([...args]) });
}

export function reduce(by: ReduceBy, loop: Loop, body: Expr, where: Expr | null = null): Expr {
  return intern(`r ${by} ${loopKey(loop)} ${body.id} ${where?.id ?? ''}`, {
    kind: 'reduce',
    width: body.width,
    by,
    loop: Object.freeze({ over: loop.over, depth: loop.depth }),
    body,
    where,
  });
}

/** The nodes a node is made of, in order. */
export function operands(e: Expr): readonly Expr[] {
  switch (e.kind) {
    case 'apply':
    case 'concat':
      return e.args;
    case 'constant':
    case 'input':
      return [];
    case 'part':
    case 'total':
      return [e.arg];
    case 'reduce':
      return e.where === null ? [e.body] : [e.body, e.where];
  }
}
