/** The fit of the hippocampus pair: momenta, so that the source surface lies where the target's vertices are likely. */
import { join } from 'node:path';
import type { JobObject } from '../../src/index.ts';

/** Two hippocampi of the KeOps tutorial on LDDMM; real input that is not part of the repository. */
export const data = join(import.meta.dirname, '../../../shared/data/hippocampus');

/**
 * 662 control points carry 6611 vertices; Gaussian kernel, σ = 20; Ralston, 10 steps; the negative log-likelihood of the
 * carried vertices under a mixture of Gaussians of width s on the target's 6611, up to a constant, and the kinetic energy.
 */
export function hippocampusFit(precision: 'f32' | 'f64', optimize?: JobObject['optimize']): JobObject {
  return {
    name: 'hippocampus-fit',
    precision,
    sources: { q: join(data, 'control_points.npy'), p: { constant: [0, 0, 0] } },
    tracers: { x: join(data, 'source_vertices.npy') },
    sets: { target: { z: join(data, 'target_vertices.npy') } },
    params: { sigma: 20, s: 3, cost: 0.01 },
    let: { 'K(a, b)': 'exp(-sqdist(a, b) / sigma^2)' },
    flow: {
      x: 'sum(j, K(x, q[j]) * p[j])',
      q: 'sum(k, K(q, q[k]) * p[k])',
      p: 'sum(k, 2 / sigma^2 * dot(p, p[k]) * K(q, q[k]) * (q - q[k]))',
    },
    integrate: { scheme: 'ralston', from: 0, to: 1, steps: 10 },
    loss: [
      { value: '-mean(i, logsumexp(j in target, -sqdist(x, z[j]) / (2 * s^2)))' },
      { at: 'start', value: 'cost / 2 * sum(j, sum(k, K(q, q[k]) * dot(p, p[k])))' },
    ],
    gradient: ['p'],
    ...(optimize === undefined ? {} : { optimize }),
  };
}
