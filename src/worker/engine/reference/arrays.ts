/** How named arrays become the banks and tables of a program: fields of a row one after another. */
import { invariant } from '../../../errors.ts';
import type { Field } from '../../../kernels/system.ts';

/** Rows [begin, end) of all fields side by side; `components` beyond them (running integrals) are 0. */
export function interleave(
  fields: readonly Field[],
  arrays: ReadonlyMap<string, ArrayLike<number>>,
  begin: number,
  end: number,
  components = fields.reduce((n, f) => n + f.width, 0),
): Float64Array {
  const rows = end - begin;
  const out = new Float64Array(rows * components);
  let start = 0;
  for (const { name, width } of fields) {
    const values = arrays.get(name);
    invariant(values !== undefined, `the values of \`${name}\` are given`);
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < width; c++) out[r * components + start + c] = values[(begin + r) * width + c]!;
    }
    start += width;
  }
  return out;
}

/** Components [start, start + width) of every row. */
export function columnsOf(
  rows: Float64Array,
  components: number,
  start: number,
  width: number,
): Float64Array {
  const count = components === 0 ? 0 : rows.length / components;
  const out = new Float64Array(count * width);
  for (let r = 0; r < count; r++) {
    for (let c = 0; c < width; c++) out[r * width + c] = rows[r * components + start + c]!;
  }
  return out;
}

/** into += values, entry by entry. */
export function addTo(into: Float64Array, values: ArrayLike<number>): void {
  for (let n = 0; n < into.length; n++) into[n]! += values[n]!;
}

/** Place of the first entry that is not finite, or −1. */
export function firstNonFinite(values: Float64Array): number {
  return values.findIndex((v) => !Number.isFinite(v));
}
