/** Whether numbers read from an array can be computed with, and in which row they cannot. */
import { SkewflowError } from '../errors.ts';
import type { Reals } from './source.ts';

/**
 * The numbers in the given precision, all of them finite.
 *
 * @param values - rows from `firstRow` on, row-major
 * @throws InputError naming field, row and component (from 0) of the first NaN, infinity, or number beyond the largest single
 */
export function finiteReals(
  values: Reals,
  precision: 'f32' | 'f64',
  where: {
    readonly field: string;
    readonly label: string;
    readonly width: number;
    readonly firstRow: number;
  },
): Reals {
  const { field, label, width, firstRow } = where;
  const result =
    precision === 'f64'
      ? values instanceof Float64Array
        ? values
        : Float64Array.from(values)
      : values instanceof Float32Array
        ? values
        : Float32Array.from(values);
  // A sum is finite only if every term is, and costs one pass without a branch; it may overflow, which the search settles.
  let sum = 0;
  for (const value of result) sum += value;
  if (Number.isFinite(sum)) return result;
  const at = result.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return result;
  const row = firstRow + Math.floor(at / width);
  const component = at % width;
  const given = values[at]!;
  const what = Number.isFinite(given)
    ? `${given}, which is too large for precision f32 (use \`precision: f64\`)`
    : String(given);
  throw new SkewflowError(
    'InputError',
    `\`${field}\` holds ${what} at row ${row}, component ${component} (both from 0) of ${label}: every number must be finite`,
    { field, row, component },
  );
}
