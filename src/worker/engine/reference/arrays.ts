/** Small operations on row-major arrays that the sweeps share. */

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
