/** `skewflow run`, from a job file to a folder of results. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../arrays/folder.ts';
import { built, skewflow, started } from './skewflow.ts';

beforeAll(built);

/** Two sources carry 500 tracers in a circle. */
const job = `
sources: { q: [[0, 0], [1, 0]], p: [[0, 1], [0, -1]] }
tracers: { x: { uniform: [-1, 1], dim: 2, seed: 3 }, rows: 500 }
params: { sigma: 0.5 }
flow:
  x: sum(j, exp(-sqdist(x, q[j]) / sigma^2) * p[j])
  q: p
integrate: { scheme: heun, from: 0, to: 1, steps: 10 }
loss: mean(i, sqnorm(x))
gradient: [p, sigma]
precision: f64
values: { far: sqnorm(x) }
output: { save: [final] }
`;

async function folderWith(text: string): Promise<string> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'job.yaml'), text);
  return folder;
}

describe('skewflow run', () => {
  test('prints the loss and the gradient, says which is 0 everywhere, and writes the folder named after the job', async () => {
    const folder = await folderWith(
      job
        .replace('sigma: 0.5 }', 'sigma: 0.5, dead: -0.7 }')
        .replace('loss: ', 'loss: relu(dead) + ')
        .replace('[p, sigma]', '[p, sigma, dead, x]'),
    );
    const { code, stdout, stderr } = await skewflow(['run', 'job.yaml'], folder);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const result = JSON.parse(await readFile(join(folder, 'job-out/result.json'), 'utf8')) as {
      loss: number;
      gradientNorms: Record<string, number>;
    };
    const shown = (name: string): number =>
      Number(new RegExp(`^${name.replaceAll('|', '\\|')} +(\\S+)`, 'm').exec(stdout)?.[1]);
    expect(shown('loss')).toBeCloseTo(result.loss, 8);
    expect(stdout.match(/0 everywhere/gu)).toHaveLength(1);
    expect(stdout).toMatch(/^\|dL\/ddead\| +0 +scalar +0 everywhere: /mu);
    expect(shown('|dL/dp|')).toBeCloseTo(result.gradientNorms['p'] as number, 5);
    expect(stdout).toMatch(/^dL\/dx +gradient\/x\.npy$/mu);
    expect(
      (await readdir(folder, { recursive: true })).filter((f) => f.startsWith('job-out/')).sort(),
    ).toEqual([
      'job-out/final',
      'job-out/final/q.npy',
      'job-out/final/x.npy',
      'job-out/gradient',
      'job-out/gradient.npz',
      'job-out/gradient/x.npy',
      'job-out/job.yaml',
      'job-out/result.json',
      'job-out/values',
      'job-out/values/far.npy',
    ]);
  });

  test('prints one JSON document with --json, that of result.json', async () => {
    const folder = await folderWith(job);
    const { code, stdout } = await skewflow(['run', 'job.yaml', '--json', '--out', 'there'], folder);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual(JSON.parse(await readFile(join(folder, 'there/result.json'), 'utf8')));
  });

  test('agrees with itself on the reference engine', async () => {
    const folder = await folderWith(job);
    const loss = async (engine: string): Promise<number> => {
      const { stdout } = await skewflow(
        ['run', 'job.yaml', '--json', '--out', engine, '--engine', engine],
        folder,
      );
      return (JSON.parse(stdout) as { loss: number }).loss;
    };
    const expected = await loss('reference');
    expect(Math.abs((await loss('wasm')) - expected)).toBeLessThan(1e-13 * expected);
  });

  test('changes the job with --set, and the digest with it', async () => {
    const folder = await folderWith(job);
    const summary = async (...set: string[]): Promise<{ loss: number; jobDigest: string }> => {
      const out = await skewflow(['run', 'job.yaml', '--json', '--force', ...set], folder);
      return JSON.parse(out.stdout) as { loss: number; jobDigest: string };
    };
    const [given, changed] = [await summary(), await summary('--set', 'params.sigma=0.25')];
    expect(changed.loss).not.toBe(given.loss);
    expect(changed.jobDigest).not.toBe(given.jobDigest);
  });

  test('refuses a folder that exists and leaves it alone, and replaces it with --force', async () => {
    const folder = await folderWith(job);
    await skewflow(['run', 'job.yaml', '--out', 'out'], folder);
    await writeFile(join(folder, 'out/note.txt'), 'mine');
    const refused = await skewflow(['run', 'job.yaml', '--out', 'out'], folder);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/exists.*--force/s);
    expect(await readFile(join(folder, 'out/note.txt'), 'utf8')).toBe('mine');
    const forced = await skewflow(['run', 'job.yaml', '--out', 'out', '--force'], folder);
    expect(forced.code).toBe(0);
    expect(await readdir(join(folder, 'out'))).not.toContain('note.txt');
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('ends with its code after %s and leaves no folder', async (signal, code) => {
    const folder = await folderWith(
      job.replace('rows: 500', 'rows: 4000000').replace('steps: 10', 'steps: 2000'),
    );
    const run = started(['run', 'job.yaml'], folder, { SKEWFLOW_THREADS: '1' });
    setTimeout(() => run.interrupt(signal), 1500);
    const outcome = await run.done;
    expect(outcome.stderr).toMatch(/stopped; nothing was written$/m);
    expect(outcome.code).toBe(code);
    expect(await readdir(folder)).toEqual(['job.yaml']);
  });

  test('goes on when nobody reads any more what it says, and still cleans up when it is interrupted', async () => {
    const folder = await folderWith(
      job.replace('rows: 500', 'rows: 4000000').replace('steps: 10', 'steps: 2000'),
    );
    const run = started(['run', 'job.yaml'], folder, { SKEWFLOW_THREADS: '1' });
    run.deafen();
    setTimeout(() => run.interrupt('SIGINT'), 1500);
    expect((await run.done).code).toBe(130);
    expect(await readdir(folder)).toEqual(['job.yaml']);
  });
});
