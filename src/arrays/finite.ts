/** Whether numbers read from an array can be computed with, and in which row they cannot. */
import { SkewflowError } from '../errors.ts';
import type { Reals } from './source.ts';

/** Which rows of which array the numbers are. */
export interface Where {
  readonly field: string;
  readonly label: string;
  readonly width: number;
  readonly firstRow: number;
  /** The shape the user gave. */
  readonly shape: readonly number[];
}

/**
 * The numbers in the given precision, all of them finite.
 *
 * @param values - rows from `firstRow` on, row-major
 * @throws InputError naming field, row and component (from 0) of the first NaN, infinity, or number beyond the largest single
 */
export function finiteReals(values: Reals, precision: 'f32' | 'f64', where: Where): Reals {
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
    `\`${field}\` holds ${what} at ${placeOf(where, row, component)} of ${label}: every number must be finite`,
    { field, row, component },
  );
}

/** Row and component, or for an array that is no list of rows (pairs, slices, a matrix in one row) the element. */
function placeOf({ shape, width }: Where, row: number, component: number): string {
  if (shape.length < 2 || (shape.length === 2 && shape[1] === width)) {
    return `row ${row}, component ${component} (both from 0)`;
  }
  const element: number[] = [];
  let rest = row * width + component;
  for (const axis of shape.toReversed()) {
    element.unshift(rest % axis);
    rest = Math.floor(rest / axis);
  }
  return `element [${element.join('][')}] (from 0)`;
}
