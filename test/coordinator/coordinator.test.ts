import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  type Coordination,
  coordinate,
  type Evaluated,
  inOneProcess,
} from '../../src/coordinator/coordinator.ts';
import { type Course, type Leg, type Outcome, once } from '../../src/coordinator/course.ts';
import { patient } from '../../src/coordinator/rules.ts';
import { isSkewflowError } from '../../src/errors.ts';
import type { Exchange } from '../../src/exchange/exchange.ts';
import { inProcessExchange } from '../../src/exchange/in-process.ts';
import { compileProgram } from '../../src/kernels/sweep/compile.ts';
import { placeGrid } from '../../src/kernels/sweep/grid.ts';
import type { Log } from '../../src/log.ts';
import { numbersPerRow, readPart, shardedArrays } from '../../src/partition/fields.ts';
import { planShards } from '../../src/partition/plan.ts';
import { protocolVersion, type RowsWanted, RunId, WorkerId } from '../../src/protocol.ts';
import type { Engine } from '../../src/worker/engine/engine.ts';
import { openReferenceEngine } from '../../src/worker/engine/reference/engine.ts';
import { type HeldRowStore, holdRows } from '../../src/worker/rows.ts';
import { type Assignment, serveOneRun } from '../../src/worker/worker.ts';
import { type Problem, type ProblemText, systemOf } from '../kernels/systems.ts';
import { evaluateOn } from '../worker/engine/run.ts';

const quiet: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };

const linear: ProblemText = {
  sources: {
    q: [
      [0, 0.1],
      [1, -0.2],
      [0.3, 0.9],
    ],
    p: [
      [0.7, 0.1],
      [-0.3, 0.2],
      [0.11, 0.13],
    ],
  },
  tracers: { x: Array.from({ length: 23 }, (_, i) => [Math.sin(i), Math.cos(1.7 * i)]) },
  params: { sigma: 0.8 },
  flow: {
    x: 'sum(j, exp(-sqdist(x, q[j]) / sigma^2) * p[j])',
    q: 'sum(k, exp(-sqdist(q, q[k]) / sigma^2) * p[k])',
  },
  scheme: 'ralston',
  steps: 4,
  loss: [{ value: 'mean(i, sqnorm(x))' }, { value: 'sum(j, dot(p, p))' }],
  gradient: ['q', 'p', 'sigma', 'x'],
};
const nonlinear: ProblemText = {
  ...linear,
  loss: [{ value: 'log(sum(i, exp(-sqnorm(x)))) + 0.1 * max(i, sqnorm(x))' }],
};

const everything: RowsWanted = { gradient: ['x'], final: true, trajectory: [0, 2, 4], values: false };
const noRows: RowsWanted = { gradient: [], final: false, trajectory: [], values: false };

interface Setting {
  readonly shards: number;
  readonly workers?: number;
  readonly engine?: () => Promise<Engine>;
  readonly rows?: RowsWanted;
  readonly residentBytesMax?: number;
  readonly breakagesMax?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: Coordination['onProgress'];
  readonly store?: HeldRowStore;
  readonly course?: (fields: Problem['fields']) => Course;
}

/** A problem as a run: one coordinator and some workers on an exchange. */
async function runOver(
  text: ProblemText,
  setting: Setting,
): Promise<{ evaluated: Evaluated; store: HeldRowStore }> {
  const problem = systemOf(text);
  const { system } = problem;
  const program = compileProgram(system);
  const grid = placeGrid(system, program.terms, problem.steps);
  const shards = planShards(system.tracers?.rows ?? 0, setting.shards);
  const rows = setting.rows ?? everything;
  const store =
    setting.store ??
    holdRows({
      rowCount: system.tracers?.rows ?? 0,
      shapeOf: ({ kind, width }) =>
        kind === 'trajectory'
          ? [rows.trajectory.length, system.tracers?.rows ?? 0, width]
          : [system.tracers?.rows ?? 0, width],
    });
  const assignment: Assignment = {
    program,
    shards,
    gridOf: () => grid,
    planOf: () => ({ precision: 'f64', segmentSteps: grid.times.length, threads: 1 }),
    readRows: async (shard) =>
      new Map(
        await Promise.all(
          shardedArrays(system).map(
            async (part) =>
              [part.name, await readPart(part, shard.begin, shard.end, reader(problem, part.width))] as const,
          ),
        ),
      ),
    rowBytes: numbersPerRow(system) * 8,
    residentBytesMax: setting.residentBytesMax ?? 2 ** 30,
    rows: store,
  };
  await using exchange: Exchange = inProcessExchange();
  const desk = await exchange.open({
    protocolVersion,
    run: RunId.parse('test'),
    jobDigest: 'none',
    seats: { min: 1, max: setting.workers ?? 1 },
    priority: 0,
  });
  const stop = new AbortController();
  const workers = Array.from({ length: setting.workers ?? 1 }, () =>
    serveOneRun({
      exchange,
      engine: setting.engine ?? (async () => openReferenceEngine()),
      worker: WorkerId.parse('test'),
      open: async () => assignment,
      threads: 1,
      log: quiet,
      signal: stop.signal,
    }),
  );
  try {
    const evaluated = await coordinate({
      ...inOneProcess,
      desk,
      program,
      grid,
      times: null,
      course: setting.course?.(problem.fields) ?? once(problem.fields),
      shards,
      rows,
      rules: { ...patient, breakagesMax: setting.breakagesMax ?? 0 },
      log: quiet,
      onProgress: setting.onProgress ?? (() => {}),
      signal: setting.signal ?? new AbortController().signal,
    });
    return { evaluated, store };
  } finally {
    stop.abort();
    await Promise.allSettled(workers);
  }
}

function reader(problem: Problem, width: number) {
  return async (name: string, begin: number, end: number): Promise<Float64Array> =>
    (problem.tracers.get(name) as Float64Array).slice(begin * width, end * width);
}

const held = (store: HeldRowStore, kind: string): readonly number[] => [
  ...(store.held().find((rows) => rows.kind === kind)?.data ?? []),
];

describe('a run over the exchange', () => {
  it.each([
    ['linear', linear],
    ['not linear', nonlinear],
  ])('gives what one evaluation of the engine gives when the loss is %s in its sums', async (_, text) => {
    const direct = await evaluateOn(openReferenceEngine(), systemOf(text), {
      rows: { gradient: ['x'], final: true },
    });
    const { evaluated, store } = await runOver(text, { shards: 1 });
    expect(evaluated.loss).toBe(direct.loss);
    expect([...evaluated.gradient]).toEqual(
      ['q', 'p', 'sigma'].flatMap((name) => [...(direct.gradient.get(name) ?? [])]),
    );
    expect(held(store, 'gradient')).toEqual([...(direct.gradient.get('x') ?? [])]);
    expect(held(store, 'final')).toEqual([...(direct.rows.get('final x') ?? [])]);
  });

  it('gives the same bits with three workers as with one', async () => {
    const one = await runOver(nonlinear, { shards: 7 });
    const three = await runOver(nonlinear, { shards: 7, workers: 3 });
    expect(three.evaluated.loss).toBe(one.evaluated.loss);
    expect(three.evaluated.gradient).toEqual(one.evaluated.gradient);
    expect(three.store.held().map((r) => [r.kind, r.field, r.data])).toEqual(
      one.store.held().map((r) => [r.kind, r.field, r.data]),
    );
  });

  it('gives the same bits when only one shard at a time may be resident', async () => {
    const all = await runOver(nonlinear, { shards: 7 });
    const waves = await runOver(nonlinear, { shards: 7, residentBytesMax: 4 * 16 });
    expect(waves.evaluated.gradient).toEqual(all.evaluated.gradient);
    expect(held(waves.store, 'trajectory')).toEqual(held(all.store, 'trajectory'));
  });

  it('answers the states of the sources: the end time, then the saved times', async () => {
    const { evaluated } = await runOver(linear, { shards: 2 });
    const start = systemOf(linear).fields.get('q') as Float64Array;
    const states = evaluated.sourceStates as Float64Array;
    expect(states.length).toBe(4 * start.length);
    expect(states.slice(start.length, 2 * start.length)).toEqual(start);
    expect(states.slice(0, start.length)).toEqual(states.slice(3 * start.length));
  });

  it('needs no tracers', async () => {
    const alone: ProblemText = {
      sources: { s: [0.3, -0.4] },
      flow: { s: '-s^3' },
      scheme: 'rk4',
      steps: 5,
      loss: 'sum(j, s^2)',
      gradient: ['s'],
    };
    const direct = await evaluateOn(openReferenceEngine(), systemOf(alone));
    const { evaluated } = await runOver(alone, { shards: 1, rows: noRows });
    expect(evaluated.loss).toBe(direct.loss);
    expect(evaluated.gradient).toEqual(direct.gradient.get('s'));
  });

  it('counts pairs, bytes and progress', async () => {
    const seen: number[] = [];
    const { evaluated } = await runOver(linear, { shards: 3, onProgress: (p) => seen.push(p.blocksDone) });
    expect(evaluated.pairs).toBeGreaterThan(23 * 3 * 4 * 2);
    expect(seen.at(-1)).toBe(3);
    const given = (3 * 2 * 2 + 1) * 8;
    // Γ and θ̄ from every leaf, S of two terms with its winners, and four states of the sources.
    expect(evaluated.bytesPerIteration).toBeGreaterThan(given + 4 * (13 * 8));
    expect(evaluated).toMatchObject({ iterations: 1, workersLost: 0, redone: 0 });
    expect(evaluated.joins.map((j) => j.numerics)).toEqual(['reference/f64']);
  });

  it('evaluates where the course leads, and wants rows from the last evaluation alone', async () => {
    const shifted = (by: number): ProblemText => ({ ...linear, params: { sigma: 0.8 + by } });
    const seen: (number | null)[] = [];
    const course = (fields: Problem['fields']): Course =>
      walk(fields, [0, 0.13, 0.07], (outcome) => {
        seen.push(outcome.kind === 'finite' ? outcome.loss : Number.NaN);
      });
    const wanted: string[] = [];
    const store = holdRows({ rowCount: 23, shapeOf: () => [23, 2] });
    const watched: HeldRowStore = {
      ...store,
      write: async (rows) => {
        wanted.push(`${rows.kind} after ${seen.length}`);
        await store.write(rows);
      },
    };
    const rows: RowsWanted = { ...noRows, gradient: ['x'], final: true };
    const { evaluated } = await runOver(linear, { shards: 2, course, rows, store: watched });
    const alone = await Promise.all([0, 0.13, 0.07].map((by) => runOver(shifted(by), { shards: 2 })));
    expect(seen).toEqual(alone.map((one) => one.evaluated.loss));
    expect(evaluated.loss).toBe(alone[2]?.evaluated.loss);
    expect(evaluated.gradient).toEqual(alone[2]?.evaluated.gradient);
    expect(held(store, 'final')).toEqual(held(alone[2]?.store as HeldRowStore, 'final'));
    expect(new Set(wanted)).toEqual(new Set(['gradient after 2', 'final after 2']));
    expect(evaluated.iterations).toBe(3);
  });

  it.each([
    ['linear', linear],
    ['not linear', nonlinear],
  ])('tells the course where a loss that is %s in its sums is not finite, and goes on', async (_, text) => {
    const seen: string[] = [];
    const course = (fields: Problem['fields']): Course =>
      walk(fields, [0, 1e200, 0], (outcome) => {
        seen.push(outcome.kind === 'finite' ? 'finite' : outcome.error.tag);
      });
    const blowing = { ...text, flow: { ...text.flow, x: `sigma^3 * (${text.flow?.['x']})` } };
    const { evaluated } = await runOver(blowing, { shards: 3, course, rows: noRows });
    const direct = await runOver(blowing, { shards: 3, rows: noRows });
    expect(seen).toEqual(['finite', 'NonFiniteError', 'finite']);
    expect(evaluated.loss).toBe(direct.evaluated.loss);
    expect(evaluated.gradient).toEqual(direct.evaluated.gradient);
  });

  it('fails with the error of a course that cannot go on', async () => {
    const course = (fields: Problem['fields']): Course => ({
      begin: { number: 0, fields, last: false },
      next: () => Promise.reject(new Error('no space left on device')),
      record: () => null,
    });
    await expect(runOver(linear, { shards: 2, course, rows: noRows })).rejects.toMatchObject({
      tag: 'JobFailedError',
      message: 'no space left on device',
    });
  });

  it('names the first step, time, group and row where a trajectory blows up', async () => {
    const blowUp: ProblemText = {
      tracers: { x: [0.1, 0.2, 30, 0.3, 4e4] },
      flow: { x: 'x^5' },
      scheme: 'euler',
      to: 8,
      steps: 8,
      loss: 'sum(i, x)',
      gradient: ['x'],
    };
    const error = await runOver(blowUp, { shards: 2, rows: noRows }).then(
      () => null,
      (e: unknown) => e,
    );
    expect(isSkewflowError(error, 'NonFiniteError')).toBe(true);
    expect((error as Error).message).toMatch(
      /^a trajectory stopped being finite.*first tracer row 4 at step 3 \(t = 3\)$/u,
    );
    expect(error).toMatchObject({ details: { group: 'tracers', row: 4, step: 3, time: 3 } });
  });

  it('ends when the signal aborts while a worker opens its engine', async () => {
    const stop = new AbortController();
    const engine = async (): Promise<Engine> => {
      stop.abort();
      // The coordinator is gone by then, and the worker told to stop.
      await setTimeout(50);
      return openReferenceEngine();
    };
    const running = runOver(linear, { shards: 2, signal: stop.signal, engine });
    await expect(running).rejects.toThrow();
  });

  it('ends when the signal aborts, and stops the work', async () => {
    const stop = new AbortController();
    const running = runOver(linear, { shards: 8, signal: stop.signal, onProgress: () => stop.abort() });
    await expect(running).rejects.toMatchObject({ tag: 'AbortedError' });
  });

  it('goes on with the other worker when one breaks, with the same bits', async () => {
    let opened = 0;
    const engine = async (): Promise<Engine> => {
      opened += 1;
      return opened === 1 ? breaking(openReferenceEngine(), 2) : openReferenceEngine();
    };
    const whole = await runOver(linear, { shards: 6 });
    const { evaluated } = await runOver(linear, { shards: 6, workers: 2, engine, breakagesMax: 1 });
    expect(evaluated.workersLost).toBe(1);
    expect(evaluated.redone).toBeGreaterThan(0);
    expect(evaluated.loss).toBe(whole.evaluated.loss);
    expect(evaluated.gradient).toEqual(whole.evaluated.gradient);
  });

  it('fails with what the worker could not go on for when no breakage is allowed', async () => {
    const running = runOver(linear, { shards: 2, engine: async () => breaking(openReferenceEngine(), 0) });
    await expect(running).rejects.toMatchObject({ tag: 'DeviceError', message: 'the device was lost' });
  });

  it('fails with the reason when rows cannot be written', async () => {
    const store = holdRows({ rowCount: 23, shapeOf: () => [23, 2] });
    const full = { ...store, write: async () => Promise.reject(new Error('no space left on device')) };
    await expect(runOver(linear, { shards: 2, store: full })).rejects.toMatchObject({
      tag: 'JobFailedError',
      message: 'no space left on device',
    });
  });
});

/** The course that adds so much to σ, evaluation after evaluation. */
function walk(fields: Problem['fields'], shifts: readonly number[], see: (outcome: Outcome) => void): Course {
  const sigma = fields.get('sigma') as Float64Array;
  const leg = (number: number): Leg => ({
    number,
    fields: new Map([...fields, ['sigma', sigma.map((value) => value + (shifts[number] as number))]]),
    last: number + 1 === shifts.length,
  });
  let done = 0;
  return {
    begin: leg(0),
    next: async (outcome) => {
      see(outcome);
      done += 1;
      return done < shifts.length ? leg(done) : null;
    },
    record: () => null,
  };
}

/** An engine whose device is lost after so many answers. */
function breaking(engine: Engine, answers: number): Engine {
  return {
    ...engine,
    load: async (program, plan) => {
      const session = await engine.load(program, plan);
      let left = answers;
      return {
        ...session,
        evaluate: async (request, sink, signal) => {
          const leaves = request.leaves.slice(0, left);
          await session.evaluate({ ...request, leaves }, sink, signal);
          left -= leaves.length;
          if (leaves.length < request.leaves.length) {
            const { SkewflowError } = await import('../../src/errors.ts');
            throw new SkewflowError('DeviceError', 'the device was lost');
          }
        },
      };
    },
  };
}
