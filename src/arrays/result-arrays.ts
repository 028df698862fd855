/** Which arrays does a folder of results hold, and how is one read? As files of their own, or in its zarr group, by kind and field. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openFolder } from './byte-tree.ts';
import { openNpy } from './npy.ts';
import type { RawArray } from './source.ts';
import { openZarr } from './zarr.ts';
import { zarrGroup } from './zarr-group.ts';

/** What an array of the size of the rows of a group is of. */
export type ResultKind = 'final' | 'gradient' | 'trajectory' | 'values';

/** One array of a folder of results. */
export interface ResultArray {
  readonly field: string;
  /** @throws InputError when it is damaged */
  readonly open: () => Promise<RawArray>;
}

/** The arrays of a kind by name; none where the folder has none. */
export async function resultArrays(folder: string, kind: ResultKind): Promise<readonly ResultArray[]> {
  const files = (await namesIn(join(folder, kind))).filter((name) => name.endsWith('.npy'));
  const chunked = await namesIn(join(folder, zarrGroup, kind), 'folders');
  const arrays = [
    ...files.map((file): ResultArray => {
      const field = file.slice(0, -'.npy'.length);
      return { field, open: () => openNpy(join(folder, kind, file), `${kind}/${file}`) };
    }),
    // The saved times lie beside the trajectories of either kind.
    ...chunked
      .filter((name) => !files.includes(`${name}.npy`))
      .map((field): ResultArray => {
        const name = `${kind}/${field}`;
        const open = async (): Promise<RawArray> =>
          openZarr(await openFolder(join(folder, zarrGroup), zarrGroup), name, `${zarrGroup}#${name}`);
        return { field, open };
      }),
  ];
  return arrays.sort((a, b) => (a.field < b.field ? -1 : 1));
}

async function namesIn(folder: string, what: 'all' | 'folders' = 'all'): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => what === 'all' || entry.isDirectory()).map(({ name }) => name);
}
