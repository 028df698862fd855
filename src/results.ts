/**
 * Where do the results of a run go? Into memory, or into a folder that is written under a temporary name and renamed when
 * it is complete.
 */
import { createResultFolder } from './arrays/result-folder.ts';
import { type Results, type RunSummary, writeShared, writeSummary } from './coordinator/outcome.ts';
import type { Tensor, Tensors } from './coordinator/result.ts';
import type { Job } from './job/job.ts';
import { fileRows, type HeldRows, holdRows, layoutOf, type RowLayout, type RowStore } from './worker/rows.ts';

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
export async function openPlace(job: Job, out: OutputFolder | null): Promise<ResultPlace> {
  const layout = layoutOf(job);
  return out === null ? resultsInMemory(layout) : resultsInFolder(job, layout, out);
}

/** Where the folder is to be, and whether one that is there is replaced. */
export interface OutputFolder {
  readonly target: string;
  readonly force: boolean;
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
 * `trajectory`; of an optimisation `optimum.npz`, `history.csv`, `convergence.svg`.
 *
 * @throws UsageError when the folder exists and may not be replaced
 */
async function resultsInFolder(
  job: Job,
  layout: RowLayout,
  { target, force }: OutputFolder,
): Promise<ResultPlace> {
  const folder = await createResultFolder(target, force);
  const store = fileRows(layout, job.precision, folder.path);
  return {
    rows: store,
    folder: folder.target,
    finish: async (shared, summarise) => {
      await store.close();
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
