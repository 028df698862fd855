/**
 * The conformance suite on a WebGPU device. A software driver takes seconds to compile a case's shaders, so that each
 * reduction and each loss is run under one scheme here, every scheme among them.
 */
import { describe, it } from 'vitest';
import { webGpuEngine } from '../../../../src/worker/engine/webgpu/engine.ts';
import { cases, schemes } from '../cases.ts';
import { describeEngine } from '../conformance.ts';
import { noDeviceReason, openTestDevice } from './software-device.ts';

const opened = await openTestDevice();

/** Case number n of its kind under scheme n, and every shape a job can have. */
const chosen = new Set(
  cases
    .filter(
      (c, n) =>
        c.kind === 'shape' ||
        schemes[Math.floor(n / schemes.length) % schemes.length] === schemes[n % schemes.length],
    )
    .map((c) => c.title),
);

if (opened === null) {
  describe('the WebGPU engine', () => {
    it.skip(`does what every engine does (skipped: ${noDeviceReason})`, () => {});
  });
} else {
  describeEngine({
    name: 'the WebGPU engine',
    precision: 'f32',
    open: () =>
      webGpuEngine(opened.device, opened.adapter, { precision: 'f32', threads: 1, memoryBytes: 2 ** 30 }),
    tolerance: 5e-5,
    timeoutMs: 180_000,
    skip: [{ test: 'a tracer', reason: 'e^x overflows a step earlier than in the reference' }],
    cases: (c) => chosen.has(c.title),
  });
}
