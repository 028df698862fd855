/**
 * What must not reach the bits: tiles, segments, how long a dispatch runs, what ran before. And what small cases do not
 * have: threads that share a row, shards in several pieces, more sources than a workgroup holds.
 */
import { describe, expect, it } from 'vitest';
import type { Engine, Evaluation, EvaluationPlan } from '../../../../src/worker/engine/engine.ts';
import { openReferenceEngine } from '../../../../src/worker/engine/reference/engine.ts';
import { findBuiltIns } from '../../../../src/worker/engine/webgpu/built-ins.ts';
import { webGpuEngine } from '../../../../src/worker/engine/webgpu/engine.ts';
import { load as loadShaders } from '../../../../src/worker/engine/webgpu/loaded.ts';
import { makeReports } from '../../../../src/worker/engine/webgpu/reports.ts';
import { makeSession } from '../../../../src/worker/engine/webgpu/session.ts';
import { type Problem, type ProblemText, systemOf } from '../../../kernels/systems.ts';
import { cases, numbers, rowsOf } from '../cases.ts';
import { expectClose } from '../conformance.ts';
import { evaluateOn, type Loaded, load, type Options, type Outcome } from '../run.ts';
import { noDeviceReason, openTestDevice, type TestDevice } from './software-device.ts';

const carried = (rows: number, sources: number): ProblemText => ({
  sources: { q: rowsOf(1, sources, 2), p: rowsOf(2, sources, 2, -0.05, 0.05), w: rowsOf(5, sources, 1) },
  tracers: { x: rowsOf(3, rows, 2), goal: rowsOf(4, rows, 2) },
  params: { sigma: 0.7 },
  flow: {
    x: 'sum(j, exp(-sqdist(x, q[j]) / sigma^2) * p[j])',
    q: 'sum(k, exp(-sqdist(q, q[k]) / sigma^2) * p[k])',
    p: 'sum(k, w[k] * dot(p, p[k]) * exp(-sqdist(q, q[k]) / sigma^2) * (q - q[k]))',
  },
  gradient: ['p', 'q', 'w', 'sigma', 'x', 'goal'],
  scheme: 'heun',
  steps: 3,
  loss: [
    { at: 'every step', value: 'mean(i, sqdist(x, goal))' },
    { value: 'sum(i, sqdist(x@start, x)) + sum(j, dot(p, q))' },
  ],
});

const rows = { final: true, trajectory: [0, 2] };
const slow = 180_000;

function bytesOf({ loss, gradient, rows: arrays, sums }: Outcome): Readonly<Record<string, string>> {
  const all = [...gradient, ...arrays, ['sums', sums] as const, ['loss', Float64Array.of(loss)] as const];
  return Object.fromEntries(
    all.map(([k, v]) => [k, Buffer.from(v.buffer, v.byteOffset, v.byteLength).toString('hex')]),
  );
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => (made ??= make());
}

const opened = await openTestDevice();

if (opened === null) {
  describe('tiles of the WebGPU engine', () => {
    it.skip(`never reach the bits (skipped: ${noDeviceReason})`, () => {});
  });
} else {
  await testTiles(opened);
}

async function testTiles({ device, adapter }: TestDevice): Promise<void> {
  const engineWith = (memoryBytes: number): Promise<Engine> =>
    webGpuEngine(device, adapter, { precision: 'f32', threads: 1, memoryBytes });
  const roomy = await engineWith(2 ** 30);

  const reports = makeReports(device, () => 0);
  const builtIns = await findBuiltIns(device, reports);
  const sessionWith =
    (visitsPerSecond: number, rowsForTwo?: number): Engine['load'] =>
    async (program, plan: EvaluationPlan) =>
      makeSession({
        device,
        loaded: await loadShaders(device, program, builtIns, rowsForTwo),
        plan,
        memoryBytes: 2 ** 30,
        allocated: () => {},
        pace: { visitsPerSecond },
        reports,
        inTurn: (work) => work(),
      });

  /** An engine that takes the device for so slow that every step is a dispatch of its own. */
  const hesitant: Engine = { ...roomy, load: sessionWith(1) };

  /** An engine whose threads have two rows each, as they have where there are very many. */
  const paired: Engine = { ...roomy, load: sessionWith(2e9, 1) };

  const few = systemOf(carried(2600, 40));
  const gradientOf = ({ grid }: Loaded): Evaluation => ({
    inputs: { grid, fields: few.fields },
    leaves: [0],
    want: 'gradient',
    seeds: null,
    sums: null,
    rows: { gradient: [], final: false, trajectory: [], values: false },
  });

  describe('the WebGPU engine gives the same bytes', () => {
    const bytes = async (engine: Engine, options: Options = {}, problem: Problem = few) =>
      bytesOf(await evaluateOn(engine, problem, { rows, ...options }));

    /** What every other way must come to. */
    const [whole, inThree] = [once(() => bytes(roomy)), once(() => bytes(roomy, { shards: 3 }))];

    it('as the reference gives numbers, threads sharing rows', { timeout: slow }, async () => {
      const expected = await evaluateOn(openReferenceEngine(), few, { rows, shards: 2 });
      expectClose(await evaluateOn(roomy, few, { rows, shards: 2 }), expected, 5e-5);
    });

    // A block takes about 260 KB: tiles of 1, 3 and 5 blocks, a shard of 11 in pieces of 1, 2 and 4.
    it.each([300_000, 900_000, 1_500_000])(
      'with %i bytes on the device',
      { timeout: slow },
      async (memory) => {
        expect(await bytes(await engineWith(memory))).toEqual(await whole());
        expect(await bytes(await engineWith(memory), { shards: 3 })).toEqual(await inThree());
      },
    );

    it.each([1, 2])('with all steps held and with %i', { timeout: slow }, async (segmentSteps) => {
      expect(await bytes(roomy, { segmentSteps })).toEqual(await whole());
    });

    it('with one dispatch for all steps and with one a step', { timeout: slow }, async () => {
      expect(await bytes(hesitant)).toEqual(await whole());
    });

    it('when more sources than a workgroup has threads take a dispatch a stage', {
      timeout: slow,
    }, async () => {
      const many = systemOf({ ...carried(60, 270), steps: 2 });
      const expected = await evaluateOn(openReferenceEngine(), many, { rows });
      const found = await evaluateOn(roomy, many, { rows });
      expectClose(found, expected, 5e-5);
      expect(await bytes(hesitant, {}, many)).toEqual(bytesOf(found));
    });
  });

  describe('with two rows a thread, agrees with the reference', () => {
    // So few sources that no lanes share a row, and blocks that are full, and not.
    it('in every row of a block', { timeout: slow }, async () => {
      const problem = systemOf(carried(600, 12));
      const expected = await evaluateOn(openReferenceEngine(), problem, { rows, shards: 2 });
      expectClose(await evaluateOn(paired, problem, { rows, shards: 2 }), expected, 5e-5);
    });

    const chosen = cases.filter((c) => /^(euler, (sum|max|argmin|softmax)|ralston, a loss)/.test(c.title));
    it.each(chosen.map((c) => [c.title, c.text] as const))('%s', { timeout: slow }, async (_, text) => {
      const problem = systemOf(text);
      const expected = await evaluateOn(openReferenceEngine(), problem, { rows, shards: 2 });
      expectClose(await evaluateOn(paired, problem, { rows, shards: 2 }), expected, 5e-5);
    });
  });

  it('the gradient is the slope of the loss on the device itself', { timeout: slow }, async () => {
    await using loaded = await load(roomy, few);
    const { gradient } = await loaded.evaluate();
    for (const field of ['q', 'p', 'sigma', 'x']) {
      const start = few.fields.get(field) ?? few.tracers.get(field) ?? new Float64Array(0);
      const g = gradient.get(field) ?? new Float64Array(0);
      const along = numbers(7, start.length);
      const h = 0.02;
      const lossAt = async (s: number): Promise<number> => {
        const moved = start.map((v, n) => v + s * (along[n] ?? 0));
        return (await loaded.evaluate({ forwardOnly: true }, new Map([[field, moved]]))).loss;
      };
      const slope =
        (8 * ((await lossAt(h)) - (await lossAt(-h))) - ((await lossAt(2 * h)) - (await lossAt(-2 * h)))) /
        (12 * h);
      const found = g.reduce((sum, v, n) => sum + v * (along[n] ?? 0), 0);
      expect(Math.abs(found - slope), field).toBeLessThan(5e-3 * Math.max(Math.abs(slope), Math.hypot(...g)));
    }
  });

  describe('an evaluation of the WebGPU engine', () => {
    it('refuses a budget that holds no block, with both figures', { timeout: slow }, async () => {
      await expect(evaluateOn(await engineWith(1000), few, {})).rejects.toMatchObject({
        tag: 'MemoryError',
        details: { available: expect.any(Number), needed: expect.any(Number) },
      });
    });

    it('needs its shards bound, and goes on', { timeout: slow }, async () => {
      await using loaded = await load(roomy, few);
      const before = await loaded.evaluate();
      await loaded.session.release(0);
      await expect(loaded.evaluate()).rejects.toMatchObject({ tag: 'ProtocolError' });
      await expect(loaded.session.bind({ index: 0, begin: 0, end: 2600 }, new Map())).rejects.toMatchObject({
        tag: 'ShapeError',
      });
      expect(Number.isFinite(before.loss)).toBe(true);
    });

    it('tells no answer of work that the device reports an error for, and goes on', {
      timeout: slow,
    }, async () => {
      await using loaded = await load(roomy, few);
      const told: unknown[] = [];
      const createBuffer = device.createBuffer.bind(device);
      // With one buffer it is asked for a texture that no memory holds: all work is done, and nobody knows on what.
      device.createBuffer = (descriptor) => {
        device.createBuffer = createBuffer;
        const { maxTextureDimension2D: edge, maxTextureArrayLayers: layers } = device.limits;
        device.createTexture({ size: [edge, edge, layers], format: 'rgba32float', usage: 2 });
        return device.createBuffer(descriptor);
      };
      const sink = { partial: (partial: unknown) => told.push(partial) };
      await expect(loaded.session.evaluate(gradientOf(loaded), sink)).rejects.toMatchObject({
        tag: 'DeviceError',
        details: { code: 'OUT_OF_MEMORY' },
      });
      expect(told).toEqual([]);
      expect(bytesOf(await loaded.evaluate())).toEqual(bytesOf(await evaluateOn(roomy, few)));
    });

    it('ends when it is aborted', { timeout: slow }, async () => {
      await using loaded = await load(hesitant, few);
      const stop = new AbortController();
      const running = loaded.session.evaluate(gradientOf(loaded), { partial: () => {} }, stop.signal);
      stop.abort(new Error('enough'));
      await expect(running).rejects.toThrow('enough');
      expect(Number.isFinite((await loaded.evaluate()).loss)).toBe(true);
    });
  });

  it('double precision is refused with what to do', async () => {
    const refused = webGpuEngine(device, adapter, { precision: 'f64', threads: 1, memoryBytes: 1 });
    await expect(refused).rejects.toThrow(/precision: f32.*--engine wasm/);
  });
}
