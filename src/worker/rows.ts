/**
 * Where do N-sized results go? To arrays that are written row range by row range, by whoever computed those rows.
 */
import type { RowData } from './engine/engine.ts';

/** A place for the rows of a run; each row of each array is written at least once, always with the same numbers. */
export interface RowStore {
  /** Resolves when the rows are where a reader will find them. */
  readonly write: (rows: RowData) => Promise<void>;
}

/** One N-sized result held in memory. */
export interface HeldRows {
  readonly kind: RowData['kind'];
  readonly field: string;
  /** Rows × width, or saved times × rows × width for a trajectory. */
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** What a run without an output folder keeps. */
export interface HeldRowStore extends RowStore {
  readonly held: () => readonly HeldRows[];
}

/**
 * A row store in memory, in double precision.
 *
 * @param rowCount - N
 * @param timeCount - saved times of a trajectory
 */
export function holdRows(rowCount: number, timeCount: number): HeldRowStore {
  const arrays = new Map<string, HeldRows>();
  const arrayFor = ({ kind, field, width }: RowData): HeldRows => {
    const known = arrays.get(`${kind}/${field}`);
    if (known !== undefined) return known;
    const shape = kind === 'trajectory' ? [timeCount, rowCount, width] : [rowCount, width];
    const made = { kind, field, shape, data: new Float64Array(shape.reduce((a, b) => a * b, 1)) };
    arrays.set(`${kind}/${field}`, made);
    return made;
  };
  return {
    write: async (rows) => {
      const { data } = arrayFor(rows);
      for (const { at, from, count } of slicesOf(rows, rowCount))
        data.set(rows.data.subarray(from, from + count), at);
    },
    held: () => [...arrays.values()],
  };
}

/** Where a piece of a shard's rows lies in the whole array, in numbers: one piece, or one a saved time. */
export interface Slice {
  readonly at: number;
  readonly from: number;
  readonly count: number;
}

/** The consecutive pieces of a shard's rows in an array of `rowCount` rows (a trajectory: times × `rowCount` rows). */
export function slicesOf({ shard, width, data }: RowData, rowCount: number): readonly Slice[] {
  const count = (shard.end - shard.begin) * width;
  const pieces = count === 0 ? 0 : data.length / count;
  return Array.from({ length: pieces }, (_, time) => ({
    at: (time * rowCount + shard.begin) * width,
    from: time * count,
    count,
  }));
}
