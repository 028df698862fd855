/** What the bytes of instructions and of the pieces of a WASM module are (WebAssembly Core Specification 2.0, chapter 5). */
import { invariant } from '../../errors.ts';
import {
  type ImmediateKind,
  type ImmediatesByKind,
  type Instruction,
  shapeOf,
  type ValueType,
} from './instructions.ts';

export type Bytes = readonly number[];

/** n as unsigned LEB128, 0 ≤ n < 2³². */
export function unsigned(n: number): Bytes {
  invariant(Number.isInteger(n) && n >= 0 && n < 2 ** 32, `${n} is an unsigned 32-bit number`);
  const bytes: number[] = [];
  let rest = n;
  while (rest >= 0x80) {
    bytes.push(0x80 | (rest % 0x80));
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return bytes;
}

/** n as signed LEB128 of at most 64 bits. */
export function signed(n: bigint): Bytes {
  const bytes: number[] = [];
  for (let rest = BigInt.asIntN(64, n); ; ) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    if ((rest === 0n && low < 0x40) || (rest === -1n && low >= 0x40)) {
      bytes.push(low);
      return bytes;
    }
    bytes.push(low | 0x80);
  }
}

/** The bytes of a floating-point number, least significant first; −0, infinities and NaN included. */
export function realBytes(value: number, bits: 32 | 64): Bytes {
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

/** How each kind of immediate is written; a memory access is written with its alignment hint first. */
const writers: { readonly [K in ImmediateKind]: (immediates: ImmediatesByKind[K], align: number) => Bytes } =
  {
    none: () => [],
    block: ([result]) => [result === null ? 0x40 : typeBytes[result]],
    label: ([depth]) => unsigned(depth),
    function: ([index]) => unsigned(index),
    local: ([index]) => unsigned(index),
    global: ([index]) => unsigned(index),
    // An i32 constant may be given as either of its readings, −1 or 0xffff_ffff.
    i32: ([value]) => signed(BigInt(value | 0)),
    i64: ([value]) => signed(value),
    f32: ([value]) => realBytes(value, 32),
    f64: ([value]) => realBytes(value, 64),
    v128: ([bytes]) => bytes,
    shuffle: ([indices]) => indices,
    lane: ([lane]) => [lane],
    memory: ([offset], align) => [align, ...unsigned(offset)],
    memoryLane: ([offset, lane], align) => [align, ...unsigned(offset), lane],
  };

/** The bytes of one instruction. */
export function instructionBytes({ name, immediates }: Instruction): Bytes {
  const { opcode, immediate, align } = shapeOf(name);
  // Immediates are typed by their instruction where they are made (`Body.emit`); here the pairing is forgotten.
  const write = writers[immediate] as (immediates: ImmediatesByKind[ImmediateKind], align: number) => Bytes;
  return [...opcode, ...write(immediates, align)];
}

/** Length in bytes, then the bytes. */
export function sized(bytes: Bytes): Bytes {
  return [...unsigned(bytes.length), ...bytes];
}

/** Count, then the items. */
export function vector(items: readonly Bytes[]): Bytes {
  return [...unsigned(items.length), ...items.flat()];
}

/** A name in UTF-8. */
export function nameBytes(name: string): Bytes {
  return sized([...utf8(name)]);
}

/** The section of that number; an empty one is left out. */
export function section(id: number, items: readonly Bytes[]): Bytes {
  return items.length === 0 ? [] : [id, ...sized(vector(items))];
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
