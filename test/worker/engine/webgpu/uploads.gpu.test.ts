import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { webGpuEngine } from '../../../../src/worker/engine/webgpu/engine.ts';
import { type ProblemText, systemOf } from '../../../kernels/systems.ts';
import { rowsOf } from '../cases.ts';
import { load } from '../run.ts';
import { noDeviceReason, openTestDevice } from './software-device.ts';

const opened = await openTestDevice();
const carried: ProblemText = {
  sources: { q: rowsOf(1, 9, 2), p: rowsOf(2, 9, 2, -0.05, 0.05) },
  tracers: { x: rowsOf(3, 700, 2), goal: rowsOf(4, 700, 2) },
  params: { sigma: 0.7 },
  flow: { x: 'sum(j, exp(-sqdist(x, q[j]) / sigma^2) * p[j])' },
  gradient: ['p', 'q', 'sigma'],
  scheme: 'euler',
  steps: 3,
  loss: [{ value: 'mean(i, sqdist(x, goal)) + sum(j, dot(p, q))' }],
};
const options = { precision: 'f32', threads: 1, memoryBytes: 2 ** 28 } as const;

describe.skipIf(opened === null)(
  `what lies on a device already${opened === null ? ` (skipped: ${noDeviceReason})` : ''}`,
  () => {
    it('is not written again, and what is new is', async () => {
      const { device, adapter } = opened as NonNullable<typeof opened>;
      const problem = systemOf(carried);
      const engine = await webGpuEngine(device, adapter, options);
      await using loaded = await load(engine, problem, { shards: 2 });
      const written = vi.spyOn(device.queue, 'writeBuffer');
      onTestFinished(() => written.mockRestore());
      /** Names of the buffers that an evaluation writes, and what comes of it. */
      const asked = async (...args: Parameters<typeof loaded.evaluate>) => {
        written.mockClear();
        const { loss, gradient } = await loaded.evaluate(...args);
        const names = new Set(written.mock.calls.map(([buffer]) => buffer.label));
        return { names, loss, gradient };
      };
      const [[name = '', values] = []] = problem.fields;
      const moved = new Map([[name, Float64Array.from(values ?? [], (v) => v * 0.9)]]);

      const first = await asked();
      const again = await asked();
      const other = await asked({}, moved);
      const back = await asked();

      for (const known of ['given', 'plan']) expect([...first.names]).toContain(known);
      expect([...again.names]).not.toContain('given');
      expect([...again.names]).not.toContain('plan');
      expect([...other.names]).toContain('given');
      expect([...other.names]).not.toContain('plan');
      expect(again.gradient).toEqual(first.gradient);
      expect(other.loss).not.toBe(first.loss);
      expect([back.loss, back.gradient]).toEqual([first.loss, first.gradient]);
    });
  },
);
