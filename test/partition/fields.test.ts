import { describe, expect, it } from 'vitest';
import type { System } from '../../src/kernels/system.ts';
import { numbersPerRow, readPart, shardedArrays, sharedArrays } from '../../src/partition/fields.ts';

const group = (rows: number, evolving: [string, number][], constant: [string, number][]) => ({
  rows,
  evolving: evolving.map(([name, width]) => ({ name, width })),
  constant: constant.map(([name, width]) => ({ name, width })),
});

const system = {
  sources: group(4, [['q', 3]], [['mass', 1]]),
  tracers: group(100, [['x', 3]], [['goal', 2]]),
  sets: new Map([['target', group(7, [], [['z', 2]])]]),
  pairs: [{ name: 'W', width: 2 }],
  params: [{ name: 'sigma', width: 1 }],
  terms: [
    { with: [{ name: 'seen', width: 3, slices: 5, group: 'tracers' }] },
    { with: [{ name: 'pull', width: 1, slices: 2, group: 'sources' }] },
  ],
} as unknown as System;

describe('arrays of a job', () => {
  it('are whole for every leaf where they are of sources, sets, pairs and parameters', () => {
    expect(sharedArrays(system)).toEqual([
      { name: 'q', rows: 4, width: 3, slices: 1 },
      { name: 'mass', rows: 4, width: 1, slices: 1 },
      { name: 'z', rows: 7, width: 2, slices: 1 },
      { name: 'W', rows: 16, width: 2, slices: 1 },
      { name: 'sigma', rows: 1, width: 1, slices: 1 },
      { name: 'pull', rows: 4, width: 1, slices: 2 },
    ]);
  });

  it('are cut by rows where they are of tracers', () => {
    expect(shardedArrays(system).map((a) => a.name)).toEqual(['x', 'goal', 'seen']);
    expect(numbersPerRow(system)).toBe(3 + 2 + 15);
    expect(shardedArrays({ ...system, tracers: null })).toEqual([]);
  });

  it('are read slice after slice where a shard holds some rows of every slice', async () => {
    const array = Float64Array.from({ length: 3 * 10 * 2 }, (_, k) => k);
    const read = async (_: string, begin: number, end: number): Promise<Float64Array> =>
      array.slice(begin * 2, end * 2);
    const part = await readPart({ name: 'seen', rows: 10, width: 2, slices: 3 }, 4, 6, read);
    expect([...part]).toEqual([8, 9, 10, 11, 28, 29, 30, 31, 48, 49, 50, 51]);
  });
});
