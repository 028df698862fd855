/** Do parts that meet in a folder give the bits of one run? Real processes, one of them killed and started again. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { isOwnLeaf } from '../../src/partition/parts.ts';
import { built, skewflow, started } from '../cli/skewflow.ts';

const job = `
name: shared
sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, rows: 5 }
tracers: { x: { uniform: [-1, 1], dim: 2, seed: 3 }, rows: 4000 }
params: { sigma: 0.7 }
flow:
  x: mean(j, exp(-sqdist(x, q[j]) / sigma^2) * (q[j] - x))
  q: sum(k != j, 0.1 * (q[k] - q))
integrate: { scheme: rk4, from: 0, to: 1, steps: 8 }
loss: log(mean(i, sqnorm(x)))
gradient: [q, sigma, x]
shards: 7
output: { save: [final] }
`;

const fit = job
  .replace('gradient: [q, sigma, x]', 'optimize: { over: [q, sigma], method: lbfgs, iterations: 6 }')
  .replace('rows: 4000', 'rows: 60000');

async function folderWith(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'skewflow-parts-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'job.yaml'), text);
  return folder;
}

const args = (part: number, of: number): readonly string[] => [
  'run',
  'job.yaml',
  '--engine',
  'wasm',
  '--threads',
  '1',
  '--part',
  `${part}/${of}`,
  '--meet',
  'meet',
  '--out',
  'shared',
];

/** Every file of two folders of results that must have equal bits. */
async function expectSameBits(folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const [ours, theirs] = await Promise.all(
      ['shared', 'alone'].map((place) => readFile(join(folder, place, name))),
    );
    expect(ours?.equals(theirs as Buffer), name).toBe(true);
  }
}

/** Resolves when the parts have met over a number of phases. */
async function met(folder: string, phases: number): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    const [digest] = await readdir(join(folder, 'meet')).catch(() => []);
    const names = digest === undefined ? [] : await readdir(join(folder, 'meet', digest));
    if (names.filter((name) => /^\d+-/.test(name)).length >= phases) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`the parts have not met over ${phases} phases within a minute`);
}

test('each leaf is one part’s, and parts are contiguous', () => {
  for (const [shards, count] of [
    [7, 3],
    [4, 4],
    [1000, 7],
  ] as const) {
    const owners = Array.from({ length: shards }, (_, shard) =>
      Array.from({ length: count }, (__, index) => index).filter((index) =>
        isOwnLeaf({ index, count }, shards, shard),
      ),
    );
    expect(owners.every((own) => own.length === 1)).toBe(true);
    const order = owners.flat();
    expect([...order].sort((a, b) => a - b)).toEqual(order);
    expect(new Set(order).size).toBe(count);
  }
});

describe('parts of a job', () => {
  beforeAll(built);

  test.each([
    ['npy', ['gradient/x.npy', 'final/x.npy']],
    ['zarr', ['zarr.json', 'gradient/x/c.0.0', 'final/x/c.5.0'].map((path) => `tracers.zarr/${path}`)],
  ])('give the bits of one run, tracers’ rows in %s too', { timeout: 120_000 }, async (format, rows) => {
    const folder = await folderWith(job.replace('[final] }', `[final], format: ${format} }`));
    const ends = await Promise.all([0, 1, 2].map((part) => skewflow(args(part, 3), folder)));
    expect(
      ends.map(({ code }) => code),
      ends.map(({ stderr }) => stderr).join(''),
    ).toEqual([0, 0, 0]);
    const alone = await skewflow(
      ['run', 'job.yaml', '--engine', 'wasm', '--threads', '2', '--out', 'alone'],
      folder,
    );
    expect(alone.code, alone.stderr).toBe(0);
    await expectSameBits(folder, ['gradient.npz', 'final/q.npy', ...rows]);
    const loss = async (place: string): Promise<unknown> =>
      (JSON.parse(await readFile(join(folder, place, 'result.json'), 'utf8')) as { loss: number }).loss;
    expect(await loss('shared')).toBe(await loss('alone'));
  });

  test('go on where they were when one is killed in an optimisation', { timeout: 240_000 }, async () => {
    const folder = await folderWith(fit);
    const parts = [0, 1, 2].map((part) => started(args(part, 3), folder));
    await met(folder, 5);
    parts[1]?.interrupt('SIGKILL');
    expect((await parts[1]?.done)?.code).toBeNull();
    parts[1] = started(args(1, 3), folder);
    const ends = await Promise.all(parts.map(({ done }) => done));
    expect(
      ends.map(({ code }) => code),
      ends.map(({ stderr }) => stderr).join(''),
    ).toEqual([0, 0, 0]);
    const alone = await skewflow(
      ['run', 'job.yaml', '--engine', 'wasm', '--threads', '2', '--out', 'alone'],
      folder,
    );
    expect(alone.code, alone.stderr).toBe(0);
    await expectSameBits(folder, ['optimum.npz', 'final/x.npy']);
  });

  test('find everything answered when they are started again at the end', { timeout: 120_000 }, async () => {
    const folder = await folderWith(job);
    const ends = [skewflow(args(0, 2), folder), skewflow(args(1, 2), folder)];
    expect((await Promise.all(ends)).map(({ code }) => code)).toEqual([0, 0]);
    const [digest = ''] = await readdir(join(folder, 'meet'));
    const frames = async (): Promise<readonly string[]> =>
      (await readdir(join(folder, 'meet', digest), { recursive: true })).filter((n) => n.endsWith('.frame'));
    const before = await frames();
    for (const part of [1, 0]) {
      const again = await skewflow([...args(part, 2), '--force'], folder);
      expect(again.code, again.stderr).toBe(0);
    }
    expect(await frames()).toEqual(before);
  });

  test('refuse another division of the job, and a part without a place', { timeout: 120_000 }, async () => {
    const folder = await folderWith(job);
    expect((await skewflow(args(0, 1), folder)).code).toBe(0);
    const other = await skewflow(args(1, 2), folder);
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(/all alike.*2 parts.*1 parts/);
    expect((await skewflow(['run', 'job.yaml', '--part', '0/2'], folder)).code).toBe(2);
    expect((await skewflow(args(0, 8), folder)).stderr).toMatch(/8 parts for 7 shards/);
  });
});
