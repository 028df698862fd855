/**
 * Where do N-sized results go? To arrays that are written row range by row range, by whoever computed those rows.
 */
import { createNpy, type NpyWriter, shareNpy } from '../arrays/npy-writer.ts';
import type { Job } from '../job/job.ts';
import { rowsShape } from '../partition/row-shape.ts';
import type { Precision, RowData } from './engine/engine.ts';

/** A place for the rows of a run; each row of each array is written at least once, always with the same numbers. */
export interface RowStore {
  /** Resolves when the rows are where a reader will find them, or, where there is a flush, are on their way there. */
  readonly write: (rows: RowData) => Promise<void>;
  /** Resolves when the rows written so far are there and outlive this machine's power; absent where nothing is promised for them alone. */
  readonly flush?: () => Promise<void>;
}

/** How the arrays are laid out. */
export interface RowLayout {
  /** N. */
  readonly rowCount: number;
  /** The shape of the whole array: N × width numbers, or times × N × width for a trajectory. */
  readonly shapeOf: (rows: RowData) => readonly number[];
}

/** How the tracers' results of a job are laid out. */
export function layoutOf(job: Pick<Job, 'arrays' | 'system'>): RowLayout {
  const rowCount = job.system.tracers?.rows ?? 0;
  return {
    rowCount,
    shapeOf: ({ kind, field, width, shard, data }) => {
      const given = kind === 'values' ? null : (job.arrays.get(field)?.shape ?? null);
      const times = data.length / ((shard.end - shard.begin) * width);
      return rowsShape(kind, given, { rows: rowCount, width, times });
    },
  };
}

// --- in memory --------------------------------------------------------------------------------------------

/** One N-sized result held in memory. */
export interface HeldRows {
  readonly kind: RowData['kind'];
  readonly field: string;
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** What a run without an output folder keeps. */
export interface HeldRowStore extends RowStore {
  readonly held: () => readonly HeldRows[];
}

/** A row store in memory, in double precision. */
export function holdRows({ rowCount, shapeOf }: RowLayout): HeldRowStore {
  const arrays = new Map<string, HeldRows>();
  const arrayFor = (rows: RowData): HeldRows => {
    const key = `${rows.kind}/${rows.field}`;
    const known = arrays.get(key);
    if (known !== undefined) return known;
    const shape = shapeOf(rows);
    const { kind, field } = rows;
    const made = { kind, field, shape, data: new Float64Array(shape.reduce((a, b) => a * b, 1)) };
    arrays.set(key, made);
    return made;
  };
  return {
    write: async (rows) => {
      const { data } = arrayFor(rows);
      for (const { at, from, count } of slicesOf(rows, rowCount)) {
        data.set(rows.data.subarray(from, from + count), at);
      }
    },
    held: () => [...arrays.values()],
  };
}

// --- in files ---------------------------------------------------------------------------------------------

/** Rows in .npy files that are written in place. */
export interface FileRowStore extends RowStore {
  /** Makes sure that everything is on the disk; safe to call again. */
  readonly close: () => Promise<void>;
}

/**
 * A row store in .npy files in the job's precision: `final/x.npy`, `gradient/x.npy`, `trajectory/x.npy`, `values/density.npy`.
 *
 * @param pathOf - the path of a file of the folder, made ready to be written
 */
export function fileRows(layout: RowLayout, precision: Precision, pathOf: PathOf): FileRowStore {
  const { write, close } = npyRows(layout, pathOf, (path, shape) =>
    createNpy(path, elementOf(precision), shape),
  );
  return { write, close };
}

/** As `fileRows`, in files that other workers write too: nothing they wrote is touched, and rows are flushed before they count. */
export function sharedRows(layout: RowLayout, precision: Precision, pathOf: PathOf): Required<FileRowStore> {
  return npyRows(layout, pathOf, (path, shape) => shareNpy(path, elementOf(precision), shape));
}

type PathOf = (folder: string, file: string) => Promise<string>;

const elementOf = (precision: Precision): 'f4' | 'f8' => (precision === 'f32' ? 'f4' : 'f8');

function npyRows(
  { rowCount, shapeOf }: RowLayout,
  pathOf: PathOf,
  open: (path: string, shape: readonly number[]) => Promise<NpyWriter>,
): Required<FileRowStore> {
  const writers = new Map<string, Promise<NpyWriter>>();
  /** Written since the last flush. */
  const fresh = new Set<NpyWriter>();
  const writerFor = (rows: RowData): Promise<NpyWriter> => {
    const key = `${rows.kind}/${rows.field}`;
    const known = writers.get(key);
    if (known !== undefined) return known;
    const made = pathOf(rows.kind, `${rows.field}.npy`).then((path) => open(path, shapeOf(rows)));
    writers.set(key, made);
    // A file that could not be made is tried again by the next write.
    made.catch(() => writers.delete(key));
    return made;
  };
  return {
    write: async (rows) => {
      const writer = await writerFor(rows);
      fresh.add(writer);
      for (const { at, from, count } of slicesOf(rows, rowCount)) {
        await writer.write(at, rows.data.subarray(from, from + count));
      }
    },
    flush: async () => {
      const written = [...fresh];
      fresh.clear();
      for (const writer of written) await writer.flush();
    },
    close: async () => {
      const open = [...writers.values()];
      writers.clear();
      for (const writer of await Promise.allSettled(open)) {
        // A file that could not be made has been reported by the write that wanted it.
        if (writer.status === 'fulfilled') await writer.value.close();
      }
    },
  };
}

// --- where rows lie ---------------------------------------------------------------------------------------

/** Where a piece of a shard's rows lies in the whole array, in numbers: one piece, or one a saved time. */
interface Slice {
  readonly at: number;
  readonly from: number;
  readonly count: number;
}

/** The consecutive pieces of a shard's rows in an array of `rowCount` rows (a trajectory: times × `rowCount` rows). */
function slicesOf({ shard, width, data }: RowData, rowCount: number): readonly Slice[] {
  const count = (shard.end - shard.begin) * width;
  const pieces = count === 0 ? 0 : data.length / count;
  return Array.from({ length: pieces }, (_, time) => ({
    at: (time * rowCount + shard.begin) * width,
    from: time * count,
    count,
  }));
}
