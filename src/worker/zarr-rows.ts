/**
 * Where do the rows of a shard lie in the chunks of a zarr? In one chunk or in a few neighbours, in place; any number of
 * processes write the same group, each the rows it computed.
 */
import { chunkFiles } from '../arrays/chunk-files.ts';
import { chunkBytes, chunkPath, type ZarrArray } from '../arrays/zarr-group.ts';
import type { RowData } from './engine/engine.ts';
import type { FileRowStore } from './rows.ts';

/**
 * A row store in the chunks of a zarr group. The group is no group yet: its descriptions are written when all rows are there.
 *
 * @param type - of every array
 * @param arrayOf - the array of the group that rows belong to; they are its axis named `tracer`
 * @param pathOf - the path of a file of the group, made ready to be written
 */
export function zarrRows(
  type: 'f4' | 'f8',
  arrayOf: (rows: RowData) => ZarrArray,
  pathOf: (path: string) => Promise<string>,
): Required<FileRowStore> {
  const files = chunkFiles(type);
  return {
    write: async (rows) => {
      const array = arrayOf(rows);
      const axis = array.dimensions.indexOf('tracer');
      for (const { chunk, pieces } of piecesOf(rows, array.chunkShape[axis]!)) {
        const path = await pathOf(
          chunkPath(
            array,
            array.shape.map((_, n) => (n === axis ? chunk : 0)),
          ),
        );
        const data = pieces.map(({ begin, from, count }) => ({
          begin,
          data: rows.data.subarray(from, from + count),
        }));
        await files.write(path, chunkBytes(array), data);
      }
    },
    flush: files.flush,
    close: files.flush,
  };
}

/** What of a shard's rows lies in one chunk: numbers `from` on go to elements `begin` on, once a saved time. */
interface ChunkPart {
  readonly chunk: number;
  readonly pieces: readonly { readonly begin: number; readonly from: number; readonly count: number }[];
}

function piecesOf({ shard, width, data }: RowData, chunkRows: number): readonly ChunkPart[] {
  const rows = shard.end - shard.begin;
  if (rows === 0) return [];
  const times = data.length / (rows * width);
  const first = Math.floor(shard.begin / chunkRows);
  const last = Math.floor((shard.end - 1) / chunkRows);
  return Array.from({ length: last - first + 1 }, (_, n) => {
    const chunk = first + n;
    const begin = Math.max(shard.begin, chunk * chunkRows);
    const end = Math.min(shard.end, (chunk + 1) * chunkRows);
    const pieces = Array.from({ length: times }, (_unused, time) => ({
      begin: (time * chunkRows + begin - chunk * chunkRows) * width,
      from: (time * rows + begin - shard.begin) * width,
      count: (end - begin) * width,
    }));
    return { chunk, pieces };
  });
}
