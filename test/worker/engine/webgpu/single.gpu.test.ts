/**
 * The conformance suite on a WebGPU device. A software driver takes seconds to compile the shaders of a case, so that
 * here every reduction runs under Euler, every loss under Ralston, every scheme with a sum, and every shape.
 */
import { describe, it } from 'vitest';
import { webGpuEngine } from '../../../../src/worker/engine/webgpu/engine.ts';
import { describeEngine } from '../conformance.ts';
import { noDeviceReason, openTestDevice } from './software-device.ts';

const opened = await openTestDevice();

const chosen = (title: string, kind: string): boolean =>
  kind === 'shape' || /^(euler, (?!a loss)|ralston, a loss|\w+, sum$)/.test(title);

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
    cases: (c) => chosen(c.title, c.kind),
  });
}
