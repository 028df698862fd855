/** What the bytes of instructions and of the pieces of a WASM module are (WebAssembly Core Specification 2.0, chapter 5). */
import { invariant } from '../../errors.ts';
import {
  type ImmediateKind,
  type ImmediatesByKind,
  type Instruction,
  shapeOf,
  type ValueType,
} from './instructions.ts';

export type Bytes = Uint8Array<ArrayBuffer> | readonly number[];

/** Bytes being written: instructions are many, and an array for each would be most of the time an encoding takes. */
type Output = number[];

/** n as unsigned LEB128, 0 ≤ n < 2³². */
export function unsigned(n: number): readonly number[] {
  const bytes: Output = [];
  putUnsigned(bytes, n);
  return bytes;
}

/** n as signed LEB128 of at most 64 bits. */
export function signed(n: bigint): readonly number[] {
  const bytes: Output = [];
  putSigned(bytes, n);
  return bytes;
}

function putUnsigned(out: Output, n: number): void {
  invariant(n >>> 0 === n, 'LEB128 writes an unsigned 32-bit number here');
  let rest = n;
  while (rest >= 0x80) {
    out.push(0x80 | (rest & 0x7f));
    rest = Math.floor(rest / 0x80);
  }
  out.push(rest);
}

function putSigned(out: Output, n: bigint): void {
  for (let rest = BigInt.asIntN(64, n); ; ) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    if ((rest === 0n && low < 0x40) || (rest === -1n && low >= 0x40)) {
      out.push(low);
      return;
    }
    out.push(low | 0x80);
  }
}

/** The bytes of a floating-point number, least significant first; −0, infinities and NaN included. */
export function realBytes(value: number, bits: 32 | 64): readonly number[] {
  const view = new DataView(new ArrayBuffer(bits / 8));
  if (bits === 32) view.setFloat32(0, value, true);
  else view.setFloat64(0, value, true);
  return [...new Uint8Array(view.buffer)];
}

const typeBytes: Readonly<Record<ValueType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
};

export function typeByte(type: ValueType): number {
  return typeBytes[type];
}

function putAll(out: Output, bytes: readonly number[]): void {
  for (const byte of bytes) out.push(byte);
}

type Writer<K extends ImmediateKind> = (out: Output, immediates: ImmediatesByKind[K], align: number) => void;

/** How each kind of immediate is written; a memory access is written with its alignment hint first. */
const writers: { readonly [K in ImmediateKind]: Writer<K> } = {
  none: () => {},
  block: (out, [result]) => out.push(result === null ? 0x40 : typeBytes[result]),
  label: (out, [depth]) => putUnsigned(out, depth),
  function: (out, [index]) => putUnsigned(out, index),
  local: (out, [index]) => putUnsigned(out, index),
  global: (out, [index]) => putUnsigned(out, index),
  // An i32 constant may be given as either of its readings, −1 or 0xffff_ffff.
  i32: (out, [value]) => putSigned(out, BigInt(value | 0)),
  i64: (out, [value]) => putSigned(out, value),
  f32: (out, [value]) => putAll(out, realBytes(value, 32)),
  f64: (out, [value]) => putAll(out, realBytes(value, 64)),
  v128: (out, [bytes]) => putAll(out, bytes),
  shuffle: (out, [indices]) => putAll(out, indices),
  lane: (out, [lane]) => out.push(lane),
  memory: (out, [offset], align) => {
    out.push(align);
    putUnsigned(out, offset);
  },
  memoryLane: (out, [offset, lane], align) => {
    out.push(align);
    putUnsigned(out, offset);
    out.push(lane);
  },
};

function putInstruction(out: Output, { name, immediates }: Instruction): void {
  const { opcode, immediate, align } = shapeOf(name);
  putAll(out, opcode);
  // Immediates are typed by their instruction where they are made (`Body.emit`); here the pairing is forgotten.
  const write = writers[immediate] as (
    out: Output,
    i: ImmediatesByKind[ImmediateKind],
    align: number,
  ) => void;
  write(out, immediates, align);
}

/** The bytes of instructions. */
export function instructionBytes(code: readonly Instruction[]): Bytes {
  const out: Output = [];
  for (const instruction of code) putInstruction(out, instruction);
  return out;
}

/** Pieces one after another, copied by the engine and not byte by byte: a module is encoded before its code is warm. */
export function joined(...pieces: readonly Bytes[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}

/** Length in bytes, then the bytes. */
export function sized(bytes: Bytes): Bytes {
  return joined(unsigned(bytes.length), bytes);
}

/** Count, then the items. */
export function vector(items: readonly Bytes[]): Bytes {
  return joined(unsigned(items.length), ...items);
}

/** A name in UTF-8. */
export function nameBytes(name: string): Bytes {
  return sized([...utf8(name)]);
}

/** The section of that number; an empty one is left out. */
export function section(id: number, items: readonly Bytes[]): Bytes {
  return items.length === 0 ? [] : joined([id], sized(vector(items)));
}

/** TextEncoder belongs to the host, not to the language, and this folder needs nothing of a host. */
function* utf8(text: string): Generator<number> {
  for (const character of text) {
    const c = character.codePointAt(0) ?? 0;
    if (c < 0x80) yield c;
    else {
      const tail = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
      yield ((0xff << (7 - tail)) & 0xff) | (c >> (6 * tail));
      for (let k = tail - 1; k >= 0; k--) yield 0x80 | ((c >> (6 * k)) & 0x3f);
    }
  }
}
