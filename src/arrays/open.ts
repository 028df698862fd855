/** Which reader an entry of a job's `sources`, `tracers`, `sets`, `pairs` or `params` asks for. */
import { resolve } from 'node:path';
import { SkewflowError } from '../errors.ts';
import { type GeneratorSpec, openGenerator, repeated } from './generators.ts';
import { type NestedList, openInline, openShaped, type Shaped } from './inline.ts';
import { npyIn, openNpy } from './npy.ts';
import type { Reach } from './reach.ts';
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
const readable = '`.npy`, `.npz#name`, `.csv`, `.zarr` or `.zarr#name`';

/**
 * Opens an array; what it holds is not read yet.
 *
 * @param field - the name it has in the job: random generators depend on it
 * @param folder - where relative paths start
 * @param reach - what may be read over the network
 * @throws InputError naming the path, and what to do; OutOfReachError for a server that does not answer
 */
export async function openArray(
  spec: ArraySpec,
  field: string,
  folder: string,
  reach: Reach,
): Promise<Opened> {
  if (typeof spec === 'string') return { kind: 'array', array: await openPath(spec, folder, reach) };
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

async function openPath(text: string, folder: string, reach: Reach): Promise<RawArray> {
  const refuse = (why: string): never => {
    throw new SkewflowError('InputError', `${text}: ${why}`);
  };
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//iu.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined) return openUrl(text, scheme, reach);
  const { path, name } = namedPart(text);
  const full = resolve(folder, path);
  if (/\.zarr\/?$/iu.test(path)) {
    const [{ openFolder }, { openZarr }] = await Promise.all([import('./byte-tree.ts'), import('./zarr.ts')]);
    return openZarr(await openFolder(full, path), name ?? '', text);
  }
  if (/\.npz$/iu.test(path)) {
    if (name === null || name === '') return refuse('name the array of the archive: `path.npz#name`');
    const { openNpz } = await import('./npz.ts');
    return openNpz(full, name, path);
  }
  if (name !== null)
    return refuse('only a .npz or a .zarr holds named arrays: leave `#` and what follows away');
  if (/\.npy$/iu.test(path)) return openNpy(full, text);
  if (/\.csv$/iu.test(path)) {
    const { openCsv } = await import('./csv.ts');
    return openCsv(full, text);
  }
  if (text.trim() !== '' && Number.isFinite(Number(text)))
    return refuse('this is text: a number is written without quotes');
  return refuse(`not a path that can be read: it ends in none of ${readable}`);
}

/** A .npy or a zarr behind a URL. */
async function openUrl(text: string, scheme: string, reach: Reach): Promise<RawArray> {
  const refuse = (why: string): never => {
    throw new SkewflowError('InputError', `${text}: ${why}`);
  };
  if (!['http', 'https', 's3'].includes(scheme)) {
    return refuse(
      `${scheme}:// is no place arrays are read from: give a path (${readable}), https:// or s3://`,
    );
  }
  if (!URL.canParse(text)) return refuse('not a URL that can be read');
  const { path, name } = namedPart(text);
  const url = new URL(path);
  const ending = /\.(npy|zarr)\/?$/iu.exec(url.pathname)?.[1]?.toLowerCase();
  if (ending === undefined)
    return refuse('behind a URL a `.npy` or a `.zarr` is read: its path ends in neither');
  if (ending === 'npy' && name !== null)
    return refuse('only a .zarr holds named arrays: leave `#` and what follows away');
  if (scheme === 's3') {
    const { openS3File, openS3Tree } = await import('./s3-bytes.ts');
    if (ending === 'npy') return npyIn(await openS3File(path, reach.s3));
    const { openZarr } = await import('./zarr.ts');
    return openZarr(await openS3Tree(path, reach.s3), name ?? '', text);
  }
  const { openHttpFile, openHttpTree } = await import('./http-bytes.ts');
  if (ending === 'npy') return npyIn(await openHttpFile(url, reach));
  const { openZarr } = await import('./zarr.ts');
  const tree = openHttpTree(url, reach);
  return openZarr(tree, name ?? '', name === null ? tree.label : `${tree.label}#${name}`);
}

/** `path#name` in two; null: no name. */
function namedPart(text: string): { readonly path: string; readonly name: string | null } {
  const hash = text.lastIndexOf('#');
  return hash < 0 ? { path: text, name: null } : { path: text.slice(0, hash), name: text.slice(hash + 1) };
}
