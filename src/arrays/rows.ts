/** How the axes of an array become rows and components, for each role an array can have in a job. */
import { setImmediate as turn } from 'node:timers/promises';
import { SkewflowError } from '../errors.ts';
import {
  type ArraySource,
  elementCount,
  type Generated,
  type RawArray,
  type Reals,
  shapeText,
} from './source.ts';

/**
 * A row for each entry of the first axis: (R, d) is R rows of width d, (R,) is R rows of width 1.
 *
 * @throws ShapeError for an array of another number of axes
 */
export function asRows(array: RawArray): ArraySource {
  const { shape, label } = array;
  if (shape.length === 1 || shape.length === 2) return split(array, shape[0]!, shape[1] ?? 1);
  const remedy =
    shape.length === 0
      ? 'for one number in every row write the number itself'
      : `a row is a vector: reshape it to (${shape[0]}, ${elementCount(shape.slice(1))})`;
  throw new SkewflowError(
    'ShapeError',
    `${label}: an array of rows has shape (rows,) or (rows, components), not ${shapeText(shape)}: ${remedy}`,
  );
}

/** One row of all elements: (), (D,) and (a, b), flattened row-major. */
export function asVector(array: RawArray): ArraySource {
  return split(array, 1, elementCount(array.shape));
}

/**
 * Weights between M sources, (M, M) or (M, M, d): row own · M + bound holds W[own, bound].
 *
 * @throws ShapeError for any other shape
 */
export function asPairs(array: RawArray, sources: number): ArraySource {
  const { shape, label } = array;
  if ((shape.length !== 2 && shape.length !== 3) || shape[0] !== sources || shape[1] !== sources) {
    const want = `(${sources}, ${sources}) or (${sources}, ${sources}, components)`;
    throw new SkewflowError(
      'ShapeError',
      `${label}: with ${sources} sources a pair field has shape ${want}, not ${shapeText(shape)}`,
    );
  }
  return split(array, sources * sources, shape[2] ?? 1);
}

/** Times × rows × d: slice after slice, as rows time · R + row. */
export function asSlices(array: RawArray): ArraySource {
  const [times = 1, rows = 1, width = 1] = array.shape;
  return split(array, times * rows, width);
}

function split(array: RawArray, rows: number, width: number): ArraySource {
  const { label, shape, close } = array;
  return {
    label,
    rows,
    width,
    shape,
    read: async (begin, end) => {
      refuseOutside(label, begin, end, rows);
      return array.elements(begin * width, end * width);
    },
    get identity() {
      return array.identity;
    },
    close,
  };
}

/**
 * A generator's rows.
 *
 * @param rows - how many there are; null where nothing says so yet (only a constant can then be read)
 * @param shape - what a gradient's shape is; by default rows × width, or rows alone for a width of 1
 */
export function generatedRows(
  generated: Generated,
  rows: number,
  shape = rowShape(rows, generated.width),
): ArraySource {
  const { label, width, identity } = generated;
  return {
    label,
    rows,
    width,
    shape,
    read: async (begin, end) => {
      refuseOutside(label, begin, end, rows);
      return inTurns(generated, { begin, end, rows });
    },
    identity,
    close: () => Promise.resolve(),
  };
}

/** Numbers made between two turns of the event loop: a random one takes 0.1 µs, and whoever reads may have a lease to keep. */
const numbersATurn = 1 << 17;

async function inTurns(
  { make, width }: Generated,
  { begin, end, rows }: { readonly begin: number; readonly end: number; readonly rows: number },
): Promise<Reals> {
  const rowsATurn = Math.max(1, Math.floor(numbersATurn / width));
  if (end - begin <= rowsATurn) return make(begin, end, rows);
  const values = new Float64Array((end - begin) * width);
  for (let at = begin; at < end; at += rowsATurn) {
    values.set(make(at, Math.min(at + rowsATurn, end), rows), (at - begin) * width);
    await turn();
  }
  return values;
}

function rowShape(rows: number, width: number): readonly number[] {
  return width === 1 ? [rows] : [rows, width];
}

function refuseOutside(label: string, begin: number, end: number, rows: number): void {
  if (begin < 0 || begin > end || end > rows) {
    throw new RangeError(`${label}: rows [${begin}, ${end}) of ${rows}`);
  }
}
