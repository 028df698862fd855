/**
 * What a named array is before it is read: shape known, rows readable by range, never loaded whole.
 */
export interface ArraySource {
  /** For messages: the path, or `inline`, or the generator. */
  readonly label: string;
  /** Rows × width, after the rules of the job file (a (R,) array is R × 1; params are one row). `rows` null: any number (a constant or generator). */
  readonly rows: number | null;
  /** Numbers in a row. */
  readonly width: number;
  /** The shape the user gave; a gradient has its input's shape. */
  readonly shape: readonly number[];
  /** Rows [begin, end), row-major, in double precision or the file's own f32. Rejects with InputError. */
  readonly read: (begin: number, end: number) => Promise<Float32Array | Float64Array>;
  /** What identifies the content, for the digest: text of inline values and generators, content or path + size + mtime of files. */
  readonly identity: string;
  /** Lets go of the file or the connection; nothing is read afterwards. */
  readonly close: () => Promise<void>;
}

/** Numbers in one of the two precisions. */
export type Reals = Float32Array | Float64Array;

/** An array as it was given, before the job says what its axes mean: elements readable by range. */
export interface RawArray {
  readonly label: string;
  readonly shape: readonly number[];
  /** Elements [begin, end) in row-major order. */
  readonly elements: (begin: number, end: number) => Promise<Reals>;
  readonly identity: string;
  readonly close: () => Promise<void>;
}

/** An array made row by row, for as many rows as are asked for. */
export interface Generated {
  readonly label: string;
  readonly width: number;
  /** The number of rows, where the generator itself says it (a grid). */
  readonly rows: number | null;
  readonly identity: string;
  /** Rows [begin, end) of `rows` in all. */
  readonly make: (begin: number, end: number, rows: number) => Reals;
}

/** The number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** A shape as numpy prints it: `(3,)`, `(2, 3)`. */
export function shapeText(shape: readonly number[]): string {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
}
