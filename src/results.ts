/**
 * Where do the results of a run go? Into memory, or into a folder that is written under a temporary name and renamed when
 * it is complete.
 */

import { createNpy } from './arrays/npy-writer.ts';
import { writeNpz } from './arrays/npz-writer.ts';
import { createResultFolder } from './arrays/result-folder.ts';
import type { HistoryRow } from './coordinator/descent.ts';
import { rowsShape, type Tensor, type Tensors } from './coordinator/result.ts';
import type { Job } from './job/job.ts';
import { convergencePlot } from './plot/convergence.ts';
import { historyText } from './plot/history.ts';
import type { RowsWanted } from './protocol.ts';
import type { RunSummary } from './run.ts';
import { fileRows, type HeldRows, holdRows, type RowLayout, type RowStore } from './worker/rows.ts';

/** The results of one size: of sources, sets, pairs and params, or of tracers. */
export interface Results {
  readonly gradient: Tensors;
  readonly values: Tensors;
  readonly final: Tensors;
  readonly trajectory: Tensors;
  /** What an optimisation found, and how; empty without one. */
  readonly optimum: Tensors;
  readonly history: readonly HistoryRow[];
}

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
  const layout = layoutOf(job, wanted);
  return out === null ? resultsInMemory(layout) : resultsInFolder(job, layout, out);
}

/** Where the folder is to be, and whether one that is there is replaced. */
export interface OutputFolder {
  readonly target: string;
  readonly force: boolean;
}

function layoutOf(job: Job, wanted: RowsWanted): RowLayout {
  const rowCount = job.system.tracers?.rows ?? 0;
  const times = wanted.trajectory.length;
  return {
    rowCount,
    shapeOf: ({ kind, field, width }) => {
      const given = kind === 'values' ? null : (job.arrays.get(field)?.shape ?? null);
      return rowsShape(kind, given, { rows: rowCount, width, times });
    },
  };
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
      for (const kind of ['gradient', 'optimum'] as const) {
        const arrays = Object.entries(shared[kind]).map(([name, tensor]) => ({ name, ...tensor }));
        if (arrays.length > 0) await writeNpz(await folder.path(`${kind}.npz`), arrays);
      }
      if (shared.history.length > 0) {
        await folder.writeText('history.csv', historyText(shared.history));
        await folder.writeText('convergence.svg', convergencePlot(job.name, shared.history));
      }
      for (const kind of ['final', 'trajectory'] as const) {
        for (const [field, { shape, data }] of Object.entries(shared[kind])) {
          const file = await createNpy(await folder.path(kind, `${field}.npy`), 'f8', shape);
          try {
            await file.write(0, data);
          } finally {
            await file.close();
          }
        }
      }
      await folder.writeText('job.yaml', job.source.text);
      const summary = summarise();
      await folder.writeText('result.json', `${JSON.stringify(summary, null, 2)}\n`);
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
