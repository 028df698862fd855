/** The drills of `remote-engine.test.ts` on a GPU, and what only a GPU does: it is lost. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { run } from '../../../src/index.ts';
import type { JobObject } from '../../../src/job/schema.ts';
import { type ChildEngine, openChildEngine } from '../../../src/worker/child/remote-engine.ts';
import { defaultLimits, type Limits } from '../../../src/worker/child/supervision.ts';
import { findGpus, type Gpu } from '../../../src/worker/engine/dawn/adapters.ts';
import type { Engine } from '../../../src/worker/engine/engine.ts';
import { openReferenceEngine } from '../../../src/worker/engine/reference/engine.ts';
import { temporaryFolder } from '../../arrays/folder.ts';
import { systemOf } from '../../kernels/systems.ts';
import { describeWithGpu, describeWithLavapipe } from '../../setup/describe-with.ts';
import { manyRows } from '../engine/cases.ts';
import { evaluateOn, type Options, type Outcome } from '../engine/run.ts';
import { listeningLog, onGradients } from './drills.ts';

const problem = systemOf({ ...manyRows, steps: 12 });
const options: Options = { rows: { final: true, values: true }, shards: 5 };

let first: Gpu;

async function gpu(
  limits: Limits = defaultLimits,
  memoryBytes = 2 ** 28,
  environment: NodeJS.ProcessEnv = {},
): Promise<{ readonly engine: ChildEngine; readonly warnings: readonly string[] }> {
  const { log, warnings } = listeningLog();
  const engine = await openChildEngine({
    device: { engine: 'webgpu', backend: first.adapter.backend, adapter: first.adapter.name },
    environment: { ...first.environment, ...environment },
    precision: 'f32',
    threads: 1,
    memoryBytes,
    limits,
    log,
  });
  return { engine, warnings };
}

describeWithGpu('a GPU in a child', () => {
  let undisturbed: Outcome;
  beforeAll(async () => {
    const [found] = (await findGpus()).gpus;
    if (found === undefined) throw new Error('the set-up found a GPU');
    first = found;
    const { engine } = await gpu();
    undisturbed = await evaluateOn(engine, problem, options);
    await engine[Symbol.asyncDispose]();
  });

  test('computes what the reference does', async () => {
    const expected = await evaluateOn(openReferenceEngine(), problem, options);
    expect(Math.abs(undisturbed.loss - expected.loss)).toBeLessThan(1e-4 * Math.abs(expected.loss));
  });

  test.each<readonly [string, string, (engine: ChildEngine) => void]>([
    ['is killed', 'CHILD_CRASHED', (engine) => void process.kill(engine.pid as number, 'SIGKILL')],
    ['loses its device', 'GPU_LOST', (engine) => engine.loseDevice()],
    ['hangs', 'GPU_HUNG', (engine) => void process.kill(engine.pid as number, 'SIGSTOP')],
  ])('that %s in the middle is replaced, with the same bits', async (_, code, disturb) => {
    const { engine, warnings } = await gpu({ ...defaultLimits, firstMs: 30_000, leastMs: 5000 });
    onTestFinished(() => engine[Symbol.asyncDispose]());
    const before = engine.pid;
    let disturbed = false;
    const disturbing: Engine = onGradients(engine, () => {
      if (disturbed) return;
      disturbed = true;
      disturb(engine);
    });
    expect(await evaluateOn(disturbing, problem, options)).toEqual(undisturbed);
    expect(engine.pid).not.toBe(before);
    expect(warnings).toEqual([expect.stringMatching(new RegExp(`^${code}: .*starting it again, 1 of 3$`))]);
  });

  test('that has not the memory takes smaller tiles until it has, with the same bits', async () => {
    const drill = new URL('small-device.js', import.meta.url).href;
    // With 2^19 bytes a buffer of a tile takes more than that; with a quarter of them none does.
    const environment = { NODE_OPTIONS: `--import=${drill}`, SKEWFLOW_DRILL_BYTES: '100000' };
    const { engine, warnings } = await gpu(defaultLimits, 2 ** 19, environment);
    onTestFinished(() => engine[Symbol.asyncDispose]());
    expect(await evaluateOn(engine, problem, options)).toEqual(undisturbed);
    expect(warnings).toEqual(
      [1, 2].map((n) =>
        expect.stringMatching(new RegExp(`^OUT_OF_MEMORY: .*starting it again, ${n} of 3$`, 's')),
      ),
    );
  });

  test('gives the same bits in each of five processes', async () => {
    const { engine } = await gpu();
    onTestFinished(() => engine[Symbol.asyncDispose]());
    for (let restart = 0; restart < 5; restart++) {
      expect(await evaluateOn(engine, problem, options)).toEqual(undisturbed);
      process.kill(engine.pid as number, 'SIGKILL');
    }
  });
});

const job: JobObject = {
  sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, p: { normal: [0, 0.3], dim: 2, seed: 2 }, rows: 6 },
  tracers: { x: { uniform: [-1, 1], dim: 2, seed: 3 }, rows: 3000 },
  params: { sigma: 0.7 },
  flow: {
    x: 'sum(j, exp(-sqdist(x, q[j]) / sigma^2) * p[j])',
    q: 'sum(k, exp(-sqdist(q, q[k]) / sigma^2) * p[k])',
  },
  integrate: { scheme: 'ralston', from: 0, to: 1, steps: 5 },
  loss: 'mean(i, sqnorm(x))',
  gradient: ['q', 'p', 'sigma', 'x'],
  precision: 'f32',
  shards: 8,
};

describeWithLavapipe('two identical GPUs', (driver) => {
  test('share a run, and its bits are those of one', async () => {
    const folder = await temporaryFolder();
    const files = [join(folder, 'first.json'), join(folder, 'second.json')];
    for (const file of files) await copyFile(driver, file);
    const before = { ...process.env };
    onTestFinished(() => {
      process.env = before;
    });
    process.env = { ...before, VK_DRIVER_FILES: files.join(':'), VK_ICD_FILENAMES: files.join(':') };

    const warnings: string[] = [];
    const on = (devices: readonly number[]): ReturnType<typeof run> =>
      run(job, { engine: 'webgpu', devices, onWarning: (sentence) => warnings.push(sentence) });
    const [one, other, both] = [await on([0]), await on([1]), await on([0, 1])];
    for (const result of [other, both]) {
      expect(result.loss).toBe(one.loss);
      expect(result.gradient).toEqual(one.gradient);
      expect(result.numerics).toBe(one.numerics);
    }
    expect(warnings.filter((w) => w.includes('software adapter'))).toHaveLength(4);
    await expect(on([2])).rejects.toThrow(/device 2 is not here; there are 0, 1/);
  });
});
