import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type RunResult, run } from '../src/index.ts';

/** Two hippocampi of the KeOps tutorial on LDDMM; real input that is not part of the repository. */
const data = join(import.meta.dirname, '../../shared/data/hippocampus');
const present = existsSync(join(data, 'control_points.npy'));

/** 662 control points carry 6611 vertices, Gaussian σ = 20, Ralston, 10 steps. */
function job(precision: 'f32' | 'f64', direction = 0) {
  return {
    precision,
    sources: {
      q: join(data, 'control_points.npy'),
      p: { normal: [0, 0.02] as [number, number], dim: 3, seed: 7 },
      v: { normal: [0, 1] as [number, number], dim: 3, seed: 8 },
    },
    tracers: { x: join(data, 'source_vertices.npy'), goal: join(data, 'target_vertices.npy') },
    params: { sigma: 20, along: direction },
    let: { 'K(a, b)': 'exp(-sqdist(a, b) / sigma^2)', m: 'p + along * v' },
    flow: {
      x: 'sum(j, K(x, q[j]) * m[j])',
      q: 'sum(k, K(q, q[k]) * m[k])',
      p: 'sum(k, 2 / sigma^2 * dot(m, m[k]) * K(q, q[k]) * (q - q[k]))',
    },
    integrate: { scheme: 'ralston' as const, from: 0, to: 1, steps: 10 },
    loss: 'mean(i, sqdist(x, goal))',
    gradient: ['p', 'q', 'sigma', 'along'],
  };
}

const apart = (a: RunResult, b: RunResult, name: string): number => {
  const [u, v] = [a.gradient[name]!.data, b.gradient[name]!.data];
  return Math.hypot(...u.map((value, n) => value - v[n]!)) / Math.hypot(...v);
};

describe.skipIf(!present)(`a real surface (skipped where ${data} is absent)`, () => {
  test('gradients in single precision agree with those in double precision', async () => {
    const [single, double] = [await run(job('f32')), await run(job('f64'))];
    expect(Math.abs(single.loss! / double.loss! - 1)).toBeLessThan(1e-5);
    for (const name of ['p', 'q', 'sigma']) expect(apart(single, double, name)).toBeLessThan(1e-4);
  });

  test('the derivative along one direction of all momenta agrees with four-point differences', async () => {
    const exact = (await run(job('f64'))).gradient['along']!.data[0]!;
    const h = 1e-4;
    const at = async (s: number): Promise<number> => (await run(job('f64', s))).loss!;
    const differences =
      (8 * ((await at(h)) - (await at(-h))) - ((await at(2 * h)) - (await at(-2 * h)))) / (12 * h);
    expect(Math.abs(differences / exact - 1)).toBeLessThan(1e-7);
  });
});
