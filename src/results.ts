/**
 * Where do the results of a run go? Into memory, or into a folder that is written under a temporary name and renamed when
 * it is complete.
 */
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createResultFolder, type ResultFolder } from './arrays/result-folder.ts';
import { type Results, type RunSummary, writeShared, writeSummary } from './coordinator/outcome.ts';
import type { Tensor, Tensors } from './coordinator/result.ts';
import type { Job } from './job/job.ts';
import type { S3Settings } from './objects/s3-settings.ts';
import type { RowsWanted } from './protocol.ts';
import {
  fileRows,
  type HeldRows,
  holdRows,
  layoutOf,
  type RowLayout,
  type RowStore,
  sharedRows,
} from './worker/rows.ts';
import { zarrIn } from './zarr-results.ts';

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
  const layout = layoutOf(job);
  return out === null ? resultsInMemory(layout) : resultsInFolder(job, wanted, layout, out);
}

/** Where the folder is to be, and whether one that is there is replaced. */
export interface OutputFolder {
  /** A path, or `s3://bucket/prefix`. */
  readonly target: string;
  readonly force: boolean;
  readonly s3: S3Settings;
}

async function beginFolder({ target, force, s3 }: OutputFolder): Promise<ResultFolder> {
  if (!/^s3:\/\//iu.test(target)) return createResultFolder(target, force);
  const { createS3ResultFolder } = await import('./arrays/s3-result-folder.ts');
  return createS3ResultFolder(target, s3, force);
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
  meeting: MeetingPlace,
  out: OutputFolder | null,
): Promise<ResultPlace> {
  const rowsFolder = join(meeting.folder, 'rows');
  const store = sharedRows(layoutOf(job), job.precision, async (kind, file) => {
    await mkdir(join(rowsFolder, kind), { recursive: true });
    return join(rowsFolder, kind, file);
  });
  const folder = meeting.writes && out !== null ? await beginFolder(out) : null;
  return {
    rows: store,
    folder: folder?.target ?? null,
    finish: async (shared, summarise) => {
      await store.close();
      if (folder === null) return { results: shared, summary: summarise() };
      for (const kind of await namesIn(rowsFolder)) {
        for (const file of await namesIn(join(rowsFolder, kind)))
          await copyFile(join(rowsFolder, kind, file), await folder.path(kind, file));
      }
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
        await folder?.discard();
      }
    },
  };
}

/** Names in a folder; none where there is no such folder. */
async function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => []);
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
async function resultsInFolder(
  job: Job,
  wanted: RowsWanted,
  layout: RowLayout,
  out: OutputFolder,
): Promise<ResultPlace> {
  const folder = await beginFolder(out);
  const zarr = job.output.format === 'zarr' ? zarrIn(folder, job, wanted) : null;
  const store = zarr?.rows ?? fileRows(layout, job.precision, folder.path);
  return {
    rows: store,
    folder: folder.target,
    finish: async (shared, summarise) => {
      await store.close();
      await zarr?.describe(shared.trajectory['t']?.data ?? null);
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
        await folder.discard();
      }
    },
  };
}
