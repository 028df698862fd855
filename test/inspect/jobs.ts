/** Jobs of every kind that changes how much work a run is. */
import type { JobObject } from '../../src/index.ts';

const tracers = { x: { uniform: [-1, 1], dim: 2, seed: 3 }, rows: 600 } as const;

export const plain: JobObject = {
  sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, p: { normal: [0, 0.3], dim: 2, seed: 2 }, rows: 5 },
  tracers,
  params: { sigma: 0.7 },
  flow: { x: 'sum(j, exp(-sqdist(x, q[j]) / sigma^2) * p[j])', q: 'sum(k != j, p[k] - q)' },
  integrate: { scheme: 'ralston', from: 0, to: 1, steps: 6 },
  loss: 'mean(i, sqnorm(x))',
  gradient: ['q', 'p', 'sigma', 'x'],
  precision: 'f64',
};

const long = { scheme: 'ralston', from: 0, to: 1, steps: 100 } as const;

export const jobs: Readonly<Record<string, JobObject>> = {
  'one phase': plain,
  'several shards': { ...plain, shards: 3 },
  'a loss at every step and one of the sources': {
    ...plain,
    loss: [
      { at: 'every step', value: 'mean(i, sqnorm(x))' },
      { at: [0.3], value: 'sum(j, sqnorm(q))' },
    ],
  },
  'two phases': { ...plain, shards: 2, loss: 'log(mean(i, sqnorm(x))) + sum(j, sqnorm(p))' },
  'two phases at every step, and a linear term': {
    ...plain,
    loss: [
      { at: 'every step', value: 'log(mean(i, sqnorm(x)))' },
      { at: 0.5, value: 'sum(i, sqnorm(x))' },
    ],
  },
  'a maximum over tracers': { ...plain, shards: 2, loss: 'max(i, sum(j, sqdist(x, q[j])))' },
  'few steps held': { ...plain, integrate: long, memory: '124KiB' },
  'few steps held in two phases': {
    ...plain,
    integrate: long,
    memory: '124KiB',
    loss: 'log(mean(i, sqnorm(x)))',
  },
  'steps chosen by the sources': {
    ...plain,
    integrate: { scheme: 'dopri5', from: 0, to: 1, tolerance: { abs: 1e-7, rel: 1e-6 } },
  },
  leapfrog: {
    sources: { r: { uniform: [-1, 1], dim: 2, seed: 1 }, v: { normal: [0, 0.1], dim: 2, seed: 2 }, rows: 5 },
    tracers: { ...tracers, u: { constant: [0, 0] } },
    params: { eps: 0.3 },
    flow: {
      r: 'v',
      v: 'sum(k != j, (r[k] - r) * rsqrt(sqdist(r, r[k]) + eps^2)^3)',
      x: 'u',
      u: 'sum(j, (r[j] - x) * rsqrt(sqdist(x, r[j]) + eps^2)^3)',
    },
    integrate: { scheme: 'leapfrog', from: 0, to: 1, steps: 10 },
    loss: 'mean(i, sqnorm(x))',
    gradient: ['r', 'eps'],
    precision: 'f64',
  },
  'an integral': { ...plain, loss: [{ integral: 'sum(i, sum(j, sqdist(x, q[j])))' }] },
  'no gradient': { ...plain, gradient: [] },
  'no gradient in two phases': { ...plain, gradient: [], shards: 2, loss: 'log(mean(i, sqnorm(x)))' },
  'values and states saved': {
    ...plain,
    values: { d: 'sum(j, sqdist(x, q[j]))' },
    output: { save: ['final', 'trajectory'], every: 4 },
  },
  'sources alone': {
    sources: plain.sources!,
    flow: { q: 'sum(k != j, p[k] - q)' },
    integrate: plain.integrate!,
    loss: 'sum(j, sqnorm(q))',
    gradient: ['q', 'p'],
  },
  'tracers alone': {
    tracers,
    flow: { x: '-x' },
    integrate: plain.integrate!,
    loss: 'mean(i, sqnorm(x))',
    gradient: ['x'],
  },
  'no flow': {
    sources: plain.sources!,
    tracers,
    loss: 'mean(i, logsumexp(j, -sqdist(x, q[j])))',
    gradient: ['q'],
  },
  'a further set': {
    ...plain,
    sets: { target: { z: { uniform: [-1, 1], dim: 2, seed: 9 }, rows: 11 } },
    loss: '-mean(i, logsumexp(j in target, -sqdist(x, z[j]) / sigma))',
    gradient: ['q', 'z'],
  },
  'weights between sources': {
    ...plain,
    pairs: {
      W: [
        [0, 1, 0, 0, 2],
        [1, 0, 0, 1, 0],
        [0, 0, 1, 0, 0],
        [0, 3, 0, 0, 1],
        [1, 0, 0, 0, 0],
      ],
    },
    flow: { ...plain.flow, q: 'sum(k, W[k] * tanh(q[k]))' },
    gradient: ['W', 'q'],
  },
};
