/** Which reader an entry of a job's `sources`, `tracers`, `sets`, `pairs` or `params` asks for. */
import { resolve } from 'node:path';
import { SkewflowError } from '../errors.ts';
import { type GeneratorSpec, openGenerator, repeated } from './generators.ts';
import { type NestedList, openInline, openShaped, type Shaped } from './inline.ts';
import { openNpy } from './npy.ts';
import type { Generated, RawArray } from './source.ts';

/** A value of the job file, or what stands for one in memory. */
export type ArraySpec = GeneratorSpec | NestedList | Shaped | TypedNumbers | number | string;

/** A vector in memory: (R,) of a job given as an object. */
type TypedNumbers =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array;

export type Opened =
  | { readonly kind: 'array'; readonly array: RawArray }
  | { readonly kind: 'generated'; readonly generated: Generated };

/** Ends of paths that can be read, for messages. */
const readable = '`.npy`, `.npz#name` or `.csv`';

/**
 * Opens an array; what it holds is not read yet.
 *
 * @param field - the name it has in the job: random generators depend on it
 * @param folder - where relative paths start
 * @throws InputError naming the path, and what to do
 */
export async function openArray(spec: ArraySpec, field: string, folder: string): Promise<Opened> {
  if (typeof spec === 'string') return { kind: 'array', array: await openPath(spec, folder) };
  if (typeof spec === 'number') return { kind: 'generated', generated: repeated([spec]) };
  if (Array.isArray(spec)) return { kind: 'array', array: openInline(spec as NestedList) };
  if (ArrayBuffer.isView(spec)) {
    return {
      kind: 'array',
      array: openShaped({ shape: [(spec as TypedNumbers).length], data: spec as TypedNumbers }),
    };
  }
  if ('shape' in spec) return { kind: 'array', array: openShaped(spec) };
  return { kind: 'generated', generated: openGenerator(spec as GeneratorSpec, field) };
}

async function openPath(text: string, folder: string): Promise<RawArray> {
  const refuse = (why: string): never => {
    throw new SkewflowError('InputError', `${text}: ${why}`);
  };
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//iu.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined) {
    return refuse(
      scheme === 'https' || scheme === 's3'
        ? `arrays behind ${scheme}:// are not read yet (planned: \`${scheme}://…/array.npy\` and zarr): copy the file beside the job`
        : `${scheme}:// is no place arrays are read from: give a path (${readable})`,
    );
  }
  const hash = text.lastIndexOf('#');
  const path = hash < 0 ? text : text.slice(0, hash);
  const name = hash < 0 ? null : text.slice(hash + 1);
  const full = resolve(folder, path);
  if (/\.zarr$/iu.test(path)) {
    return refuse(
      'zarr is not read yet (planned: `path.zarr` and `path.zarr#group/name`): save it with `np.save` as a .npy',
    );
  }
  if (/\.npz$/iu.test(path)) {
    if (name === null || name === '') return refuse('name the array of the archive: `path.npz#name`');
    const { openNpz } = await import('./npz.ts');
    return openNpz(full, name, path);
  }
  if (name !== null) return refuse('only a .npz holds named arrays: leave `#` and what follows away');
  if (/\.npy$/iu.test(path)) return openNpy(full, text);
  if (/\.csv$/iu.test(path)) {
    const { openCsv } = await import('./csv.ts');
    return openCsv(full, text);
  }
  if (text.trim() !== '' && Number.isFinite(Number(text)))
    return refuse('this is text: a number is written without quotes');
  return refuse(`not a path that can be read: it ends in none of ${readable}`);
}
