/**
 * Where do the results of a run go? Into memory, or into a folder that is written under a temporary name and renamed when
 * it is complete.
 */

import type { Tensor, Tensors } from './coordinator/result.ts';
import type { Job } from './job/job.ts';
import type { RowsWanted } from './protocol.ts';
import type { RunSummary } from './run.ts';
import { type HeldRows, holdRows, type RowStore } from './worker/rows.ts';

/** The results of one size: of sources, sets, pairs and params, or of tracers. */
export interface Results {
  readonly gradient: Tensors;
  readonly values: Tensors;
  readonly final: Tensors;
  readonly trajectory: Tensors;
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

/** Results in memory, in double precision. */
export function resultsInMemory(job: Job, wanted: RowsWanted): ResultPlace {
  const store = holdRows(job.system.tracers?.rows ?? 0, wanted.trajectory.length);
  return {
    rows: store,
    folder: null,
    finish: async (shared, summarise) => {
      const of = (kind: HeldRows['kind']): Tensors =>
        Object.fromEntries(
          store
            .held()
            .filter((rows) => rows.kind === kind)
            .map(({ field, shape, data }): [string, Tensor] => [
              field,
              { shape: givenShape(job, kind, field) ?? shape, data },
            ]),
        );
      const results = {
        gradient: { ...shared.gradient, ...of('gradient') },
        values: { ...shared.values, ...of('values') },
        final: { ...of('final'), ...shared.final },
        trajectory: { ...of('trajectory'), ...shared.trajectory },
      };
      return { results, summary: summarise() };
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** A gradient has its input's shape; everything else the shape of its rows. */
function givenShape(job: Job, kind: HeldRows['kind'], field: string): readonly number[] | null {
  return kind === 'gradient' ? (job.arrays.get(field)?.shape ?? null) : null;
}
