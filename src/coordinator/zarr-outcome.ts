/** How do the chunks of a job's tracer-sized results become one zarr group? By what it says of itself, written last. */
import { chunkFiles } from '../arrays/chunk-files.ts';
import type { ResultFolder } from '../arrays/result-folder.ts';
import { chunkBytes, chunkPath, type ZarrArray, zarrDocuments, zarrGroup } from '../arrays/zarr-group.ts';
import type { Job } from '../job/job.ts';
import { version } from '../version.ts';

/**
 * Write the descriptions of a group, and the saved times, which are of no tracer.
 *
 * @param arrays - whose rows are all written; none: there is no group
 * @param times - null: no trajectory was saved
 */
export async function describeGroup(
  folder: ResultFolder,
  job: Job,
  arrays: readonly ZarrArray[],
  times: Float64Array | null,
): Promise<void> {
  if (arrays.length === 0) return;
  const t = timesArray(times?.length ?? 0);
  if (times !== null) {
    const file = chunkFiles(t.type);
    const path = await folder.path(zarrGroup, ...chunkPath(t, [0]).split('/'));
    await file.write(path, chunkBytes(t), [{ begin: 0, data: times }]);
    await file.flush();
  }
  const attributes = { job: job.name, jobDigest: job.digest, skewflow: version };
  for (const { path, text } of zarrDocuments(times === null ? arrays : [...arrays, t], attributes)) {
    await folder.writeText(`${zarrGroup}/${path}`, text);
  }
}

/** The saved times as a coordinate of the trajectories: one chunk. */
function timesArray(times: number): ZarrArray {
  return { path: 'trajectory/t', type: 'f8', shape: [times], chunkShape: [times], dimensions: ['t'] };
}
