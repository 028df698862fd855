/** The command line on a machine whose only GPU is a software one. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { temporaryFolder } from '../arrays/folder.ts';
import { describeWithLavapipe } from '../setup/describe-with.ts';
import { built, skewflow } from './skewflow.ts';

beforeAll(built);

const job = `
sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, rows: 4 }
tracers: { x: { uniform: [-1, 1], dim: 2, seed: 3 }, rows: 700 }
flow:
  x: mean(j, tanh(q[j] - x))
  q: sum(k != j, q[k] - q)
integrate: { scheme: rk4, from: 0, to: 1, steps: 4 }
loss: log(mean(i, sqnorm(x)))
gradient: [q, x]
precision: f32
`;

interface Summary {
  readonly engine: string;
  readonly numerics: string;
  readonly loss: number;
}

describeWithLavapipe('on a software adapter', (driver) => {
  const environment = { VK_DRIVER_FILES: driver, VK_ICD_FILENAMES: driver };

  const run = async (
    engine: string,
  ): Promise<{ readonly code: number | null; readonly stderr: string; readonly summary: Summary }> => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'job.yaml'), job);
    const args = ['run', 'job.yaml', '--engine', engine, '--json'];
    const { code, stdout, stderr } = await skewflow(args, folder, environment);
    return { code, stderr, summary: JSON.parse(stdout) as Summary };
  };

  test('`devices` lists it with its driver and a self-test', async () => {
    const { code, stdout } = await skewflow(['devices', '--json'], await temporaryFolder(), environment);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([
      { engine: 'wasm', status: 'usable' },
      {
        engine: 'webgpu',
        status: 'usable',
        gpu: { index: 0, software: true, backend: 'vulkan', driver: expect.stringContaining('Mesa') },
        precisions: [{ precision: 'f32' }],
      },
      { engine: 'reference', status: 'usable' },
    ]);
  });

  test('`--engine auto` takes WASM, `--engine webgpu` the adapter with a warning, and they agree', async () => {
    const [auto, webgpu] = [await run('auto'), await run('webgpu')];
    expect(auto.summary.engine).toBe('wasm');
    expect(auto.stderr).not.toContain('adapter');
    expect(webgpu.code).toBe(0);
    expect(webgpu.summary.engine).toBe('webgpu');
    expect(webgpu.stderr).toMatch(/^\S.* is a software adapter, for tests: .*\n/);
    expect(Math.abs(webgpu.summary.loss - auto.summary.loss)).toBeLessThan(
      1e-5 * Math.abs(auto.summary.loss),
    );
  });
});
