import { webGpuEngine } from '../../../../src/worker/engine/webgpu/engine.ts';
import { describeEngine } from '../conformance.ts';
import { openTestDevice } from './software-device.ts';

const open = await openTestDevice();

describeEngine({
  name: 'the WebGPU engine',
  precision: 'f32',
  open: () => webGpuEngine(open!.device, open!.adapter, { precision: 'f32', threads: 1, memoryBytes: 2 ** 30 }),
  tolerance: 5e-5,
  cases: (c) => c.title === 'euler, sum',
});
