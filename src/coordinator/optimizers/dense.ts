/** Small dense linear systems: those of a few pairs, never of the variables. */

/** Row by row. */
export type Matrix = readonly (readonly number[])[];

/** A⁻¹ b by elimination with partial pivoting; null when A is singular to the last digit. */
export function solve(a: Matrix, b: readonly number[]): readonly number[] | null {
  const n = b.length;
  const rows = a.map((row, i) => [...row, b[i] as number]);
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(at(rows, i, k)) > Math.abs(at(rows, pivot, k))) pivot = i;
    if (!(Math.abs(at(rows, pivot, k)) > 0)) return null;
    [rows[k], rows[pivot]] = [rows[pivot] as number[], rows[k] as number[]];
    for (let i = k + 1; i < n; i++) {
      const factor = at(rows, i, k) / at(rows, k, k);
      for (let j = k; j <= n; j++) (rows[i] as number[])[j] = at(rows, i, j) - factor * at(rows, k, j);
    }
  }
  const x = b.map(() => 0);
  for (let i = n - 1; i >= 0; i--) {
    let sum = at(rows, i, n);
    for (let j = i + 1; j < n; j++) sum -= at(rows, i, j) * (x[j] as number);
    x[i] = sum / at(rows, i, i);
  }
  return x.every(Number.isFinite) ? x : null;
}

/** A⁻¹; null when A is singular to the last digit. */
export function invert(a: Matrix): Matrix | null {
  const columns = a.map((_, j) =>
    solve(
      a,
      a.map((_row, i) => (i === j ? 1 : 0)),
    ),
  );
  if (columns.some((column) => column === null)) return null;
  return a.map((_, i) => columns.map((column) => column?.[i] as number));
}

/** A b. */
export function times(a: Matrix, b: readonly number[]): readonly number[] {
  return a.map((row) => row.reduce((total, value, j) => total + value * (b[j] as number), 0));
}

const at = (rows: Matrix, i: number, j: number): number => rows[i]?.[j] as number;
