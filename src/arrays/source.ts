/**
 * What a named array is before it is read: shape known, rows readable by range, never loaded whole.
 */
export interface ArraySource {
  /** For messages: the path, or `inline`, or the generator. */
  readonly label: string;
  /** Rows × width, after the rules of the job file (a (R,) array is R × 1; params are one row). `rows` null: any number (a constant or generator). */
  readonly rows: number | null;
  readonly width: number;
  /** The shape the user gave; a gradient has its input's shape. */
  readonly shape: readonly number[];
  /** Rows [begin, end), row-major, in double precision or the file's own f32. Rejects with InputError. */
  readonly read: (begin: number, end: number) => Promise<Float32Array | Float64Array>;
  /** What identifies the content, for the digest: text of inline values and generators, path + size + mtime of files. */
  readonly identity: string;
  readonly close: () => Promise<void>;
}
