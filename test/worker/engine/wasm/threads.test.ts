/**
 * What must not reach the bits: threads, segments, what ran before. With more sources than a block holds, so that
 * sums over blocks of sources meet too.
 */
import { afterAll, describe, expect, it } from 'vitest';
import type { Evaluation } from '../../../../src/worker/engine/engine.ts';
import { openWasmEngine } from '../../../../src/worker/engine/wasm/index.ts';
import { type Problem, type ProblemText, systemOf } from '../../../kernels/systems.ts';
import { rowsOf } from '../cases.ts';
import { evaluateOn, load, type Options, type Outcome } from '../run.ts';

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
  steps: 5,
  loss: [
    { at: 'every step', value: 'mean(i, sqdist(x, goal))' },
    { value: 'sum(i, sqdist(x@start, x)) + sum(j, dot(p, q))' },
  ],
});

const rows: Options['rows'] = { final: true, trajectory: [0, 3] };

function bytesOf({ loss, gradient, rows: arrays, sums }: Outcome): Readonly<Record<string, string>> {
  const all = [...gradient, ...arrays, ['sums', sums] as const, ['loss', Float64Array.of(loss)] as const];
  return Object.fromEntries(
    all.map(([k, v]) => [k, Buffer.from(v.buffer, v.byteOffset, v.byteLength).toString('hex')]),
  );
}

describe.each(['f32', 'f64'] as const)('in %s the WASM engine gives the same bytes', (precision) => {
  const engine = openWasmEngine({ precision });
  afterAll(() => engine[Symbol.asyncDispose]());
  const few = systemOf(carried(2600, 40));
  const many = systemOf(carried(300, 550));
  const bytes = async (problem: Problem, options: Options): Promise<Readonly<Record<string, string>>> =>
    bytesOf(await evaluateOn(engine, problem, { rows, ...options }));

  it.each([2, 3, 8])('with 1 thread and with %i, a shard that threads share', async (threads) => {
    expect(await bytes(few, { threads })).toEqual(await bytes(few, { threads: 1 }));
  });
  it.each([2, 3])('with 1 thread and with %i, several shards', async (threads) => {
    expect(await bytes(few, { threads, shards: 5 })).toEqual(await bytes(few, { threads: 1, shards: 5 }));
  });
  it.each([2, 3, 8])('with 1 thread and with %i, more sources than a block holds', async (threads) => {
    expect(await bytes(many, { threads })).toEqual(await bytes(many, { threads: 1 }));
  });
  it.each([1, 2, 3, 4])('with all steps held and with %i', async (segmentSteps) => {
    expect(await bytes(few, { segmentSteps, threads: 2 })).toEqual(await bytes(few, { threads: 2 }));
  });
});

describe('an evaluation of the WASM engine', () => {
  it('stops between units when it is aborted, and the engine goes on', async () => {
    await using engine = openWasmEngine({ precision: 'f32' });
    // Far longer than the twentieth of a second after which a thread tells what it has.
    const problem = systemOf(carried(120_000, 200));
    await using loaded = await load(engine, problem, { shards: 12 });
    const stop = new AbortController();
    const partials: unknown[] = [];
    const request: Evaluation = {
      inputs: { grid: loaded.grid, fields: problem.fields },
      leaves: Array.from({ length: 12 }, (_, n) => n),
      want: 'gradient',
      seeds: null,
      sums: null,
      rows: { gradient: [], final: false, trajectory: [], values: false },
    };
    const sink = {
      partial: (p: unknown) => {
        partials.push(p);
        stop.abort(new Error('enough'));
      },
    };
    await expect(loaded.session.evaluate(request, sink, stop.signal)).rejects.toThrow('enough');
    expect(partials.length).toBeLessThan(12);
    expect(Number.isFinite((await loaded.evaluate()).loss)).toBe(true);
  });

  it('stops in the middle of a shard when it is aborted', async () => {
    await using engine = openWasmEngine({ precision: 'f32' });
    const problem = systemOf(carried(76_800, 100));
    await using loaded = await load(engine, problem, { shards: 1 });
    const visits = (): number =>
      [...loaded.session.counters().pairs.values()].reduce((sum, count) => sum + count, 0);
    const request: Evaluation = {
      inputs: { grid: loaded.grid, fields: problem.fields },
      leaves: [0],
      want: 'gradient',
      seeds: null,
      sums: null,
      rows: { gradient: [], final: false, trajectory: [], values: false },
    };
    const signal = AbortSignal.timeout(20);
    await expect(loaded.session.evaluate(request, { partial: () => {} }, signal)).rejects.toThrow('timeout');
    const before = visits();
    await loaded.evaluate();
    // One thread has a shard in four units.
    expect(before).toBeLessThan((visits() - before) / 4);
  });

  it('refuses rows that are not as many as the shard has', async () => {
    await using engine = openWasmEngine({ precision: 'f32' });
    await using loaded = await load(engine, systemOf(carried(10, 3)));
    const short = new Map([
      ['x', new Float32Array(6)],
      ['goal', new Float32Array(20)],
    ]);
    await expect(loaded.session.bind({ index: 0, begin: 0, end: 10 }, short)).rejects.toMatchObject({
      tag: 'ShapeError',
    });
  });

  it('needs its shards bound', async () => {
    await using engine = openWasmEngine({ precision: 'f32' });
    await using loaded = await load(engine, systemOf(carried(10, 3)));
    await loaded.session.release(0);
    await expect(loaded.evaluate()).rejects.toMatchObject({ tag: 'ProtocolError' });
  });

  it('fails as its receiver fails, and the engine goes on with new threads', async () => {
    await using engine = openWasmEngine({ precision: 'f32' });
    const problem = systemOf(carried(600, 5));
    await using loaded = await load(engine, problem, { threads: 2 });
    const before = await loaded.evaluate();
    const request: Evaluation = {
      inputs: { grid: loaded.grid, fields: problem.fields },
      leaves: [0],
      want: 'sums',
      seeds: null,
      sums: null,
      rows: { gradient: [], final: false, trajectory: [], values: false },
    };
    const sink = {
      partial: () => {
        throw new Error('the disk is full');
      },
    };
    await expect(loaded.session.evaluate(request, sink)).rejects.toThrow('the disk is full');
    expect((await loaded.evaluate()).loss).toBe(before.loss);
  });
});
