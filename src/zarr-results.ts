/** How do tracer-sized results become one zarr group in a folder of results? Rows first, what they are last. */
import { chunkFiles } from './arrays/chunk-files.ts';
import type { ResultFolder } from './arrays/result-folder.ts';
import { chunkBytes, chunkPath, zarrDocuments } from './arrays/zarr-group.ts';
import { zarrArrays, zarrGroup, zarrTimes } from './coordinator/zarr-outcome.ts';
import type { Job } from './job/job.ts';
import type { RowsWanted } from './protocol.ts';
import { version } from './version.ts';
import type { FileRowStore } from './worker/rows.ts';
import { zarrRows } from './worker/zarr-rows.ts';

/** The group of a run while it is written. */
export interface ZarrPlace {
  readonly rows: FileRowStore;
  /** Makes a group of the chunks, when all rows are written. */
  readonly describe: (times: Float64Array | null) => Promise<void>;
}

/** The group of a job's tracer-sized results; there is none when the job asks for none. */
export function zarrIn(folder: ResultFolder, job: Job, wanted: RowsWanted): ZarrPlace {
  const arrays = zarrArrays(job, wanted);
  const pathOf = (path: string): Promise<string> => folder.path(zarrGroup, ...path.split('/'));
  return {
    rows: zarrRows(arrays, pathOf),
    describe: async (times) => {
      if (arrays.length === 0) return;
      const t = zarrTimes(times?.length ?? 0);
      if (times !== null) {
        const file = chunkFiles(t.type);
        await file.write(await pathOf(chunkPath(t, [0])), chunkBytes(t), [{ begin: 0, data: times }]);
        await file.flush();
      }
      const attributes = { job: job.name, jobDigest: job.digest, skewflow: version };
      for (const { path, text } of zarrDocuments(times === null ? arrays : [...arrays, t], attributes)) {
        await folder.writeText(`${zarrGroup}/${path}`, text);
      }
    },
  };
}
