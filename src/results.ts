/**
 * Where do the results of a run go? Into memory, or into a folder that is written under a temporary name and renamed when
 * it is complete.
 */
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { createResultFolder, type ResultFolder } from './arrays/result-folder.ts';
import { zarrGroup } from './arrays/zarr-group.ts';
import { type Results, type RunSummary, writeShared, writeSummary } from './coordinator/outcome.ts';
import type { Tensor, Tensors } from './coordinator/result.ts';
import { describeGroup } from './coordinator/zarr-outcome.ts';
import { lockFolder } from './folder-lock.ts';
import type { Job } from './job/job.ts';
import { isS3Url, type S3Settings } from './objects/s3-settings.ts';
import type { RowsWanted } from './protocol.ts';
import { rowArrays } from './row-arrays.ts';
import { arrayOfRows, elementOf } from './worker/root-rows.ts';
import {
  type FileRowStore,
  fileRows,
  type HeldRows,
  holdRows,
  layoutOf,
  type RowLayout,
  type RowStore,
  sharedRows,
} from './worker/rows.ts';
import { zarrRows } from './worker/zarr-rows.ts';

/** Where one run's results go. Disposing of a place that is not finished leaves nothing behind. */
export interface ResultPlace extends AsyncDisposable {
  /** Takes the tracers' results, row range by row range. */
  readonly rows: RowStore;
  /** The folder, absolute; null: memory. */
  readonly folder: string | null;
  /**
   * Complete the results. `summarise` is called when all arrays are written and nothing but the summary is left.
   *
   * @returns what the caller gets in memory: with a folder, only what is of the size of the sources
   */
  readonly finish: (
    shared: Results,
    summarise: () => RunSummary,
  ) => Promise<{ readonly results: Results; readonly summary: RunSummary }>;
}

/** The place the options ask for. */
export async function openPlace(
  job: Job,
  wanted: RowsWanted,
  out: OutputFolder | null,
): Promise<ResultPlace> {
  return out === null ? resultsInMemory(layoutOf(job)) : resultsInFolder(job, wanted, out);
}

/** Where the folder is to be, and whether one that is there is replaced. */
export interface OutputFolder {
  /** A path, or `s3://bucket/prefix`. */
  readonly target: string;
  readonly force: boolean;
  readonly s3: S3Settings;
}

/** A folder that is being filled, by nobody else as long as it is not disposed of. */
interface HeldFolder extends AsyncDisposable {
  readonly folder: ResultFolder;
}

async function beginFolder({ target, force, s3 }: OutputFolder): Promise<HeldFolder> {
  if (isS3Url(target)) {
    const { createS3ResultFolder } = await import('./arrays/s3-result-folder.ts');
    const folder = await createS3ResultFolder(target, s3, force);
    return { folder, [Symbol.asyncDispose]: folder.discard };
  }
  const folder = await createResultFolder(target, force);
  try {
    const lock = await lockFolder(target);
    const dispose = async (): Promise<void> => {
      await folder.discard();
      await lock[Symbol.asyncDispose]();
    };
    return { folder, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await folder.discard();
    throw error;
  }
}

/** Where the parts of one job meet, and whether this one writes the results. */
export interface MeetingPlace {
  /** This job's, absolute. */
  readonly folder: string;
  readonly writes: boolean;
}

/**
 * A place for one part of a job: rows go to files that all parts write, and are taken from there into the folder of the
 * results by the part that writes it, when everything is answered, and so every row is written.
 *
 * @throws UsageError when the folder exists and may not be replaced
 */
export async function openPartPlace(
  job: Job,
  wanted: RowsWanted,
  meeting: MeetingPlace,
  out: OutputFolder | null,
): Promise<ResultPlace> {
  const rowsFolder = join(meeting.folder, 'rows');
  const store = rowsIn(job, sharedRows, async (...parts) => {
    const path = join(rowsFolder, ...parts);
    await mkdir(dirname(path), { recursive: true });
    return path;
  });
  const held = meeting.writes && out !== null ? await beginFolder(out) : null;
  const folder = held?.folder ?? null;
  return {
    rows: store,
    folder: folder?.target ?? null,
    finish: async (shared, summarise) => {
      await store.close();
      if (folder === null) return { results: shared, summary: summarise() };
      for (const path of await filesIn(rowsFolder))
        await copyFile(join(rowsFolder, path), await folder.path(...path.split(sep)));
      await describeRows(folder, job, wanted, shared);
      await writeShared(folder, job, shared);
      const summary = summarise();
      await writeSummary(folder, summary);
      await folder.commit();
      return { results: shared, summary };
    },
    [Symbol.asyncDispose]: async () => {
      try {
        await store.close();
      } finally {
        await held?.[Symbol.asyncDispose]();
      }
    },
  };
}

/** Files anywhere in a folder, from there on; none where there is no such folder. */
async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

/** The tracers' results in the format of the job: a file an array, or the chunks of one group. */
function rowsIn(
  job: Job,
  npyRows: typeof fileRows,
  path: (...parts: readonly string[]) => Promise<string>,
): FileRowStore {
  return job.output.format === 'npy'
    ? npyRows(layoutOf(job), job.precision, path)
    : zarrRows(elementOf(job), arrayOfRows(job), (file) => path(zarrGroup, ...file.split('/')));
}

/** What there is to say of rows that are all written. */
async function describeRows(
  folder: ResultFolder,
  job: Job,
  wanted: RowsWanted,
  shared: Results,
): Promise<void> {
  if (job.output.format === 'npy') return;
  await describeGroup(folder, job, rowArrays(job, wanted), shared.trajectory['t']?.data ?? null);
}

function resultsInMemory(layout: RowLayout): ResultPlace {
  const store = holdRows(layout);
  return {
    rows: store,
    folder: null,
    finish: async (shared, summarise) => {
      const of = (kind: HeldRows['kind']): Tensors =>
        Object.fromEntries(
          store
            .held()
            .filter((rows) => rows.kind === kind)
            .map(({ field, shape, data }): [string, Tensor] => [field, { shape, data }]),
        );
      const results = {
        gradient: { ...shared.gradient, ...of('gradient') },
        values: of('values'),
        final: { ...of('final'), ...shared.final },
        trajectory: { ...of('trajectory'), ...shared.trajectory },
        optimum: shared.optimum,
        history: shared.history,
      };
      return { results, summary: summarise() };
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/**
 * Results in a folder: `result.json`, `job.yaml`, `gradient.npz`, and .npy files under `gradient`, `values`, `final`,
 * `trajectory` (in the format zarr the tracers' are one group, `tracers.zarr`); of an optimisation `optimum.npz`, `history.csv`,
 * `convergence.svg`.
 *
 * @throws UsageError when the folder exists and may not be replaced
 */
async function resultsInFolder(job: Job, wanted: RowsWanted, out: OutputFolder): Promise<ResultPlace> {
  const held = await beginFolder(out);
  const { folder } = held;
  const store = rowsIn(job, fileRows, folder.path);
  return {
    rows: store,
    folder: folder.target,
    finish: async (shared, summarise) => {
      await store.close();
      await describeRows(folder, job, wanted, shared);
      await writeShared(folder, job, shared);
      const summary = summarise();
      await writeSummary(folder, summary);
      await folder.commit();
      return { results: shared, summary };
    },
    [Symbol.asyncDispose]: async () => {
      try {
        await store.close();
      } finally {
        await held[Symbol.asyncDispose]();
      }
    },
  };
}
