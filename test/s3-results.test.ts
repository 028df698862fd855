import { readdir } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { openArray } from '../src/arrays/open.ts';
import { publicReach } from '../src/arrays/reach.ts';
import { type JobObject, run } from '../src/index.ts';
import type { ObjectStore } from '../src/objects/object-store.ts';
import { openS3 } from '../src/objects/s3.ts';
import { temporaryFolder } from './arrays/folder.ts';
import { type Moto, motoMissing, motoPython, startMoto } from './objects/moto.ts';

const job: JobObject = {
  name: 'in a bucket',
  sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, p: { normal: [0, 0.3], dim: 2, seed: 2 }, rows: 3 },
  tracers: { x: { uniform: [-1, 1], dim: 2, seed: 3 }, rows: 600 },
  flow: { x: 'sum(j, exp(-sqdist(x, q[j])) * p[j])' },
  integrate: { scheme: 'ralston', from: 0, to: 1, steps: 4 },
  loss: 'mean(i, sqnorm(x))',
  gradient: ['p', 'x'],
  shards: 2,
};

const threads = 1;

describe.skipIf(motoPython === null)(`a run with \`--out s3://…\`${motoMissing}`, () => {
  let moto: Moto;
  let store: ObjectStore;
  beforeAll(async () => {
    moto = await startMoto('results');
    store = await openS3({ bucket: 'results', prefix: '' }, moto.settings);
  });
  afterAll(async () => moto?.[Symbol.asyncDispose]());
  beforeEach(() => {
    for (const [name, value] of Object.entries(moto.environment)) vi.stubEnv(name, value);
  });
  afterEach(() => vi.unstubAllEnvs());

  const keysBelow = async (prefix: string): Promise<string[]> => {
    const keys: string[] = [];
    for await (const { key } of store.list(prefix)) keys.push(key.slice(prefix.length));
    return keys;
  };
  const read = async (url: string, count: number): Promise<number[]> => {
    const opened = await openArray(url, 'x', '.', { ...publicReach, s3: moto.settings });
    if (opened.kind !== 'array') throw new Error('a URL is an array');
    return [...(await opened.array.elements(0, count))];
  };

  it('uploads what a folder would hold, and its arrays are inputs again', async () => {
    const temporary = await temporaryFolder();
    vi.stubEnv('TMPDIR', temporary);
    const expected = await run(job, { threads });
    const { folder, loss } = await run(job, { threads, out: 's3://results/a/npy/' });
    expect(folder).toBe('s3://results/a/npy');
    expect(await keysBelow('a/npy/')).toEqual(['gradient.npz', 'gradient/x.npy', 'job.yaml', 'result.json']);
    expect(JSON.parse((await store.get('a/npy/result.json'))!.bytes.toString())).toMatchObject({ loss });
    expect(await read('s3://results/a/npy/gradient/x.npy', 1200)).toEqual([...expected.gradient['x']!.data]);
    const again = await run({ ...job, tracers: { x: 's3://results/a/npy/gradient/x.npy' } }, { threads });
    expect(again.loss).toBeGreaterThan(0);

    await run({ ...job, output: { format: 'zarr' } }, { threads, out: 's3://results/a/zarr' });
    expect(await read('s3://results/a/zarr/tracers.zarr#gradient/x', 1200)).toEqual([
      ...expected.gradient['x']!.data,
    ]);
    // Other tools keep folders of their own there.
    expect((await readdir(temporary)).filter((name) => name.startsWith('skewflow-'))).toEqual([]);
  });

  it('replaces a result only with force, and nothing else at all', async () => {
    await run(job, { threads, out: 's3://results/twice' });
    const before = await store.head('twice/result.json');
    await expect(run(job, { threads, out: 's3://results/twice' })).rejects.toMatchObject({
      tag: 'UsageError',
      message: 's3://results/twice exists: choose another place with `--out`, or replace it with `--force`',
    });
    await store.put('twice/final/old.npy', Buffer.from('old'));
    await run(job, { threads, out: 's3://results/twice', force: true });
    expect(await store.head('twice/final/old.npy')).toBeNull();
    expect(await store.head('twice/result.json')).not.toEqual(before);
    await store.put('thesis/thesis.tex', Buffer.from('words'));
    await expect(run(job, { threads, out: 's3://results/thesis', force: true })).rejects.toThrow(
      's3://results/thesis holds no results (there is no result.json)',
    );
  });

  it('uploads nothing of a run that is stopped, and leaves an older result', async () => {
    await run(job, { threads, out: 's3://results/stopped' });
    const before = await store.head('stopped/result.json');
    // A loss that is not linear in its sums has a phase of its own for them, which is told.
    const stop = new AbortController();
    const stopped = run(
      { ...job, loss: 'log(mean(i, exp(-sqnorm(x))))' },
      {
        threads,
        out: 's3://results/stopped',
        force: true,
        signal: stop.signal,
        onProgress: ({ phase }) => {
          if (phase === 'sums') stop.abort();
        },
      },
    );
    await expect(stopped).rejects.toMatchObject({ tag: 'AbortedError' });
    expect(await store.head('stopped/result.json')).toEqual(before);
  });

  it('needs a bucket that is there, and a folder in it', async () => {
    await expect(run(job, { threads, out: 's3://no-such-bucket/a' })).rejects.toMatchObject({
      tag: 'OutOfReachError',
    });
    await expect(run(job, { threads, out: 's3://results' })).rejects.toMatchObject({ tag: 'UsageError' });
  });
});
