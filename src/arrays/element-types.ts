/** What the numbers of an array file are: one record for each element type, by its name in a .npy header. */
import type { Reals } from './source.ts';

/** How elements of one type become numbers. */
export interface ElementType {
  readonly bytes: number;
  /** Whether every value of the type is a single: such arrays are handed over as Float32Array, others as Float64Array. */
  readonly single: boolean;
  readonly decode: (view: DataView, offset: number, littleEndian: boolean) => number;
}

/**
 * Element types that are read, by kind and size as numpy writes them (`f4` of `<f4`).
 * 64-bit integers beyond 2⁵³ are rounded to the nearest double.
 */
export const elementTypes: ReadonlyMap<string, ElementType> = new Map<string, ElementType>([
  ['f2', { bytes: 2, single: true, decode: (v, o, le) => fromHalf(v.getUint16(o, le)) }],
  ['f4', { bytes: 4, single: true, decode: (v, o, le) => v.getFloat32(o, le) }],
  ['f8', { bytes: 8, single: false, decode: (v, o, le) => v.getFloat64(o, le) }],
  ['i1', { bytes: 1, single: true, decode: (v, o) => v.getInt8(o) }],
  ['i2', { bytes: 2, single: true, decode: (v, o, le) => v.getInt16(o, le) }],
  ['i4', { bytes: 4, single: false, decode: (v, o, le) => v.getInt32(o, le) }],
  ['i8', { bytes: 8, single: false, decode: (v, o, le) => Number(v.getBigInt64(o, le)) }],
  ['u1', { bytes: 1, single: true, decode: (v, o) => v.getUint8(o) }],
  ['u2', { bytes: 2, single: true, decode: (v, o, le) => v.getUint16(o, le) }],
  ['u4', { bytes: 4, single: false, decode: (v, o, le) => v.getUint32(o, le) }],
  ['u8', { bytes: 8, single: false, decode: (v, o, le) => Number(v.getBigUint64(o, le)) }],
]);

/** Kinds of numpy that are refused, and what the user does about it. */
export const refusedKinds: ReadonlyMap<string, { readonly name: string; readonly remedy: string }> = new Map([
  ['b', { name: 'truth values', remedy: "convert them: `a.astype('f4')`" }],
  ['?', { name: 'truth values', remedy: "convert them: `a.astype('f4')`" }],
  [
    'c',
    { name: 'complex numbers', remedy: 'save real and imaginary parts: `np.stack([a.real, a.imag], -1)`' },
  ],
  ['O', { name: 'Python objects', remedy: "convert them: `np.asarray(a.tolist(), 'f8')`" }],
  ['V', { name: 'records', remedy: 'save each field as an array of its own: `np.save(path, a[field])`' }],
  ['S', { name: 'text', remedy: "convert it: `a.astype('f8')`" }],
  ['U', { name: 'text', remedy: "convert it: `a.astype('f8')`" }],
  ['M', { name: 'dates', remedy: "convert them to numbers: `a.astype('i8')`" }],
  ['m', { name: 'time spans', remedy: "convert them to numbers: `a.astype('i8')`" }],
]);

/**
 * The value of an IEEE 754 binary16: sign, 5 exponent bits (bias 15), 10 fraction bits.
 */
export function fromHalf(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** `count` elements of `bytes` as numbers. */
export function decodeElements(
  bytes: Buffer,
  type: ElementType,
  littleEndian: boolean,
  count: number,
): Reals {
  const result = type.single ? new Float32Array(count) : new Float64Array(count);
  if (littleEndian && hostIsLittleEndian && isNative(type)) {
    new Uint8Array(result.buffer).set(bytes.subarray(0, count * type.bytes));
    return result;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < count; i++) result[i] = type.decode(view, i * type.bytes, littleEndian);
  return result;
}

/** f4 and f8 lie in a file as they lie in memory, so they are copied and not decoded. */
function isNative(type: ElementType): boolean {
  return type === elementTypes.get('f4') || type === elementTypes.get('f8');
}

/** Typed arrays have the byte order of the machine. */
export const hostIsLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
