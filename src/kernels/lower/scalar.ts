/**
 * What a row function is between vectors and a kernel: a shared, immutable graph of scalars.
 *
 * Every scalar knows which bound rows it depends on (`bound`, a set of loops) and whether it differs between own rows
 * (`varies`): these two decide where it is computed. Scalars are hash-consed within a `ScalarGraph`, so a value
 * that several results need, primal or cotangent, is one node.
 */
import { invariant } from '../../errors.ts';
import { type Loop, loopKey, type ReduceBy } from '../ir/expr.ts';
import { type OpName, opNamed } from '../ops/table.ts';

export type Scalar = {
  /** Increasing with construction: an operand's id is below its user's. */
  readonly id: number;
  /** Loops whose rows it depends on, as bits of `ScalarGraph.loops`. */
  readonly bound: number;
  readonly varies: boolean;
} & ScalarBody;

type ScalarBody =
  | { readonly kind: 'apply'; readonly op: OpName; readonly args: readonly Scalar[] }
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'leaf'; readonly leaf: ScalarLeaf }
  | {
      readonly kind: 'reduce';
      readonly by: ReduceBy;
      readonly loop: Loop;
      readonly body: Scalar;
      readonly where: Scalar | null;
    };

/** Something read from memory, already placed by a `Layout`. */
export type ScalarLeaf =
  | { readonly role: 'index'; readonly loop: Loop | null }
  | { readonly role: 'own'; readonly bank: string; readonly component: number; readonly components: number }
  | {
      readonly role: 'pair';
      readonly field: string;
      readonly component: number;
      readonly components: number;
      readonly loop: Loop;
    }
  | { readonly role: 'param'; readonly component: number }
  | {
      readonly role: 'row';
      readonly table: string;
      readonly column: number;
      readonly columns: number;
      readonly loop: Loop;
    }
  | { readonly role: 'sum'; readonly index: number }
  | { readonly role: 'time' };

/** The loop a leaf stands in, null for leaves of the own row and of nobody. */
function loopOfLeaf(leaf: ScalarLeaf): Loop | null {
  return 'loop' in leaf ? leaf.loop : null;
}

function leafVaries(leaf: ScalarLeaf): boolean {
  return leaf.role === 'own' || leaf.role === 'pair' || (leaf.role === 'index' && leaf.loop === null);
}

/** The scalars of one row function. */
export interface ScalarGraph {
  /** Loops by bit: `bound` has bit b when a scalar depends on the row of loops[b]. */
  readonly loops: readonly Loop[];
  readonly bitOf: (loop: Loop) => number;
  readonly constant: (value: number) => Scalar;
  readonly leaf: (leaf: ScalarLeaf) => Scalar;
  /**
   * The op applied, folded when every argument is a constant and cleared of what is exactly neutral. Where b − a is
   * there already, a − b is its negative: a force and its reaction are one difference.
   */
  readonly apply: (op: OpName, ...args: readonly Scalar[]) => Scalar;
  readonly reduce: (by: ReduceBy, loop: Loop, body: Scalar, where: Scalar | null) => Scalar;
}

export function scalarGraph(): ScalarGraph {
  const interned = new Map<string, Scalar>();
  const loops: Loop[] = [];
  const bits = new Map<string, number>();

  const intern = (key: string, bound: number, varies: boolean, body: ScalarBody): Scalar => {
    const known = interned.get(key);
    if (known !== undefined) return known;
    const fresh: Scalar = Object.freeze({ id: interned.size, bound, varies, ...body });
    interned.set(key, fresh);
    return fresh;
  };

  const bitOf = (loop: Loop): number => {
    const key = loopKey(loop);
    const known = bits.get(key);
    if (known !== undefined) return known;
    invariant(loops.length < 31, 'a formula has fewer than 31 different loops');
    const bit = loops.push(loop) - 1;
    bits.set(key, bit);
    return bit;
  };

  const constant = (value: number): Scalar =>
    intern(`c ${Object.is(value, -0) ? '-0' : value}`, 0, false, { kind: 'constant', value });

  const leaf = (what: ScalarLeaf): Scalar => {
    const loop = loopOfLeaf(what);
    const bound = loop === null ? 0 : 1 << bitOf(loop);
    return intern(`l ${leafText(what)}`, bound, leafVaries(what), { kind: 'leaf', leaf: what });
  };

  const apply = (op: OpName, ...args: readonly Scalar[]): Scalar => {
    const values = args.flatMap((a) => (a.kind === 'constant' ? [a.value] : []));
    if (values.length === args.length) return constant(evaluateOp(op, values));
    const neutral = withoutNeutral(op, args, apply);
    if (neutral !== null) return neutral;
    const [a, b] = args;
    const mirrored = op === 'sub' ? interned.get(`a sub ${b?.id},${a?.id}`) : undefined;
    if (mirrored !== undefined) return apply('neg', mirrored);
    const bound = args.reduce((bits, s) => bits | s.bound, 0);
    const varies = args.some((s) => s.varies);
    return intern(`a ${op} ${args.map((s) => s.id).join(',')}`, bound, varies, { kind: 'apply', op, args });
  };

  const reduce = (by: ReduceBy, loop: Loop, body: Scalar, where: Scalar | null): Scalar => {
    const bit = bitOf(loop);
    const bound = (body.bound | (where?.bound ?? 0)) & ~(1 << bit);
    const varies = body.varies || (where?.varies ?? false);
    const key = `r ${by} ${bit} ${body.id} ${where?.id ?? ''}`;
    return intern(key, bound, varies, { kind: 'reduce', by, loop, body, where });
  };

  return { loops, bitOf, constant, leaf, apply, reduce };
}

/** The reference value of an op, its arity forgotten. */
export function evaluateOp(op: OpName, values: readonly number[]): number {
  const evaluate: (...x: readonly number[]) => number = opNamed(op).evaluate as (
    ...x: readonly number[]
  ) => number;
  return evaluate(...values);
}

function leafText(leaf: ScalarLeaf): string {
  switch (leaf.role) {
    case 'index':
      return `index ${loopKey(leaf.loop)}`;
    case 'own':
      return `own ${leaf.bank} ${leaf.component}`;
    case 'pair':
      return `pair ${leaf.field} ${leaf.component} ${loopKey(leaf.loop)}`;
    case 'param':
      return `param ${leaf.component}`;
    case 'row':
      return `row ${leaf.table} ${leaf.column} ${loopKey(leaf.loop)}`;
    case 'sum':
      return `sum ${leaf.index}`;
    case 'time':
      return 'time';
  }
}

const isConstant = (s: Scalar | undefined, value: number): boolean =>
  s?.kind === 'constant' && s.value === value;

const negated = (s: Scalar | undefined): Scalar | null =>
  s?.kind === 'apply' && s.op === 'neg' ? (s.args[0] ?? null) : null;

/**
 * Identities that hold in floating point up to the sign of a zero, or null where none applies:
 *
 *   x + 0, 0 + x, x − 0, x·1, 1·x, x/1 → x     −(−x) → x     a + (−b) → a − b     a − (−b) → a + b
 *   −a − b → −(a + b)     stop(x) → x
 */
function withoutNeutral(
  op: OpName,
  args: readonly Scalar[],
  apply: (op: OpName, ...args: readonly Scalar[]) => Scalar,
): Scalar | null {
  const [a, b] = args;
  if (a === undefined) return null;
  if (op === 'neg') return negated(a);
  if (op === 'stop') return a;
  if (b === undefined) return null;
  if (op === 'mul') {
    if (isConstant(a, 1)) return b;
    return isConstant(b, 1) ? a : null;
  }
  if (op === 'div') return isConstant(b, 1) ? a : null;
  if (op === 'add') {
    if (isConstant(a, 0)) return b;
    if (isConstant(b, 0)) return a;
    const [negA, negB] = [negated(a), negated(b)];
    if (negB !== null) return apply('sub', a, negB);
    return negA === null ? null : apply('sub', b, negA);
  }
  if (op === 'sub') {
    if (isConstant(b, 0)) return a;
    if (isConstant(a, 0)) return apply('neg', b);
    const [negA, negB] = [negated(a), negated(b)];
    if (negB !== null) return apply('add', a, negB);
    return negA === null ? null : apply('neg', apply('add', negA, b));
  }
  return null;
}
