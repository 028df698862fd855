import { describe, expect, it } from 'vitest';
import { type JobObject, run, type Tensors } from '../src/index.ts';

/** Coupled sources, a loss in two phases, and every kind of result. */
const everything: JobObject = {
  sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, p: { normal: [0, 0.3], dim: 2, seed: 2 }, rows: 5 },
  tracers: { x: { uniform: [-1, 1], dim: 2, seed: 3 }, rows: 2500 },
  params: { sigma: 0.7 },
  let: { 'K(a, b)': 'exp(-sqdist(a, b) / sigma^2)' },
  flow: { x: 'sum(j, K(x, q[j]) * p[j])', q: 'sum(k, K(q, q[k]) * p[k])' },
  integrate: { scheme: 'ralston', from: 0, to: 1, steps: 6 },
  loss: 'log(mean(i, exp(-sqnorm(x)))) + 0.1 * max(i, sqnorm(x))',
  gradient: ['q', 'p', 'sigma', 'x'],
  values: { density: 'sum(j, K(x, q[j]))' },
  output: { save: ['final', 'trajectory'], every: 4 },
  shards: 3,
};

const bytesOf = (tensors: Tensors): readonly (readonly [string, string])[] =>
  Object.entries(tensors)
    .map(
      ([name, { data }]) =>
        [name, Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')] as const,
    )
    .sort(([a], [b]) => (a < b ? -1 : 1));

describe('run with 1, 2 and 8 threads', () => {
  it.each(['f32', 'f64'] as const)('gives the same bytes in %s', async (precision) => {
    const job: JobObject = { ...everything, precision };
    const results = [];
    for (const threads of [1, 2, 8]) results.push(await run(job, { engine: 'wasm', threads }));
    const [one, two, eight] = results.map(({ loss, gradient, values, final, trajectory }) => ({
      loss,
      bytes: [gradient, values, final, trajectory].map(bytesOf),
    }));
    expect(two).toEqual(one);
    expect(eight).toEqual(one);
  });
});
