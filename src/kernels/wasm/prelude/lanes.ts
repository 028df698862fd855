/** What the expansions of the prelude are written in: vectors of either lane type as values, emitted where they are used. */
import { invariant } from '../../../errors.ts';
import type { Body, Local } from '../body.ts';
import type { PoolEntry } from '../constant-pool.ts';
import type { Lane } from '../frame.ts';

/** Where an expansion is written, and what it may use. */
export interface PreludeContext {
  readonly body: Body;
  readonly lane: Lane;
  /** Write a·b + c as relaxed_madd: one instruction, rounded once or twice as the machine likes. */
  readonly fma: boolean;
  /**
   * Leave a vector with the constant in every lane on the stack. A kernel keeps it in a local loaded from memory:
   * newer V8 computes a `v128.const` again in every round of a loop.
   */
  readonly constant: (entry: PoolEntry) => void;
  /** The operand is known to be ≤ 0 or NaN; absent: nothing is known of it. */
  readonly nonPositive?: boolean;
}

/**
 * Instructions that leave one vector on the stack, of the operands whose turn it is. Emitting a value twice computes it
 * twice: see `keep`.
 */
export type Value = () => void;

/** The IEEE-754 format of a lane: significand bits without the leading one, and the exponent's bias. */
const formats = {
  f32x4: { bits: 32, fraction: 23, bias: 127 },
  f64x2: { bits: 64, fraction: 52, bias: 1023 },
} as const satisfies Record<Lane, { bits: number; fraction: number; bias: number }>;

type RealOp =
  | 'abs'
  | 'add'
  | 'div'
  | 'eq'
  | 'floor'
  | 'ge'
  | 'gt'
  | 'le'
  | 'lt'
  | 'mul'
  | 'ne'
  | 'neg'
  | 'pmax'
  | 'pmin'
  | 'sqrt'
  | 'sub'
  | 'trunc';

/** The vocabulary for one lane type; a mask has all bits of a lane set, or none. */
export interface Lanes {
  readonly lane: Lane;
  readonly format: (typeof formats)[Lane];
  /** Whether the operand is known to be ≤ 0 or NaN. */
  readonly knownNonPositive: boolean;
  /** An operand: one local for each that stands abreast. */
  readonly local: (abreast: readonly Local[]) => Value;
  /** Computes a value now, and once, for all that stand abreast: what comes back reads a scratch local. */
  readonly keep: (value: Value) => Value;
  /** A number, rounded once to the lane's type. */
  readonly real: (value: number) => Value;
  /** The lane with those bits. */
  readonly bits: (value: bigint) => Value;

  readonly abs: (a: Value) => Value;
  readonly neg: (a: Value) => Value;
  readonly sqrt: (a: Value) => Value;
  readonly floor: (a: Value) => Value;
  readonly trunc: (a: Value) => Value;
  readonly add: (a: Value, b: Value) => Value;
  readonly sub: (a: Value, b: Value) => Value;
  readonly mul: (a: Value, b: Value) => Value;
  readonly div: (a: Value, b: Value) => Value;
  /** b < a ? b : a, so that a NaN in a stays. */
  readonly pmin: (a: Value, b: Value) => Value;
  /** a < b ? b : a, so that a NaN in a stays. */
  readonly pmax: (a: Value, b: Value) => Value;
  /** a·b + c */
  readonly madd: (a: Value, b: Value, c: Value) => Value;
  /** c − a·b */
  readonly nmadd: (a: Value, b: Value, c: Value) => Value;

  readonly lt: (a: Value, b: Value) => Value;
  readonly le: (a: Value, b: Value) => Value;
  readonly gt: (a: Value, b: Value) => Value;
  readonly ge: (a: Value, b: Value) => Value;
  readonly eq: (a: Value, b: Value) => Value;
  readonly ne: (a: Value, b: Value) => Value;
  /** a where the mask is set, else b. */
  readonly choose: (mask: Value, a: Value, b: Value) => Value;

  readonly and: (a: Value, b: Value) => Value;
  readonly or: (a: Value, b: Value) => Value;
  readonly xor: (a: Value, b: Value) => Value;
  readonly integerAdd: (a: Value, b: Value) => Value;
  readonly integerSub: (a: Value, b: Value) => Value;
  readonly integerEq: (a: Value, b: Value) => Value;
  readonly shiftLeft: (a: Value, count: number) => Value;
  /** Zeros come in from the left. */
  readonly shiftRight: (a: Value, count: number) => Value;

  /** The sign bit alone: the magnitude of −0. */
  readonly signOf: (a: Value) => Value;
  /** |a| ≥ 0 with the sign of b. */
  readonly withSign: (a: Value, b: Value) => Value;
  /** c₀ + c₁ x + … + cₙ xⁿ by Horner's rule: n multiply-adds. `x` is emitted n times. */
  readonly polynomial: (x: Value, coefficients: readonly number[]) => Value;
}

/** A vocabulary in use. */
export interface Speaking {
  readonly lanes: Lanes;
  /** Leaves a value on the stack for each that stands abreast, and does with it what is said. */
  readonly each: (value: Value, use: (n: number) => void) => void;
  /** Gives the scratch locals back to the body. */
  readonly release: () => void;
}

/** The vocabulary in a context, for operands of which so many stand `abreast`. */
export function lanesIn(context: PreludeContext, abreast: number): Speaking {
  const { body, lane, fma } = context;
  const scratch: Local[] = [];
  const integers = lane === 'f32x4' ? 'i32x4' : 'i64x2';
  /** Whose turn it is. */
  let turn = 0;

  const each = (value: Value, use: (n: number) => void): void => {
    for (turn = 0; turn < abreast; turn++) {
      value();
      use(turn);
    }
  };
  const local =
    (locals: readonly Local[]): Value =>
    () => {
      const own = locals[turn];
      invariant(own !== undefined, 'an operand has a local for each that stands abreast');
      body.get(own);
    };
  const unary =
    (op: RealOp) =>
    (a: Value): Value =>
    () => {
      a();
      body.emit(`${lane}.${op}`);
    };
  const binary =
    (op: RealOp) =>
    (a: Value, b: Value): Value =>
    () => {
      a();
      b();
      body.emit(`${lane}.${op}`);
    };
  const bitwise =
    (op: 'and' | 'or' | 'xor') =>
    (a: Value, b: Value): Value =>
    () => {
      a();
      b();
      body.emit(`v128.${op}`);
    };
  const integer =
    (op: 'add' | 'eq' | 'sub') =>
    (a: Value, b: Value): Value =>
    () => {
      a();
      b();
      body.emit(`${integers}.${op}`);
    };
  const shift =
    (op: 'shl' | 'shr_u') =>
    (a: Value, count: number): Value =>
    () => {
      a();
      body.i32(count).emit(`${integers}.${op}`);
    };
  const fused =
    (op: 'relaxed_madd' | 'relaxed_nmadd') =>
    (a: Value, b: Value, c: Value): Value =>
    () => {
      a();
      b();
      c();
      body.emit(`${lane}.${op}`);
    };

  const constant =
    (entry: PoolEntry): Value =>
    () =>
      context.constant(entry);
  const real = (value: number): Value => constant({ kind: 'number', value });
  const bits = (value: bigint): Value => constant({ kind: 'bits', value });
  const [add, sub, mul] = [binary('add'), binary('sub'), binary('mul')];
  const [and, or] = [bitwise('and'), bitwise('or')];
  const madd = fma ? fused('relaxed_madd') : (a: Value, b: Value, c: Value): Value => add(mul(a, b), c);
  const signOf = (a: Value): Value => and(a, bits(1n << BigInt(formats[lane].bits - 1)));

  const lanes: Lanes = {
    lane,
    format: formats[lane],
    knownNonPositive: context.nonPositive ?? false,
    local,
    keep: (value) => {
      const kept: Local[] = [];
      each(value, () => {
        const l = body.borrow('v128');
        kept.push(l);
        body.set(l);
      });
      scratch.push(...kept);
      return local(kept);
    },
    real,
    bits,
    abs: unary('abs'),
    neg: unary('neg'),
    sqrt: unary('sqrt'),
    floor: unary('floor'),
    trunc: unary('trunc'),
    add,
    sub,
    mul,
    div: binary('div'),
    pmin: binary('pmin'),
    pmax: binary('pmax'),
    madd,
    nmadd: fma ? fused('relaxed_nmadd') : (a, b, c) => sub(c, mul(a, b)),
    lt: binary('lt'),
    le: binary('le'),
    gt: binary('gt'),
    ge: binary('ge'),
    eq: binary('eq'),
    ne: binary('ne'),
    choose: (mask, a, b) => () => {
      a();
      b();
      mask();
      body.emit('v128.bitselect');
    },
    and,
    or,
    xor: bitwise('xor'),
    integerAdd: integer('add'),
    integerSub: integer('sub'),
    integerEq: integer('eq'),
    shiftLeft: shift('shl'),
    shiftRight: shift('shr_u'),
    signOf,
    withSign: (a, b) => or(a, signOf(b)),
    polynomial: (x, coefficients) =>
      coefficients
        .slice(0, -1)
        .reduceRight((sum, c) => madd(sum, x, real(c)), real(coefficients.at(-1) ?? 0)),
  };
  return { lanes, each, release: () => body.release(...scratch) };
}
