/** `skewflow run` of an optimisation: what it says, what it leaves, and how it is taken up again after a signal. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { readHistory } from '../../src/plot/history.ts';
import { temporaryFolder } from '../arrays/folder.ts';
import { built, skewflow, started } from './skewflow.ts';

beforeAll(built);

/** Slow enough to be interrupted: gradient descent at a rate that needs all its iterations. */
const job = `
name: fit
sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, p: { normal: [0, 0.3], dim: 2, seed: 2 }, rows: 6 }
tracers: { x: { uniform: [-1, 1], dim: 2, seed: 3 }, goal: { uniform: [-0.6, 1.3], dim: 2, seed: 4 }, rows: 4000 }
flow:
  x: sum(j, exp(-sqdist(x, q[j])) * p[j])
integrate: { scheme: heun, from: 0, to: 1, steps: 20 }
loss: mean(i, sqdist(x, goal))
optimize: { over: [p], method: gd, rate: 0.03, iterations: 60 }
precision: f64
`;

async function folderWithJob(): Promise<string> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'job.yaml'), job);
  return folder;
}

const losses = async (out: string): Promise<readonly number[]> =>
  readHistory(await readFile(join(out, 'history.csv'), 'utf8'))!.map(({ loss }) => loss);

/** Resolves when there is a checkpoint beside `fit-out`. */
async function checkpointed(folder: string): Promise<void> {
  for (;;) {
    const names = await readdir(join(folder, '.fit-out.checkpoint')).catch(() => []);
    if (names.some((name) => name >= '000000004')) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('skewflow run of an optimisation', () => {
  test('says how it ended, and leaves the optimum, the history and its plot', async () => {
    const folder = await folderWithJob();
    const { code, stdout, stderr } = await skewflow(
      ['run', 'job.yaml', '--set', 'optimize.iterations=3'],
      folder,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^iterations +3 \(4 evaluations\): the limit of `iterations` is reached$/mu);
    expect((await readdir(join(folder, 'fit-out'))).sort()).toEqual([
      'convergence.svg',
      'gradient.npz',
      'history.csv',
      'job.yaml',
      'optimum.npz',
      'result.json',
    ]);
    expect(await readdir(folder)).toEqual(['fit-out', 'job.yaml']);
  });

  test.each([
    ['kill -9', 'SIGKILL', null],
    ['Ctrl-C', 'SIGINT', 130],
  ] as const)('goes on after %s with the same command, to the same bits', async (_, signal, ends) => {
    const folder = await folderWithJob();
    const run = started(['run', 'job.yaml'], folder);
    await checkpointed(folder);
    run.interrupt(signal);
    const { code, stderr: said } = await run.done;
    expect(code).toBe(ends);
    if (ends !== null)
      expect(said).toMatch(/^stopped at iteration \d+: the same command goes on from there$/mu);
    const { code: resumed, stderr } = await skewflow(['run', 'job.yaml'], folder);
    expect(resumed).toBe(0);
    expect(stderr).toMatch(/^resuming from iteration \d+$/mu);
    await skewflow(['run', 'job.yaml', '--out', 'whole'], folder);
    expect(await losses(join(folder, 'fit-out'))).toEqual(await losses(join(folder, 'whole')));
    for (const file of ['optimum.npz', 'gradient.npz']) {
      expect(await readFile(join(folder, 'fit-out', file))).toEqual(
        await readFile(join(folder, 'whole', file)),
      );
    }
  });
});
