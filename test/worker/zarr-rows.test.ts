import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openFolder } from '../../src/arrays/byte-tree.ts';
import { openZarr } from '../../src/arrays/zarr.ts';
import { type ZarrArray, zarrDocuments } from '../../src/arrays/zarr-group.ts';
import { planShards } from '../../src/partition/plan.ts';
import type { RowData } from '../../src/worker/engine/engine.ts';
import { zarrRows } from '../../src/worker/zarr-rows.ts';
import { temporaryFolder } from '../arrays/folder.ts';

/** Times × rows × 2 of x, and rows of w, as the shards of a job write them. */
function arraysOf(rows: number, times: number, chunkRows: number): readonly ZarrArray[] {
  return [
    {
      path: 'trajectory/x',
      type: 'f8',
      shape: [times, rows, 2],
      chunkShape: [times, chunkRows, 2],
      dimensions: ['t', 'tracer', 'x_component'],
    },
    { path: 'gradient/w', type: 'f8', shape: [rows], chunkShape: [chunkRows], dimensions: ['tracer'] },
  ];
}

const arrayIn =
  (arrays: readonly ZarrArray[]) =>
  ({ kind, field }: RowData): ZarrArray =>
    arrays.find(({ path }) => path === `${kind}/${field}`)!;

test('rows are read back where they belong, whoever wrote them and in whatever order', async () => {
  const folder = await temporaryFolder();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 1400 }),
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 3 }),
      fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
      async (rows, shardCount, times, order) => {
        const root = join(folder, String(run++));
        const pathOf = async (path: string): Promise<string> => {
          await mkdir(dirname(join(root, path)), { recursive: true });
          return join(root, path);
        };
        const shards = planShards(rows, shardCount);
        const arrays = arraysOf(rows, times, Math.max(...shards.map(({ begin, end }) => end - begin)));
        const x = Float64Array.from({ length: times * rows * 2 }, (_, n) => Math.sin(n));
        const w = Float64Array.from({ length: rows }, (_, n) => Math.cos(n));
        // Two stores know nothing of each other, as two processes do not.
        const stores = [zarrRows('f8', arrayIn(arrays), pathOf), zarrRows('f8', arrayIn(arrays), pathOf)];
        const shuffled = shards
          .map((shard) => ({ shard, key: order.next().value }))
          .sort((a, b) => a.key - b.key);
        await Promise.all(
          shuffled.map(async ({ shard }, n) => {
            const rowsOf = (time: number): Float64Array =>
              x.subarray((time * rows + shard.begin) * 2, (time * rows + shard.end) * 2);
            const trajectory: RowData = {
              kind: 'trajectory',
              field: 'x',
              shard,
              width: 2,
              data: Float64Array.from(Array.from({ length: times }, (_, t) => [...rowsOf(t)]).flat()),
            };
            const gradient: RowData = {
              kind: 'gradient',
              field: 'w',
              shard,
              width: 1,
              data: w.slice(shard.begin, shard.end),
            };
            await stores[n % 2]!.write(trajectory);
            await stores[n % 2]!.write(gradient);
          }),
        );
        for (const store of stores) await store.close();
        for (const { path, text } of zarrDocuments(arrays, {})) await writeFile(await pathOf(path), text);
        const read = async (name: string, count: number): Promise<ArrayLike<number>> => {
          const array = await openZarr(await openFolder(root), name, name);
          return array.elements(0, count);
        };
        expect(await read('trajectory/x', x.length)).toEqual(x);
        expect(await read('gradient/w', w.length)).toEqual(w);
      },
    ),
    { numRuns: 25 },
  );
});

test('rows that were never written are no numbers', async () => {
  const root = await temporaryFolder();
  const arrays = arraysOf(1000, 1, 256);
  const pathOf = async (path: string): Promise<string> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    return join(root, path);
  };
  const store = zarrRows('f8', arrayIn(arrays), pathOf);
  const shard = { index: 0, begin: 0, end: 256 };
  await store.write({ kind: 'gradient', field: 'w', shard, width: 1, data: new Float32Array(256).fill(0.1) });
  await store.close();
  for (const { path, text } of zarrDocuments(arrays, {})) await writeFile(await pathOf(path), text);
  const array = await openZarr(await openFolder(root), 'gradient/w', 'w');
  expect([...(await array.elements(254, 258))]).toEqual([
    Math.fround(0.1),
    Math.fround(0.1),
    Number.NaN,
    Number.NaN,
  ]);
});
