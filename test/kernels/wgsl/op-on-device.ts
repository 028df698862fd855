/** One operation as a shader of its own. */
import { type OpName, opNamed } from '../../../src/kernels/ops/table.ts';
import { code } from '../../../src/kernels/wgsl/code.ts';
import { entry, shader } from '../../../src/kernels/wgsl/shader.ts';
import {
  compile,
  makeBindGroups,
  makeBuffers,
  makeRecorder,
  usage,
} from '../../../src/worker/engine/webgpu/gpu.ts';
import { makeReports } from '../../../src/worker/engine/webgpu/reports.ts';

/** The op at each point; one column an argument. */
export async function opOnDevice(
  device: GPUDevice,
  name: OpName,
  columns: readonly Float32Array[],
): Promise<Float32Array> {
  const count = columns[0]?.length ?? 0;
  const args = columns.map((_, n) => `given[2u + ${n}u * job.count + number]`);
  const text = shader(
    name,
    'One operation.',
    [
      { buffer: 'given', access: 'read' },
      { buffer: 'carry', access: 'read_write' },
    ],
    entry(code`
      let number = group * 256u + lane;
      if (number < job.count) { carry[number] = ${opNamed(name).wgsl(...args)}; }
    `),
  );
  const pipeline = await compile(device, text, name);
  const buffers = makeBuffers(device);
  const reports = makeReports(device, () => 0);
  const pace = { visitsPerSecond: 1e9 };
  const recorder = makeRecorder(device, buffers, makeBindGroups(device), pace, reports, () => {});
  const given = Float32Array.from([Infinity, Number.NaN, ...columns.flatMap((c) => [...c])]);
  device.queue.writeBuffer(buffers.reserve('given', given.byteLength), 0, given);
  const values = buffers.reserve('carry', 4 * count);
  recorder.dispatch(pipeline, Math.ceil(count / 256), { count }, 0);
  const back = buffers.reserve('back', 4 * count, usage.mapRead | usage.copyTarget);
  recorder.copy(values, 0, back, 0, 4 * count);
  const result = new Float32Array(await recorder.read(back, 4 * count));
  buffers.destroy();
  return result;
}
