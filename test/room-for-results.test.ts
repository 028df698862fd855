/** What no machine can hold or write is refused before anything is computed, with both figures. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { explain, type JobObject, run } from '../src/index.ts';
import { refuseWithoutRoom, refuseWithoutRoomIn } from '../src/room-for-results.ts';
import { isFull } from '../src/storage/room.ts';

const out = { target: join(tmpdir(), 'skewflow-no-such', 'deep', 'out'), force: false, s3: {} as never };

describe('room for the results', () => {
  test('is looked for where the folder will be, which need not exist', async () => {
    await refuseWithoutRoom({ precision: 'f32' }, 3n, out, 1);
    await expect(refuseWithoutRoom({ precision: 'f32' }, 2n ** 62n, out, 1)).rejects.toMatchObject({
      tag: 'MemoryError',
      message: expect.stringMatching(/results have 4\.00 EiB, and .* are free where .*`--out`/),
      details: { needed: 2 ** 62 },
    });
  });

  test('is memory without a folder, where numbers are in double precision', async () => {
    await refuseWithoutRoom({ precision: 'f32' }, 50n, null, 100);
    await refuseWithoutRoom({ precision: 'f64' }, 100n, null, 100);
    await expect(refuseWithoutRoom({ precision: 'f32' }, 51n, null, 100)).rejects.toThrow(/102 B, and 100 B/);
  });

  test('is not asked of a bucket', async () => {
    await refuseWithoutRoom({ precision: 'f32' }, 2n ** 62n, { ...out, target: 's3://results/a' }, 1);
  });
});

test('room for a run of a fleet is looked for in its root, may be waited for, and is not asked of one that has begun', async () => {
  const root = (has: boolean, free: number | null) => ({
    url: 'file:///shared',
    has: async () => has,
    freeBytes: async () => free,
  });
  const run = '0123456789abcdef0123';
  await refuseWithoutRoomIn(root(false, 100), run, 100n);
  await refuseWithoutRoomIn(root(true, 3), run, 100n);
  await refuseWithoutRoomIn(root(false, null), run, 2n ** 62n);
  const refused = await refuseWithoutRoomIn(root(false, 99), run, 100n).catch((error: unknown) => error);
  expect(refused).toMatchObject({ tag: 'MemoryError', details: { needed: 100, available: 99 } });
  expect(String(refused)).toMatch(/100 B, and 99 B are free in file:\/\/\/shared: .*make room there/);
  expect(isFull(refused)).toBe(true);
});

describe('a job that is absurdly large', () => {
  const job = (sources: number, tracers: number): JobObject => ({
    sources: { q: { uniform: [-1, 1], dim: 2, seed: 3 }, rows: sources },
    tracers: { x: { uniform: [-1, 1], dim: 2, seed: 7 }, rows: tracers },
    flow: { x: 'mean(j, q[j] - x)' },
    integrate: { scheme: 'euler', from: 0, to: 1, steps: 3 },
    loss: 'mean(i, sqnorm(x))',
    gradient: ['x'],
  });

  test.each([900_000_000_000, 2_000_000_000_000_000])('of %i sources is refused', async (rows) => {
    const refused = { tag: rows > 2 ** 40 ? 'JobFileError' : 'MemoryError' };
    await expect(run(job(rows, 3))).rejects.toMatchObject(refused);
    await expect(explain(job(rows, 3))).rejects.toMatchObject(refused);
  });

  test('of 9·10¹¹ tracers is refused where their results have no room, and explained', async () => {
    await expect(run(job(3, 900_000_000_000))).rejects.toThrow(/results have 13\.1 TiB/);
    expect((await explain(job(3, 900_000_000_000))).memory.resultBytes).toBe(900_000_000_000 * 2 * 4);
  });
});
