/**
 * How sweeps are written down: instructions with their operands nested inside, instead of before them.
 *
 *   store('f64.store', get(p), code('f64.add', load('f64.load', get(p)), get(x)))
 */
import type { Body, Local } from './body.ts';
import type { ImmediatesByKind, InstructionName } from './instructions.ts';
import type { FunctionRef } from './module.ts';

/** Appends instructions to a body; an operand leaves exactly one value. */
export type Code = (b: Body) => void;

/** Operands, then an instruction without immediates. */
export function code(name: InstructionName, ...operands: readonly Code[]): Code {
  return (b) => {
    for (const operand of operands) operand(b);
    // Only instructions without immediates are named this way; the encoder would find a missing one.
    (b.emit as (name: InstructionName, ...immediates: ImmediatesByKind['none']) => Body).call(b, name);
  };
}

type MemoryName = Extract<InstructionName, `${string}.load${string}` | `${string}.store${string}`>;

export function load(name: MemoryName, address: Code, offset = 0): Code {
  return (b) => {
    address(b);
    (b.emit as (name: MemoryName, ...immediates: ImmediatesByKind['memory']) => Body).call(b, name, offset);
  };
}

export function store(name: MemoryName, address: Code, value: Code, offset = 0): Code {
  return (b) => {
    address(b);
    value(b);
    (b.emit as (name: MemoryName, ...immediates: ImmediatesByKind['memory']) => Body).call(b, name, offset);
  };
}

export const get =
  (local: Local): Code =>
  (b) => {
    b.get(local);
  };

export const set =
  (local: Local, value: Code): Code =>
  (b) => {
    value(b);
    b.set(local);
  };

export const i32 =
  (value: number): Code =>
  (b) => {
    b.i32(value);
  };

export const f64 =
  (value: number): Code =>
  (b) => {
    b.emit('f64.const', value);
  };

export const add = (a: Code, b: Code): Code => code('i32.add', a, b);
export const sub = (a: Code, b: Code): Code => code('i32.sub', a, b);
export const mul = (a: Code, b: Code): Code => code('i32.mul', a, b);

/** a + bytes, without an instruction for 0. */
export const plus = (a: Code, bytes: number): Code => (bytes === 0 ? a : add(a, i32(bytes)));

export function call(f: FunctionRef, ...operands: readonly Code[]): Code {
  return (b) => {
    for (const operand of operands) operand(b);
    b.emit('call', f.index);
  };
}

export function seq(...codes: readonly Code[]): Code {
  return (b) => {
    for (const c of codes) c(b);
  };
}

export function when(condition: Code, ...then: readonly Code[]): Code {
  return (b) => {
    condition(b);
    b.if(() => seq(...then)(b));
  };
}

/** while (condition) inside. */
export function loopWhile(condition: Code, ...inside: readonly Code[]): Code {
  return (b) => {
    condition(b);
    b.if(() => {
      b.loop((again) => {
        seq(...inside)(b);
        condition(b);
        b.branchIf(again);
      });
    });
  };
}

/** for (counter = from; counter < to; counter += step) inside, as signed numbers. */
export function loopRange(
  counter: Local,
  from: Code,
  to: Code,
  step: number,
  ...inside: readonly Code[]
): Code {
  return seq(
    set(counter, from),
    loopWhile(code('i32.lt_s', get(counter), to), ...inside, set(counter, plus(get(counter), step))),
  );
}

/** Shuffle of two vectors by lanes of `bytes` bytes: lane n < count is lane n of `a`, the others are of `b`. */
export function shuffle(a: Code, b: Code, bytes: 4 | 8, picked: readonly number[]): Code {
  const indices = picked.flatMap((lane) => Array.from({ length: bytes }, (_, k) => lane * bytes + k));
  return (body) => {
    a(body);
    b(body);
    body.emit('i8x16.shuffle', indices);
  };
}

export const zeroVector: Code = (b) => {
  b.emit(
    'v128.const',
    Array.from({ length: 16 }, () => 0),
  );
};
