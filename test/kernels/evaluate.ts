/**
 * What a formula's value is, in double precision and as plainly as it can be said: the oracle of the passes.
 *
 * Reductions are loops in row order; nothing is shared between rows and nothing is simplified.
 */
import { type Expr, type Leaf, type Loop, loopKey, now, operands } from '../../src/kernels/ir/expr.ts';
import { opNamed } from '../../src/kernels/ops/table.ts';

/** Values of everything a formula may read. Fields at another moment than `now` are named `x@start`. */
export interface Given {
  /** Number of the own row; 0 by default. */
  readonly index?: number;
  readonly own?: Readonly<Record<string, readonly number[]>>;
  /** Rows of each field, by what a loop runs over. */
  readonly rows?: Readonly<Record<string, Readonly<Record<string, readonly (readonly number[])[]>>>>;
  /** Number of rows, by what a loop runs over. */
  readonly counts?: Readonly<Record<string, number>>;
  /** Weights [own][bound], by field. */
  readonly pairs?: Readonly<Record<string, readonly (readonly (readonly number[])[])[]>>;
  readonly params?: Readonly<Record<string, readonly number[]>>;
  readonly sums?: readonly number[];
  readonly time?: number;
  readonly cotangents?: Readonly<Record<string, readonly number[]>>;
}

/** Row number of each bound loop, by `loopKey`. */
export type Bound = ReadonlyMap<string, number>;

/** The components of `e`. Throws when it reads something that is not given. */
export function evaluate(e: Expr, given: Given, bound: Bound = new Map()): readonly number[] {
  const known = new Map<Expr, readonly number[]>();
  const path: Expr[] = [e];
  for (let node = path.at(-1); node !== undefined; node = path.at(-1)) {
    const missing = node.kind === 'reduce' ? [] : operands(node).filter((o) => !known.has(o));
    if (missing.length > 0) {
      path.push(...missing);
      continue;
    }
    known.set(
      node,
      nodeValue(node, (o) => required(known.get(o), 'operand'), given, bound),
    );
    path.pop();
  }
  return required(known.get(e), 'value');
}

/** Number of rows a loop visits. */
export function rowCount(loop: Loop, given: Given): number {
  return required(given.counts?.[loop.over], `number of rows of ${loop.over}`);
}

function nodeValue(
  e: Expr,
  of: (operand: Expr) => readonly number[],
  given: Given,
  bound: Bound,
): readonly number[] {
  switch (e.kind) {
    case 'apply':
      return components(e.width, (c) => opNamed(e.op).evaluate(...e.args.map((a) => component(of(a), c))));
    case 'concat':
      return e.args.flatMap((a) => [...of(a)]);
    case 'constant':
      return [e.value];
    case 'input': {
      const value = leafValue(e.leaf, given, bound);
      if (value.length !== e.width)
        throw new Error(`${JSON.stringify(e.leaf)} has ${value.length} components`);
      return value;
    }
    case 'part':
      return of(e.arg).slice(e.start, e.start + e.width);
    case 'reduce':
      return reduced(e, given, bound);
    case 'total':
      return [of(e.arg).reduce((a, b) => a + b, 0)];
  }
}

const identity = { argmax: -1, argmin: -1, max: -Infinity, min: Infinity, sum: 0 } as const;

function reduced(e: Extract<Expr, { kind: 'reduce' }>, given: Given, bound: Bound): readonly number[] {
  const result = components(e.width, () => identity[e.by] as number);
  const best = components(e.width, () => (e.by === 'argmin' ? Infinity : -Infinity));
  for (let l = 0; l < rowCount(e.loop, given); l++) {
    const inside = new Map(bound).set(loopKey(e.loop), l);
    if (e.where !== null && evaluate(e.where, given, inside)[0] === 0) continue;
    evaluate(e.body, given, inside).forEach((term, c) => {
      const so = component(result, c);
      if (e.by === 'sum') result[c] = so + term;
      if (e.by === 'min') result[c] = Math.min(so, term);
      if (e.by === 'max') result[c] = Math.max(so, term);
      if (e.by !== 'argmin' && e.by !== 'argmax') return;
      const better = e.by === 'argmin' ? term < component(best, c) : term > component(best, c);
      if (better || so === -1) [result[c], best[c]] = [l, term];
    });
  }
  return result;
}

function leafValue(leaf: Leaf, given: Given, bound: Bound): readonly number[] {
  const row = (loop: Loop): number => required(bound.get(loopKey(loop)), `row of ${loopKey(loop)}`);
  const named = (field: string, at: string): string => (at === now ? field : `${field}@${at}`);
  switch (leaf.role) {
    case 'cotangent':
      return required(given.cotangents?.[leaf.name], `cotangent ${leaf.name}`);
    case 'index':
      return [leaf.loop === null ? (given.index ?? 0) : row(leaf.loop)];
    case 'own':
      return required(given.own?.[named(leaf.field, leaf.at)], `own ${leaf.field}`);
    case 'pair':
      return required(given.pairs?.[leaf.field]?.[given.index ?? 0]?.[row(leaf.loop)], `pair ${leaf.field}`);
    case 'param':
      return required(given.params?.[leaf.field], `param ${leaf.field}`);
    case 'row':
      return required(
        given.rows?.[leaf.loop.over]?.[named(leaf.field, leaf.at)]?.[row(leaf.loop)],
        `row ${leaf.field}`,
      );
    case 'sum':
      return [required(given.sums?.[leaf.index], `sum ${leaf.index}`)];
    case 'time':
      return [required(given.time, 'time')];
  }
}

function components(width: number, f: (c: number) => number): number[] {
  return Array.from({ length: width }, (_, c) => f(c));
}

/** Component c of a vector; a scalar meets every component. */
function component(v: readonly number[], c: number): number {
  return required(v.length === 1 ? v[0] : v[c], `component ${c}`);
}

function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} is not given`);
  return value;
}
