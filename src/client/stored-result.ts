/** How is a folder of results read back into what `run` returns? */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { npzNames, openNpz } from '../arrays/npz.ts';
import { type ResultKind, resultArrays } from '../arrays/result-arrays.ts';
import { elementCount, type RawArray } from '../arrays/source.ts';
import type { RunSummary } from '../coordinator/outcome.ts';
import type { Tensor, Tensors } from '../coordinator/result.ts';

/** What a folder of results holds; everything in it is in memory. */
export interface StoredResult {
  readonly summary: RunSummary;
  readonly gradient: Tensors;
  readonly values: Tensors;
  readonly final: Tensors;
  readonly trajectory: Tensors;
  readonly optimum: Tensors;
}

/**
 * Read a folder of results.
 *
 * @param nSized - whether arrays of the size of the tracers are read, too
 * @throws InputError when a file is damaged
 */
export async function readResult(folder: string, nSized: boolean): Promise<StoredResult> {
  const summary = JSON.parse(await readFile(join(folder, 'result.json'), 'utf8')) as RunSummary;
  const under = (kind: ResultKind): Promise<Tensors> =>
    nSized ? arraysOf(folder, kind) : Promise.resolve({});
  return {
    summary,
    gradient: { ...(await npzFile(join(folder, 'gradient.npz'))), ...(await under('gradient')) },
    values: await under('values'),
    final: await under('final'),
    trajectory: await under('trajectory'),
    optimum: await npzFile(join(folder, 'optimum.npz')),
  };
}

async function npzFile(path: string): Promise<Tensors> {
  const names = await npzNames(path).catch(() => []);
  const tensors: Record<string, Tensor> = {};
  for (const name of names) tensors[name] = await tensorOf(await openNpz(path, name));
  return tensors;
}

async function arraysOf(folder: string, kind: ResultKind): Promise<Tensors> {
  const tensors: Record<string, Tensor> = {};
  for (const { field, open } of await resultArrays(folder, kind))
    tensors[field] = await tensorOf(await open());
  return tensors;
}

async function tensorOf(array: RawArray): Promise<Tensor> {
  try {
    const read = await array.elements(0, elementCount(array.shape));
    return { shape: array.shape, data: Float64Array.from(read) };
  } finally {
    await array.close();
  }
}
