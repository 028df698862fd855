/**
 * How do rows lie in a bucket, where nothing is written in place? Each shard's rows of an array are one object, put there by
 * whoever computed them; an array, or a chunk of it, is made of pieces of these when all are there.
 */
import { formatNpyHeader } from '../arrays/npy-header.ts';
import { elementCount } from '../arrays/source.ts';
import { chunkBytes, chunkPath, type ZarrArray, zarrGroup } from '../arrays/zarr-group.ts';
import { pieceBytes } from '../objects/compose.ts';
import type { ObjectStore, Piece } from '../objects/object-store.ts';

/** Rows [begin, end) of the tracers. */
interface Rows {
  readonly index: number;
  readonly begin: number;
  readonly end: number;
}

/** A file of the results, and what it is made of. */
interface Composed {
  readonly path: string;
  readonly pieces: readonly Piece[];
}

/** What all workers leave of a run, and how it is to lie. */
export interface RowsLeft {
  readonly arrays: readonly ZarrArray[];
  readonly shards: readonly Rows[];
  readonly format: 'npy' | 'zarr';
}

/** The key of a shard's rows of an array: saved times × rows × width, raw and little-endian. */
export function rowPartKey(rowsKey: string, array: Pick<ZarrArray, 'path'>, shard: number): string {
  return `${rowsKey}/${array.path}/${shard}`;
}

/** Make the files of the results out of the shards' objects. */
export async function composeRows(
  objects: ObjectStore,
  rowsKey: string,
  target: string,
  left: RowsLeft,
): Promise<void> {
  for (const { path, pieces } of composedFiles(rowsKey, left))
    await objects.compose(`${target}/${path}`, pieces);
}

/** Bytes of a file of the results. */
export function bytesOf({ pieces }: Composed): number {
  return pieces.reduce((sum, piece) => sum + pieceBytes(piece), 0);
}

/** The files, and the pieces each is made of. */
export function composedFiles(rowsKey: string, { arrays, shards, format }: RowsLeft): readonly Composed[] {
  return arrays.flatMap((array): readonly Composed[] => {
    const rowCount = array.shape[tracerAxis(array)] ?? 0;
    const pieces = (begin: number, end: number): readonly Piece[] =>
      rowPieces(array, shards, (shard) => rowPartKey(rowsKey, array, shard), { begin, end });
    if (format === 'npy') {
      const header: Piece = { kind: 'bytes', bytes: formatNpyHeader(array.type, array.shape) };
      return [{ path: `${array.path}.npy`, pieces: [header, ...pieces(0, rowCount)] }];
    }
    const chunkRows = array.chunkShape[tracerAxis(array)] ?? 1;
    return Array.from({ length: Math.ceil(rowCount / chunkRows) }, (_, chunk) => {
      const index = array.shape.map((_length, axis) => (axis === tracerAxis(array) ? chunk : 0));
      const end = Math.min(rowCount, (chunk + 1) * chunkRows);
      const missing = chunkRows - (end - chunk * chunkRows);
      return {
        path: `${zarrGroup}/${chunkPath(array, index)}`,
        pieces:
          missing === 0 ? pieces(chunk * chunkRows, end) : padded(array, pieces, { chunk, end, missing }),
      };
    });
  });
}

/** The last chunk is as long as the others: after the rows of each time come rows that nobody reads. */
function padded(
  array: ZarrArray,
  pieces: (begin: number, end: number) => readonly Piece[],
  { chunk, end, missing }: { readonly chunk: number; readonly end: number; readonly missing: number },
): readonly Piece[] {
  const axis = tracerAxis(array);
  const times = elementCount(array.shape.slice(0, axis));
  const rowBytes = chunkBytes(array) / (times * (array.chunkShape[axis] ?? 1));
  const air: Piece = { kind: 'bytes', bytes: Buffer.alloc(missing * rowBytes) };
  const all = pieces(chunk * (array.chunkShape[axis] ?? 1), end);
  const each = all.length / times;
  return Array.from({ length: times }, (_, time) => [
    ...all.slice(time * each, (time + 1) * each),
    air,
  ]).flat();
}

/** Rows [begin, end) of an array, time by time; each time has as many pieces as shards have rows there. */
function rowPieces(
  array: ZarrArray,
  shards: readonly Rows[],
  keyOf: (shard: number) => string,
  { begin, end }: { readonly begin: number; readonly end: number },
): readonly Piece[] {
  const axis = tracerAxis(array);
  const times = elementCount(array.shape.slice(0, axis));
  const rowBytes = elementCount(array.shape.slice(axis + 1)) * (array.type === 'f4' ? 4 : 8);
  const there = shards.filter((shard) => shard.begin < end && shard.end > begin);
  return Array.from({ length: times }, (_, time) =>
    there.map((shard): Piece => {
      const at = (row: number): number => (time * (shard.end - shard.begin) + row - shard.begin) * rowBytes;
      return {
        kind: 'object',
        key: keyOf(shard.index),
        begin: at(Math.max(begin, shard.begin)),
        end: at(Math.min(end, shard.end)),
      };
    }),
  ).flat();
}

function tracerAxis({ dimensions }: ZarrArray): number {
  return dimensions.indexOf('tracer');
}
