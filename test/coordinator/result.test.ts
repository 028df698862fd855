import { describe, expect, it } from 'vitest';
import { norms, rowsWanted, sourceTensors } from '../../src/coordinator/result.ts';
import type { Grid } from '../../src/kernels/sweep/program.ts';
import { rowsShape } from '../../src/partition/row-shape.ts';
import { systemOf } from '../kernels/systems.ts';

const gridOf = (steps: number): Grid => ({
  times: Float64Array.from({ length: steps + 1 }, (_, k) => k),
  terms: [],
  moments: new Map(),
  sums: 0,
});

describe('rowsWanted', () => {
  const { system } = systemOf({
    sources: { q: [0, 1] },
    tracers: { x: [0.1], mass: [1] },
    flow: { x: 'mass * sum(j, q[j])' },
    scheme: 'euler',
    loss: 'sum(i, x)',
    gradient: ['q', 'mass', 'x'],
  });

  it('wants the gradients of tracers from whoever holds them, and no others', () => {
    const wanted = rowsWanted(system, { final: false, trajectory: false, every: 1 }, gridOf(4));
    expect(wanted).toEqual({ gradient: ['mass', 'x'], final: false, trajectory: [], values: false });
  });

  it.each([
    [10, 4, [0, 4, 8, 10]],
    [8, 4, [0, 4, 8]],
    [3, 5, [0, 3]],
    [2, 1, [0, 1, 2]],
  ])('saves of %i steps every %i, and the end', (steps, every, points) => {
    expect(rowsWanted(system, { final: true, trajectory: true, every }, gridOf(steps)).trajectory).toEqual(
      points,
    );
  });
});

describe('rowsShape', () => {
  const size = { rows: 7, width: 1, times: 3 };

  it.each([
    ['gradient', [7], [7]],
    ['gradient', [7, 1], [7, 1]],
    ['final', [7], [7]],
    ['final', [7, 1], [7, 1]],
    ['trajectory', [7], [3, 7]],
    ['trajectory', [7, 1], [3, 7, 1]],
    ['values', null, [7]],
  ] as const)('of a %s given as %o is %o', (kind, given, expected) => {
    expect(rowsShape(kind, given, size)).toEqual(expected);
  });

  it('keeps the axis of a wide value', () => {
    expect(rowsShape('values', null, { ...size, width: 2 })).toEqual([7, 2]);
  });
});

describe('sourceTensors', () => {
  it('takes the states apart by field: the end time, then the saved times', () => {
    // Two rows of (q: 2, s: 1); blocks: the end, then two saved times.
    const states = Float64Array.from({ length: 3 * 2 * 3 }, (_, k) => k);
    const { final, trajectory } = sourceTensors(
      [
        { name: 'q', width: 2 },
        { name: 's', width: 1 },
      ],
      2,
      states,
      (field) => (field === 's' ? [2] : [2, 2]),
    );
    expect(final).toEqual({
      q: { shape: [2, 2], data: Float64Array.of(0, 1, 3, 4) },
      s: { shape: [2], data: Float64Array.of(2, 5) },
    });
    expect(trajectory).toEqual({
      q: { shape: [2, 2, 2], data: Float64Array.of(6, 7, 9, 10, 12, 13, 15, 16) },
      s: { shape: [2, 2], data: Float64Array.of(8, 11, 14, 17) },
    });
  });
});

describe('norms', () => {
  it('neither overflow nor vanish', () => {
    const of = (...data: number[]): number =>
      norms({ g: { shape: [data.length], data: Float64Array.from(data) } })['g']!;
    expect(of(3e200, -4e200)).toBeCloseTo(5e200, -188);
    expect(of(3e-200, 4e-200) / 5e-200).toBeCloseTo(1, 14);
    expect(of(0, 0)).toBe(0);
  });
});
