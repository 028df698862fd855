import { describe, expect, it } from 'vitest';
import { compileProgram } from '../../src/kernels/sweep/compile.ts';
import { placeGrid } from '../../src/kernels/sweep/grid.ts';
import { emitProgram } from '../../src/kernels/wasm/emit-program.ts';
import { mapMemory } from '../../src/kernels/wasm/memory-map.ts';
import { memoryNeed, refuseBeyondMemory, segmentStepsOf } from '../../src/partition/memory.ts';
import { planShards } from '../../src/partition/plan.ts';
import type { Evaluation } from '../../src/worker/engine/engine.ts';
import { makeResident } from '../../src/worker/engine/wasm/resident.ts';
import { extentOf } from '../../src/worker/engine/wasm/task.ts';
import { type ProblemText, systemOf } from '../kernels/systems.ts';
import { rowsOf } from '../worker/engine/cases.ts';

const flow = {
  x: 'sum(j, exp(-sqdist(x, q[j]) / sigma^2) * p[j])',
  q: 'sum(k, exp(-sqdist(q, q[k]) / sigma^2) * p[k])',
  p: 'sum(k, 2 / sigma^2 * dot(p, p[k]) * exp(-sqdist(q, q[k]) / sigma^2) * (q - q[k]))',
};
const carried = (rows: number, sources: number): ProblemText => ({
  sources: { q: rowsOf(1, sources, 3), p: rowsOf(2, sources, 3) },
  tracers: { x: rowsOf(3, rows, 3), goal: rowsOf(4, rows, 3) },
  params: { sigma: 0.7 },
  flow,
  gradient: ['p', 'q', 'sigma'],
  loss: [{ at: 'every step', value: 'mean(i, sqdist(x, goal))' }],
});

interface Figures {
  readonly text: ProblemText;
  readonly threads: number;
  readonly shards: number;
  readonly precision: 'f32' | 'f64';
  readonly memoryBytes: number;
}

/** What is predicted, and what an evaluation of the gradient lays out. */
function figures({ text, threads, shards, precision, memoryBytes }: Figures) {
  const { system, steps, fields, tracers } = systemOf(text);
  const program = compileProgram(system);
  const grid = placeGrid(system, program.terms, steps);
  const segmentSteps = segmentStepsOf(program, grid.times.length - 1, precision, memoryBytes);
  const { plan } = emitProgram(program, { lane: precision === 'f32' ? 'f32x4' : 'f64x2', fma: true });
  const ranges = planShards(system.tracers?.rows ?? 0, shards);
  const residents = ranges.map((range) => {
    const rows = new Map(
      [...tracers].map(([name, all]) => {
        const width = all.length / (system.tracers?.rows ?? 1);
        return [name, all.subarray(range.begin * width, range.end * width)];
      }),
    );
    return makeResident(plan.shapes, range, rows);
  });
  const request: Evaluation = {
    inputs: { grid, fields },
    leaves: [...ranges.map((r) => r.index), 'sources'],
    want: 'gradient',
    seeds: null,
    sums: null,
    rows: { gradient: [], final: false, trajectory: [], values: false },
  };
  const bound = new Map(residents.map((r) => [r.range.index, r]));
  const { extent } = extentOf(plan, { precision, segmentSteps, threads }, request, bound, threads);
  const need = memoryNeed({
    program,
    grid,
    precision,
    segmentSteps,
    threads: extent.threads,
    shardRows: ranges.map((r) => r.end - r.begin),
  });
  const resident = residents.reduce((n, r) => n + r.image.byteLength, 0);
  return { need, segmentSteps, laidOut: mapMemory(plan, extent).bytes + resident };
}

describe('the memory of a job is predicted', () => {
  const everything = Number.MAX_SAFE_INTEGER;
  const cases: readonly (readonly [title: string, of: Figures])[] = [
    [
      'a small problem on one thread',
      {
        text: { ...carried(300, 20), steps: 20 },
        threads: 1,
        shards: 1,
        precision: 'f32',
        memoryBytes: everything,
      },
    ],
    [
      'many steps on two threads',
      {
        text: { ...carried(1000, 100), steps: 100 },
        threads: 2,
        shards: 1,
        precision: 'f32',
        memoryBytes: everything,
      },
    ],
    [
      'many rows in many shards',
      {
        text: { ...carried(6000, 30), steps: 10, scheme: 'rk4' },
        threads: 4,
        shards: 16,
        precision: 'f64',
        memoryBytes: everything,
      },
    ],
    [
      'many sources',
      {
        text: { ...carried(300, 600), steps: 5, scheme: 'heun' },
        threads: 2,
        shards: 1,
        precision: 'f32',
        memoryBytes: everything,
      },
    ],
    [
      'steps held in segments',
      {
        text: { ...carried(1000, 10), steps: 200 },
        threads: 2,
        shards: 1,
        precision: 'f64',
        memoryBytes: 2 ** 20,
      },
    ],
    [
      'terms that compare times',
      {
        text: {
          ...carried(500, 10),
          steps: 60,
          loss: [{ at: 'every step', value: 'sum(i, sqdist(x, x@start))' }],
        },
        threads: 3,
        shards: 1,
        precision: 'f32',
        memoryBytes: everything,
      },
    ],
  ];
  it.each(cases)('never too low and at most a fifth too high: %s', (_, of) => {
    const { need, laidOut } = figures(of);
    expect(need.totalBytes).toBeGreaterThanOrEqual(laidOut);
    expect(need.totalBytes).toBeLessThanOrEqual(1.2 * laidOut);
  });

  it('grows with the tile and not with rows times steps', () => {
    const of = { threads: 2, shards: 1, precision: 'f32', memoryBytes: everything } as const;
    const few = figures({ ...of, text: { ...carried(2048, 10), steps: 50 } }).need;
    const many = figures({ ...of, text: { ...carried(20_480, 10), steps: 50 } }).need;
    expect(many.totalBytes - few.totalBytes).toBeLessThan(2 * (many.residentBytes - few.residentBytes));
  });

  it('is refused with both figures where it is not there', () => {
    const { need } = figures(cases[0]?.[1] ?? figuresMissing());
    expect(() => refuseBeyondMemory(need, need.totalBytes)).not.toThrow();
    expect(() => refuseBeyondMemory(need, need.totalBytes - 1)).toThrow(
      expect.objectContaining({
        tag: 'MemoryError',
        details: { needed: need.totalBytes, available: need.totalBytes - 1 },
      }),
    );
  });
});

describe('the number of steps held at once', () => {
  const program = compileProgram(systemOf({ ...carried(4, 3), scheme: 'rk4' }).system);
  const held = (bytes: number): number => segmentStepsOf(program, 400, 'f32', bytes);
  /** One slot of a block: 3 components of 256 rows. */
  const state = 3 * 256 * 4;

  it('is all of them when their states fit', () => {
    expect(held((400 * 4 + 1) * state)).toBe(400);
  });
  it('is the largest number that fits otherwise, with the beginnings of segments', () => {
    const steps = held(300 * state);
    const tile = (s: number): number => s * 4 + 1 + Math.ceil(400 / s);
    expect(steps).toBeLessThan(400);
    expect(tile(steps)).toBeLessThanOrEqual(300);
    expect(tile(steps + 1)).toBeGreaterThan(300);
  });
  it('is refused when no number fits, with both figures', () => {
    expect(() => held(10 * state)).toThrow(expect.objectContaining({ tag: 'MemoryError' }));
  });
  it('is 1 for a job without steps', () => {
    expect(segmentStepsOf(program, 0, 'f32', 1)).toBe(1);
  });
});

function figuresMissing(): never {
  throw new Error('the list of cases is not empty');
}
