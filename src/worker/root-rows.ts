/**
 * Where do the rows of a submitted job go? Into files under the storage root that all its workers write in place; in a bucket,
 * where there is no such thing, into one object a shard and array.
 */
import { encodeElements } from '../arrays/npy-writer.ts';
import { type ZarrArray, zarrGroup } from '../arrays/zarr-group.ts';
import type { Job } from '../job/job.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { rowArrayOf } from '../row-arrays.ts';
import { asOutOfReach } from '../storage/room.ts';
import type { Root } from '../storage/root.ts';
import { rowPartKey } from '../storage/row-parts.ts';
import type { RowData } from './engine/engine.ts';
import { type FileRowStore, layoutOf, sharedRows } from './rows.ts';
import { zarrRows } from './zarr-rows.ts';

/** Does a task, again where waiting may help. */
export type Patiently = (task: () => Promise<void>) => Promise<void>;

/**
 * The rows of a run in the root: where `assembleResult` takes them from.
 *
 * @param rowsKey - the key that all of them lie under
 */
export function rowsInRoot(
  root: Root,
  rowsKey: string,
  job: Job,
  patiently: Patiently,
): Required<FileRowStore> {
  const arrayOf = arrayOfRows(job);
  if (root.kind === 'bucket') return partRows(root.objects, rowsKey, arrayOf, patiently);
  const { format } = job.output;
  const rows =
    format === 'zarr'
      ? zarrRows(elementOf(job), arrayOf, (path) => root.file(`${rowsKey}/${zarrGroup}/${path}`))
      : sharedRows(layoutOf(job), job.precision, (kind, file) => root.file(`${rowsKey}/${kind}/${file}`));
  const inReach = (task: Promise<void>): Promise<void> =>
    task.catch((error: unknown) => {
      throw asOutOfReach(error);
    });
  return {
    write: (data) => patiently(() => inReach(rows.write(data))),
    flush: () => inReach(rows.flush()),
    close: rows.close,
  };
}

/** The array that rows belong to. */
export function arrayOfRows(job: Job): (rows: RowData) => ZarrArray {
  const arrayOf = rowArrayOf(job);
  return ({ kind, field, width, shard, data }) =>
    arrayOf(kind, { name: field, width }, data.length / ((shard.end - shard.begin) * width));
}

export function elementOf({ precision }: Pick<Job, 'precision'>): 'f4' | 'f8' {
  return precision === 'f32' ? 'f4' : 'f8';
}

/** Objects that are sent at once, while the next shards are computed. */
const atOnce = 8;

/** Rows that count when they are flushed: until then they may be on their way. */
function partRows(
  objects: ObjectStore,
  rowsKey: string,
  arrayOf: (rows: RowData) => ZarrArray,
  patiently: Patiently,
): Required<FileRowStore> {
  const sending = new Set<Promise<void>>();
  const flush = async (): Promise<void> => {
    await Promise.all(sending);
  };
  return {
    write: async (rows) => {
      while (sending.size >= atOnce) await Promise.race(sending);
      const array = arrayOf(rows);
      const bytes = encodeElements(rows.data, array.type);
      const key = rowPartKey(rowsKey, array, rows.shard.index);
      const sent = patiently(() =>
        objects.upload(key, bytes.length, async (begin, end) => bytes.subarray(begin, end)),
      );
      sending.add(sent);
      // One that failed stays, so that the flush fails: it is written nowhere.
      void sent.then(
        () => sending.delete(sent),
        () => {},
      );
    },
    flush,
    // What was not flushed counts for nothing, and what failed was told.
    close: async () => {
      await Promise.allSettled(sending);
    },
  };
}
