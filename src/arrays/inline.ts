/** What numbers written in the job itself, or handed over in memory, mean as an array. */
import { createHash } from 'node:crypto';
import { SkewflowError } from '../errors.ts';
import { elementCount, type RawArray, type Reals, shapeText } from './source.ts';

/** Numbers in lists in lists. */
export type NestedList = readonly (NestedList | number)[];

/** An array in memory. */
export interface Shaped {
  /** Lengths of the axes; [] is a single number. */
  readonly shape: readonly number[];
  /** The numbers, row-major: as many as the lengths multiply to. */
  readonly data: ArrayLike<number>;
}

/** The most axes an array has (numpy's own limit, and far beyond any use here). */
const axesMax = 32;

/**
 * A number (shape ()) or a nested list whose lists agree in length.
 *
 * @throws InputError for a ragged list or an element that is no number; `at` names the element
 */
export function openInline(value: NestedList | number, label = 'inline'): RawArray {
  if (typeof value === 'number') return inMemory({ shape: [], data: [value] }, label);
  const shape = shapeOf(value, label);
  const data = new Float64Array(elementCount(shape));
  let at = 0;
  const fill = (part: unknown, depth: number, place: readonly number[]): void => {
    if (depth === shape.length) {
      if (typeof part === 'number') data[at++] = part;
      else
        throw wrong(
          label,
          place,
          Array.isArray(part) ? 'a list, where the first row has a number' : described(part),
        );
      return;
    }
    if (!Array.isArray(part)) {
      throw wrong(
        label,
        place,
        typeof part === 'number' ? 'a number, where the first row has a list' : described(part),
      );
    }
    if (part.length !== shape[depth]) {
      throw wrong(
        label,
        place,
        `a list of ${part.length}, where the first has ${shape[depth]}: the rows of an array are equally long`,
      );
    }
    for (const [n, item] of part.entries()) fill(item, depth + 1, [...place, n]);
  };
  fill(value, 0, []);
  return inMemory({ shape, data }, label);
}

/**
 * An array in memory with a shape. The data is not copied: it must not change while the job lives.
 *
 * @throws InputError when shape and length disagree
 */
export function openShaped(array: Shaped, label = 'inline'): RawArray {
  const { shape, data } = array;
  if (!shape.every((n) => Number.isSafeInteger(n) && n >= 0)) {
    throw new SkewflowError('InputError', `${label}: a shape is whole numbers, not ${shapeText(shape)}`);
  }
  if (elementCount(shape) !== data.length) {
    throw new SkewflowError(
      'InputError',
      `${label}: shape ${shapeText(shape)} needs ${elementCount(shape)} numbers, and ${data.length} are given`,
      {
        expected: elementCount(shape),
        actual: data.length,
      },
    );
  }
  return inMemory(array, label);
}

function inMemory({ shape, data }: Shaped, label: string): RawArray {
  const single = data instanceof Float32Array;
  const elements = (begin: number, end: number): Promise<Reals> => {
    const part = single ? new Float32Array(end - begin) : new Float64Array(end - begin);
    for (let i = begin; i < end; i++) part[i - begin] = Number(data[i]);
    return Promise.resolve(part);
  };
  let identity: string | undefined;
  return {
    label,
    shape,
    elements,
    /** Hashed when it is asked for, as the array may be large. */
    get identity() {
      identity ??= createHash('sha256')
        .update(shapeText(shape))
        .update(new Uint8Array(Float64Array.from(data).buffer))
        .digest('hex');
      return identity;
    },
    close: () => Promise.resolve(),
  };
}

/** The lengths of the first list at each depth. */
function shapeOf(value: NestedList, label: string): readonly number[] {
  const shape: number[] = [];
  for (let part: unknown = value; Array.isArray(part); part = part[0]) {
    shape.push(part.length);
    if (shape.length > axesMax)
      throw new SkewflowError('InputError', `${label}: lists are nested more than ${axesMax} deep`);
  }
  return shape;
}

function wrong(label: string, place: readonly number[], what: string): SkewflowError {
  return new SkewflowError('InputError', `${label}: element [${place.join('][')}] is ${what}`);
}

function described(value: unknown): string {
  if (value === null || value === undefined) return 'empty: a number is expected';
  if (typeof value === 'string')
    return `the text ${JSON.stringify(value)}: a number is written without quotes`;
  return `a value of type ${typeof value}: a number is expected`;
}
