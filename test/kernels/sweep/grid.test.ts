import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileProgram } from '../../../src/kernels/sweep/compile.ts';
import { placeGrid } from '../../../src/kernels/sweep/grid.ts';
import type { Grid } from '../../../src/kernels/sweep/program.ts';
import { type ProblemText, systemOf } from '../systems.ts';

const base: ProblemText = { tracers: { x: [[1], [2]] }, flow: { x: '-x' }, scheme: 'euler', steps: 4 };

function gridOf(text: ProblemText, times?: Float64Array): Grid {
  const { system, steps } = systemOf({ ...base, ...text });
  return placeGrid(system, compileProgram(system).terms, times ?? steps);
}

describe('the grid', () => {
  it('has T + 1 equal points, the last exactly the end', () => {
    const { times } = gridOf({ from: 0.1, to: 0.7, steps: 3 });
    expect([...times]).toEqual([0.1, 0.1 + 0.6 / 3, 0.1 + 1.2 / 3, 0.7].map((t) => expect.closeTo(t, 15)));
    expect(times.at(-1)).toBe(0.7);
  });

  it('splits the step a loss time lies in, and no other', () => {
    const { times, terms } = gridOf({ loss: [{ at: [0.3, 0.5], value: 'sum(i, x)' }] });
    expect([...times]).toEqual([0, 0.25, 0.3, 0.5, 0.75, 1]);
    expect(terms[0]?.map((p) => p.point)).toEqual([2, 3]);
  });

  it('takes a time within 1e-9 steps of a point for that point, and one beyond it for another', () => {
    expect(gridOf({ loss: [{ at: 0.5 + 2e-10, value: 'sum(i, x)' }] }).times).toHaveLength(5);
    expect(gridOf({ loss: [{ at: 0.5 + 1e-9, value: 'sum(i, x)' }] }).times).toHaveLength(6);
  });

  it('means by every step the steps asked for, whatever splits them', () => {
    const { terms } = gridOf({
      loss: [
        { at: 'every step', value: 'sum(i, x)' },
        { at: 0.3, value: 'sum(i, x)' },
      ],
    });
    expect(terms[0]?.map((p) => p.point)).toEqual([0, 1, 3, 4, 5]);
  });

  it('numbers sums: one entry for a linear term, one a component and time for any other', () => {
    const { terms, sums } = gridOf({
      loss: [
        { at: [0, 1], value: 'sum(i, x)' },
        { at: [0, 0.5, 1], value: 'log(sum(i, exp(x))) + max(i, x)' },
        { at: 1, value: '3' },
      ],
    });
    expect(terms.map((t) => t.map((p) => p.sum))).toEqual([[0, 0], [1, 3, 5], [-1]]);
    expect(sums).toBe(7);
  });

  it('places moments where their times are', () => {
    expect(gridOf({ loss: 'sum(i, x@start + x@0.3)' }).moments).toEqual(
      new Map([
        ['start', 0],
        ['0.3', 2],
      ]),
    );
  });

  it('has one point in a job without flow', () => {
    const { system } = systemOf({ tracers: { x: [[1]] }, loss: [{ at: 'start', value: 'sum(i, x)' }] });
    const { times, terms } = placeGrid(system, compileProgram(system).terms, 0);
    expect(times).toHaveLength(1);
    expect(terms[0]?.map((p) => p.point)).toEqual([0]);
  });

  it('numbers the slices of arrays that change with time', () => {
    const seen = {
      slices: [
        [[1], [2]],
        [[3], [4]],
      ],
      group: 'tracers' as const,
    };
    const { terms } = gridOf({ loss: [{ at: [0.5, 1], value: 'sum(i, x * seen)', with: { seen } }] });
    expect(terms[0]?.map((p) => p.slice)).toEqual([0, 1]);
  });

  it('refuses a number of slices that is not the number of steps, and times outside of the interval', () => {
    const seen = {
      slices: [
        [[1], [2]],
        [[3], [4]],
      ],
      group: 'tracers' as const,
    };
    expect(() => gridOf({ loss: [{ at: 'every step', value: 'sum(i, x * seen)', with: { seen } }] })).toThrow(
      /`seen` has 2 slices, and its term is evaluated at 5 times/,
    );
    expect(() => gridOf({ loss: [{ at: 1.5, value: 'sum(i, x)' }] })).toThrow(/time 1.5 lies outside/);
  });

  it('gives the trapezoid weights that integrate straight lines exactly, on any grid', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.double({ min: 0.01, max: 0.99, noNaN: true }), { maxLength: 6 }),
        fc.integer({ min: 1, max: 7 }),
        (stops, steps) => {
          const { times, terms } = gridOf({
            tracers: { x: [[1]], u: [[1]] },
            flow: { x: 'u', u: '-x' },
            scheme: 'leapfrog',
            steps,
            loss: [{ integral: 'sum(i, x)' }, { at: [...stops].sort((a, b) => a - b), value: 'sum(i, x)' }],
          });
          const line = (terms[0] ?? []).reduce((s, p) => s + p.weight * (2 + 3 * times[p.point]!), 0);
          expect(line).toBeCloseTo(3.5, 12);
          expect([...times]).toEqual([...times].sort((a, b) => a - b));
          for (const [n, t] of [...stops].sort((a, b) => a - b).entries()) {
            expect(Math.abs(times[terms[1]![n]!.point]! - t)).toBeLessThanOrEqual(1e-9 / steps);
          }
        },
      ),
      { numRuns: 50 },
    );
  });
});
