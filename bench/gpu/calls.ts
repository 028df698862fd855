/**
 * What does a call cost beside its kernels, and what of it is the way to the process that has the GPU and back?
 * `npm run bench:calls -- [options]`.
 *
 *   --backend null   Dawn's device that computes nothing and is always there: all that is left is ours (default);
 *                    `vulkan`, `metal`, `d3d12`: a GPU, whose kernels take their time in both columns
 *   --calls 600      the last half of them is what counts
 *
 * Each size in this process and in a child, early (the third to the seventh call) and late. The numbers that a null device
 * answers mean nothing, and nobody looks at them.
 */
import { parseArgs } from 'node:util';
import type { JobObject } from '../../src/job/schema.ts';
import { logTo } from '../../src/log.ts';
import { openChildEngine } from '../../src/worker/child/remote-engine.ts';
import { openGpuDevice } from '../../src/worker/engine/dawn/device.ts';
import type { Engine } from '../../src/worker/engine/engine.ts';
import { webGpuEngine } from '../../src/worker/engine/webgpu/engine.ts';
import { gaussianSum, lddmm } from '../jobs.ts';
import { machine, median } from '../machine.ts';
import { warm } from '../warm.ts';

const { values: given } = parseArgs({
  options: { backend: { type: 'string', default: 'null' }, calls: { type: 'string', default: '600' } },
});
const { backend } = given;
const calls = Number(given.calls);
const options = { precision: 'f32', threads: 1, memoryBytes: 2 ** 34 } as const;

type Want = 'gradient' | 'sums';
const sizes: readonly (readonly [string, JobObject, Want])[] = [
  ['gradient, N = 8, M = 4, T = 2', lddmm(8, 4, 2), 'gradient'],
  ['gradient, N = 1000, M = 100, T = 100', lddmm(1000, 100, 100), 'gradient'],
  ['sum, N = M = 100000', gaussianSum(100_000, 100_000), 'sums'],
];

process.stdout.write(`${JSON.stringify(machine())}, backend ${backend}; ms a call, early and late\n`);
for (const [name, job, want] of sizes) {
  // A sum moves megabytes: fewer calls say as much.
  const count = want === 'sums' ? Math.ceil(calls / 10) : calls;
  const here = await timed(await inThisProcess(), job, want, count);
  const child = await timed(await inChild(), job, want, count);
  const cells = [here, child].map(([early, late]) => `${early.toFixed(2)} ${late.toFixed(2)}`);
  const way = (child[1] - here[1]).toFixed(2);
  process.stdout.write(
    `${name.padEnd(40)} in this process ${cells[0]}   in a child ${cells[1]}   the way ${way}\n`,
  );
}
process.exit(0);

async function inThisProcess(): Promise<Engine> {
  const { device, adapter } = await openGpuDevice({ backend, adapter: null });
  return await webGpuEngine(device, adapter, options);
}

function inChild(): Promise<Engine> {
  const device = { engine: 'webgpu', backend, adapter: null } as const;
  return openChildEngine({ ...options, device, log: logTo('warn') });
}

/** Milliseconds: the median of the calls that a short run would time, and of the last half. */
async function timed(
  engine: Engine,
  job: JobObject,
  want: Want,
  count: number,
): Promise<readonly [number, number]> {
  await using held = await warm(job, 1, async () => engine);
  const ms: number[] = [];
  for (let n = 0; n < count; n++) {
    const began = performance.now();
    await held.evaluate(want);
    ms.push(performance.now() - began);
  }
  return [median(ms.slice(2, 7)), median(ms.slice(count >> 1))];
}
