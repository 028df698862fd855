/** What does a zarr group of results say of itself? Its descriptions, which are written when its numbers are there. */
import { elementCount } from './source.ts';

/** The folder of the group, among the results of a run. */
export const zarrGroup = 'tracers.zarr';

/** One array of the group. Its chunks are raw little-endian numbers, so that ranges of rows are written in place. */
export interface ZarrArray {
  /** Names separated by `/`: the groups it is in, and its own. */
  readonly path: string;
  readonly type: 'f4' | 'f8';
  readonly shape: readonly number[];
  readonly chunkShape: readonly number[];
  /** A name for each axis, as xarray wants them. */
  readonly dimensions: readonly string[];
}

/** A file of the group. */
export interface ZarrDocument {
  readonly path: string;
  readonly text: string;
}

/** The file of a chunk, by its index along each axis. */
export function chunkPath({ path }: Pick<ZarrArray, 'path'>, index: readonly number[]): string {
  return `${path}/c.${index.join('.')}`;
}

/** Bytes of every chunk; one at the end of an axis is as large as the others. */
export function chunkBytes({ type, chunkShape }: ZarrArray): number {
  return elementCount(chunkShape) * (type === 'f4' ? 4 : 8);
}

/**
 * The `zarr.json` of every array and group, the root's last: without it there is no group. Every group also repeats the
 * descriptions below it, so that opening it reads one file.
 *
 * Zarr core specification, version 3.0, https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html; consolidated
 * metadata as zarr-python 3 writes it.
 */
export function zarrDocuments(
  arrays: readonly ZarrArray[],
  attributes: Readonly<Record<string, string>>,
): readonly ZarrDocument[] {
  const described = new Map<string, object>(
    [...arrays]
      .sort((a, b) => (a.path < b.path ? -1 : 1))
      .map((array) => [array.path, arrayDescription(array)]),
  );
  // Deepest first: a group repeats the groups in it.
  const groups = [...new Set(arrays.flatMap(({ path }) => parentsOf(path)))].sort(
    (a, b) => b.length - a.length,
  );
  for (const group of groups) {
    described.set(group, {
      attributes: group === '' ? attributes : {},
      zarr_format: 3,
      node_type: 'group',
    });
  }
  return [...described].map(([path, own]) => ({
    path: path === '' ? 'zarr.json' : `${path}/zarr.json`,
    text: `${JSON.stringify(groups.includes(path) ? { ...own, ...consolidated(path, described) } : own, null, 2)}\n`,
  }));
}

function arrayDescription({ type, shape, chunkShape, dimensions }: ZarrArray): object {
  return {
    shape,
    data_type: type === 'f4' ? 'float32' : 'float64',
    chunk_grid: { name: 'regular', configuration: { chunk_shape: chunkShape } },
    chunk_key_encoding: { name: 'default', configuration: { separator: '.' } },
    // A row that was never written is no number.
    fill_value: 'NaN',
    codecs: [{ name: 'bytes', configuration: { endian: 'little' } }],
    attributes: {},
    dimension_names: dimensions,
    zarr_format: 3,
    node_type: 'array',
    storage_transformers: [],
  };
}

function consolidated(group: string, described: ReadonlyMap<string, object>): object {
  const below = group === '' ? '' : `${group}/`;
  const entries = [...described]
    .filter(([path]) => path !== group && path.startsWith(below))
    .map(([path, own]): [string, object] => [path.slice(below.length), own])
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    consolidated_metadata: {
      kind: 'inline',
      must_understand: false,
      metadata: Object.fromEntries(entries),
    },
  };
}

/** `a/b/c` ↦ `a/b`, `a` and the root. */
function parentsOf(path: string): readonly string[] {
  const names = path.split('/');
  return names.map((_, n) => names.slice(0, names.length - 1 - n).join('/'));
}
