/** Are partials added on a device in the order in which they are on the host? One tree, in f32 there. */
import { expect, it } from 'vitest';
import { workgroupThreads } from '../../../src/kernels/wgsl/crew.ts';
import { reduceShader, runWords } from '../../../src/kernels/wgsl/emit-program.ts';
import { growTree } from '../../../src/partition/tree.ts';
import {
  compile,
  makeBindGroups,
  makeBuffers,
  makeRecorder,
  usage,
} from '../../../src/worker/engine/webgpu/gpu.ts';
import { makeReports } from '../../../src/worker/engine/webgpu/reports.ts';
import { noDeviceReason, openTestDevice } from '../../worker/engine/webgpu/software-device.ts';

const opened = await openTestDevice();
const test = opened === null ? it.skip : it;

/** Numbers of a partial: more than a workgroup has threads. */
const partial = 300;
/** Partials of each run: powers of two, what lies beside them, and what has a tree of several heights. */
const counts = [1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 100];

test(`runs of partials are added bit for bit as the tree says${opened === null ? ` (skipped: ${noDeviceReason})` : ''}`, async () => {
  if (opened === null) return;
  await using testDevice = opened;
  const gamma = Float32Array.from(
    { length: partial * counts.reduce((sum, n) => sum + n, 0) },
    (_, n) => Math.sin(3 * n) * 10 ** (n % 7),
  );
  const totals = await reduced(testDevice.device, gamma);
  let first = 0;
  let inOrder = 0;
  for (const [run, count] of counts.entries()) {
    const column = (number: number): readonly number[] =>
      Array.from({ length: count }, (_, n) => gamma[(first + n) * partial + number] ?? Number.NaN);
    const columns = Array.from({ length: partial }, (_, number) => column(number));
    const sums = Float32Array.from(columns, treeSum);
    // The totals lie in another order than the runs.
    const at = (counts.length - 1 - run) * partial;
    expect(totals.subarray(at, at + partial), `${count} partials`).toEqual(sums);
    inOrder += columns.filter((c, number) => c.reduce((a, b) => Math.fround(a + b)) !== sums[number]).length;
    first += count;
  }
  expect(inOrder, 'sums that another order would have changed').toBeGreaterThan(counts.length);
});

function treeSum(values: readonly number[]): number {
  const tree = growTree<number>(values.length, (left, right) => Math.fround(left + right));
  for (const [n, value] of values.entries()) tree.put(value, n);
  return tree.root() ?? Number.NaN;
}

async function reduced(device: GPUDevice, gamma: Float32Array<ArrayBuffer>): Promise<Float32Array> {
  const pipeline = await compile(device, reduceShader(), 'reduce');
  const buffers = makeBuffers(device);
  const reports = makeReports(device, () => 0);
  const pace = { visitsPerSecond: 1e9 };
  const recorder = makeRecorder(device, buffers, makeBindGroups(device), pace, reports, () => {});
  let first = 0;
  const runs = counts.flatMap((count, run) => {
    const words = [first, count, counts.length - 1 - run];
    first += count;
    return words;
  });
  expect(runs).toHaveLength(runWords * counts.length);
  device.queue.writeBuffer(buffers.reserve('plan', 4 * runs.length), 0, Uint32Array.from(runs));
  device.queue.writeBuffer(buffers.reserve('gamma', gamma.byteLength), 0, gamma);
  const bytes = 4 * partial * counts.length;
  const totals = buffers.reserve('totals', bytes);
  const chunks = Math.ceil(partial / workgroupThreads);
  recorder.dispatch(
    pipeline,
    chunks * counts.length,
    { records: 0, count: chunks, units: counts.length, partial },
    0,
  );
  const back = buffers.reserve('back', bytes, usage.mapRead | usage.copyTarget);
  recorder.copy(totals, 0, back, 0, bytes);
  const result = new Float32Array(await recorder.read(back, bytes));
  buffers.destroy();
  return result;
}
