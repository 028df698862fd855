import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RowData } from '../../src/worker/engine/engine.ts';
import { fileRows, holdRows, sharedRows } from '../../src/worker/rows.ts';
import { temporaryFolder } from '../arrays/folder.ts';

describe('holdRows', () => {
  it('puts the rows of a shard where they belong, whichever shard comes first', async () => {
    const store = holdRows({ rowCount: 5, shapeOf: () => [5, 2] });
    const part = (begin: number, end: number, data: number[]): RowData => ({
      kind: 'gradient',
      field: 'x',
      shard: { index: begin, begin, end },
      width: 2,
      data: Float32Array.from(data),
    });
    await store.write(part(3, 5, [6, 7, 8, 9]));
    await store.write(part(0, 3, [0, 1, 2, 3, 4, 5]));
    expect(store.held()).toEqual([
      {
        kind: 'gradient',
        field: 'x',
        shape: [5, 2],
        data: Float64Array.from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
      },
    ]);
  });

  it('lays a trajectory out as times × rows × width', async () => {
    const store = holdRows({ rowCount: 3, shapeOf: () => [2, 3, 1] });
    const part = (begin: number, end: number, data: number[]): RowData => ({
      kind: 'trajectory',
      field: 'x',
      shard: { index: begin, begin, end },
      width: 1,
      data: Float64Array.from(data),
    });
    await store.write(part(0, 2, [10, 11, 20, 21]));
    await store.write(part(2, 3, [12, 22]));
    expect(store.held()).toEqual([
      { kind: 'trajectory', field: 'x', shape: [2, 3, 1], data: Float64Array.from([10, 11, 12, 20, 21, 22]) },
    ]);
  });
});

describe('sharedRows', () => {
  const layout = { rowCount: 6, shapeOf: () => [6, 2] };
  const part = (begin: number, end: number): RowData => ({
    kind: 'final',
    field: 'x',
    shard: { index: begin, begin, end },
    width: 2,
    data: Float32Array.from({ length: 2 * (end - begin) }, (_, n) => (2 * begin + n) / 3),
  });

  it('are the file that one writer makes, whoever comes first and however often', async () => {
    const folder = await temporaryFolder();
    const path = async (kind: string, file: string): Promise<string> => join(folder, `${kind}-${file}`);
    const one = fileRows(layout, 'f32', async () => join(folder, 'one.npy'));
    for (const rows of [part(0, 2), part(2, 5), part(5, 6)]) await one.write(rows);
    await one.close();
    const [a, b, c] = [1, 2, 3].map(() => sharedRows(layout, 'f32', path));
    await b!.write(part(2, 5));
    await Promise.all([a!.write(part(0, 2)), c!.write(part(5, 6)), a!.write(part(2, 5))]);
    await a!.flush();
    await c!.write(part(5, 6));
    for (const store of [a, b, c]) await store!.close();
    const [ours, theirs] = [
      await readFile(join(folder, 'final-x.npy')),
      await readFile(join(folder, 'one.npy')),
    ];
    expect(ours.equals(theirs)).toBe(true);
  });
});
