/**
 * Which of a device's built-in functions are good enough? WGSL bounds exp2 by 3 + 2|x| ulp, and most devices are far better: the
 * ranges that others need reduced cost a third of a Gaussian. One dispatch asks the device; the answer is part of the numerics
 * class, since it reaches the bits.
 */
import { code, whole } from '../../../kernels/wgsl/code.ts';
import { workgroupThreads } from '../../../kernels/wgsl/crew.ts';
import { entry, shader } from '../../../kernels/wgsl/shader.ts';
import { type BuiltIns, compile, makeBindGroups, makeBuffers, makeRecorder, usage } from './gpu.ts';
import type { Reports } from './reports.ts';

/** Most that a built-in may be off by to be taken, in units in the last place: what the record of exp2 allows. */
const ulpMax = 3;

const points = 4096;

/** 2ˣ where it is a normal number, at a Weyl sequence, at halves and integers, and beyond its range at both ends. */
function argumentsOfExp2(): Float32Array {
  const edges = [0, -0, -126, 127, 1000, -1000, Infinity, -Infinity, Number.NaN];
  return Float32Array.from({ length: points }, (_, n) => {
    if (n < edges.length) return edges[n] ?? 0;
    if (n < 520) return (n - 264) / 2;
    return -126 + 253 * ((n * Math.SQRT2) % 1);
  });
}

/** Whether a value is 2ˣ: within `ulpMax`, 0 or subnormal below the normal numbers, ∞ above, NaN of NaN. */
function isExp2(x: number, value: number): boolean {
  const exact = 2 ** x;
  if (Number.isNaN(exact)) return Number.isNaN(value);
  if (exact >= 2 ** 128) return value === Infinity;
  if (exact < 2 ** -126) return value >= 0 && value <= 2 ** -126;
  return Math.abs(value - exact) <= ulpMax * 2 ** (Math.floor(Math.log2(exact)) - 23);
}

export async function findBuiltIns(device: GPUDevice, reports: Reports): Promise<BuiltIns> {
  const text = shader(
    'probe.exp2',
    'The built-in exp2, to be compared.',
    [
      { buffer: 'given', access: 'read' },
      { buffer: 'carry', access: 'read_write' },
    ],
    entry(code`
      let number = group * ${whole(workgroupThreads)} + lane;
      if (number < job.count) { carry[number] = exp2(given[number]); }
    `),
  );
  const buffers = makeBuffers(device);
  try {
    const pipeline = await compile(device, text, '2^x');
    const recorder = makeRecorder(
      device,
      buffers,
      makeBindGroups(device),
      { visitsPerSecond: 1e9 },
      reports,
      () => {},
    );
    const given = argumentsOfExp2();
    device.queue.writeBuffer(buffers.reserve('given', given.byteLength), 0, given.buffer);
    const values = buffers.reserve('carry', given.byteLength);
    recorder.dispatch(pipeline, points / workgroupThreads, { count: points }, 0);
    const back = buffers.reserve('back', given.byteLength, usage.mapRead | usage.copyTarget);
    recorder.copy(values, 0, back, 0, given.byteLength);
    const result = new Float32Array(await recorder.read(back, given.byteLength));
    return { exp2: given.every((x, n) => isExp2(x, result[n] ?? Number.NaN)) };
  } finally {
    buffers.destroy();
  }
}
