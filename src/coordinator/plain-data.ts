/**
 * How is a state of plain data written down? As JSON in which every number comes back with the same bits: arrays of
 * doubles in base64, and a word where JSON has no number.
 */

/** A state as text; `decodeData` undoes it. Objects, arrays, Float64Arrays, strings, booleans, numbers and null. */
export function encodeData(data: unknown): string {
  return JSON.stringify(data, (_key, value: unknown) => {
    if (value instanceof Float64Array) return { f64: base64(value) };
    if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))) {
      return { number: Object.is(value, -0) ? '-0' : String(value) };
    }
    return value;
  });
}

/** What `encodeData` was given. Whoever reads the text vouches for it (a checksum); nothing is checked here. */
export function decodeData(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null) return value;
    if ('f64' in value && typeof value.f64 === 'string') return doubles(value.f64);
    if ('number' in value && typeof value.number === 'string') return Number(value.number);
    return value;
  });
}

/** Little-endian, as all machines that run Node are. */
function base64(array: Float64Array): string {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64');
}

function doubles(text: string): Float64Array {
  const bytes = Buffer.from(text, 'base64');
  const array = new Float64Array(bytes.length / 8);
  new Uint8Array(array.buffer).set(bytes);
  return array;
}
