/** What shape has an array of rows, in memory and in the output folder? */

/** What an array of rows is: a gradient, or the rows themselves, at one time or at several. */
export type RowsKind = 'final' | 'gradient' | 'trajectory' | 'values';

/**
 * The shape of an array of rows: that of the input for a gradient, otherwise [times ×] rows × width. A field that was
 * given without an axis for its width, and a value of width 1, has none.
 *
 * @param given - the shape of the field's input; null for a value
 */
export function rowsShape(
  kind: RowsKind,
  given: readonly number[] | null,
  { rows, width, times }: { readonly rows: number; readonly width: number; readonly times: number },
): readonly number[] {
  if (kind === 'gradient' && given !== null) return given;
  const flat = given === null ? width === 1 : given.length === 1;
  const one = flat ? [rows] : [rows, width];
  return kind === 'trajectory' ? [times, ...one] : one;
}
