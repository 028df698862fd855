import { describe, expect, it } from 'vitest';
import type { RowData } from '../../src/worker/engine/engine.ts';
import { holdRows } from '../../src/worker/rows.ts';

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
