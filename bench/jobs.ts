/** The jobs that are timed, as objects. */
import type { JobObject } from '../src/job/schema.ts';

const gaussian = 'exp(-sqdist(a, b) / sigma^2)';

/** One Gaussian sum for each of N rows, no time: Σ_j K(x_i, q_j) p_j. */
export function gaussianSum(n: number, m: number): JobObject {
  return {
    name: 'gaussian-sum',
    sources: { q: { uniform: [-1, 1], dim: 3, seed: 1 }, p: { normal: [0, 1], dim: 3, seed: 2 }, rows: m },
    tracers: { x: { uniform: [-1, 1], dim: 3, seed: 3 }, rows: n },
    params: { sigma: 0.5 },
    let: { 'K(a, b)': gaussian },
    loss: 'mean(i, sum(sum(j, K(x, q[j]) * p[j])))',
  };
}

/** Issue 301's job: a Gaussian flow with coupled sources, Euler, loss at every step, gradient with respect to Y0. */
export function lddmm(n: number, m: number, steps: number): JobObject {
  return {
    name: 'lddmm',
    sources: {
      q: { uniform: [-1, 1], dim: 3, seed: 1 },
      p: { normal: [0, 0.2 / m], dim: 3, seed: 2 },
      rows: m,
    },
    tracers: {
      x: { uniform: [-1, 1], dim: 3, seed: 3 },
      goal: { uniform: [-1, 1], dim: 3, seed: 4 },
      rows: n,
    },
    params: { sigma: 0.5 },
    let: { 'K(a, b)': gaussian },
    flow: {
      x: 'sum(j, K(x, q[j]) * p[j])',
      q: 'sum(k, K(q, q[k]) * p[k])',
      p: 'sum(k, 2 / sigma^2 * dot(p, p[k]) * K(q, q[k]) * (q - q[k]))',
    },
    integrate: { scheme: 'euler', from: 0, to: 1, steps },
    loss: [{ at: 'every step', value: 'mean(i, sqdist(x, goal))' }],
    gradient: ['q', 'p'],
  };
}

/** The same sources alone: what the sources' sweep costs. */
export function lddmmSources(m: number, steps: number): JobObject {
  const { q, p } = lddmm(1, m, steps).flow as Record<string, string>;
  return {
    name: 'lddmm-sources',
    sources: {
      q: { uniform: [-1, 1], dim: 3, seed: 1 },
      p: { normal: [0, 0.2 / m], dim: 3, seed: 2 },
      rows: m,
    },
    params: { sigma: 0.5 },
    let: { 'K(a, b)': gaussian },
    flow: { q: q ?? '', p: p ?? '' },
    integrate: { scheme: 'euler', from: 0, to: 1, steps },
    loss: 'sum(j, sqnorm(q))',
    gradient: ['q', 'p'],
  };
}

type Tracers = NonNullable<JobObject['tracers']>;
const rows: Tracers = { x: { uniform: [-1, 1], dim: 3, seed: 3 }, rows: 20_000 };
const flat: Tracers = { x: { uniform: [-1, 1], dim: 2, seed: 3 }, rows: 20_000 };

/** Weights, biases and outputs of a hundred units. */
const network: NonNullable<JobObject['sources']> = {
  w: { normal: [0, 1], dim: 3, seed: 1 },
  b: { normal: [0, 1], dim: 1, seed: 2 },
  a: { normal: [0, 0.05], dim: 3, seed: 5 },
  rows: 100,
};

/** Formulas nobody tuned for: held against C generated from the same kernels. */
export const untuned: Readonly<Record<string, JobObject>> = {
  'vortices rk4': {
    sources: {
      y: { uniform: [-1, 1], dim: 2, seed: 1 },
      gamma: { normal: [0, 0.3], dim: 1, seed: 2 },
      rows: 100,
    },
    tracers: flat,
    params: { delta: 0.1 },
    let: { 'spin(d)': 'concat(-elem(d, 1), elem(d, 0)) / (2 * pi * (sqnorm(d) + delta^2))' },
    flow: { x: 'sum(j, gamma[j] * spin(x - y[j]))', y: 'sum(k, gamma[k] * spin(y - y[k]))' },
    integrate: { scheme: 'rk4', from: 0, to: 1, steps: 10 },
    loss: 'mean(i, sqnorm(x))',
    gradient: ['y', 'gamma'],
  },
  'softened gravity leapfrog': {
    sources: {
      y: { uniform: [-1, 1], dim: 3, seed: 1 },
      v: { normal: [0, 0.1], dim: 3, seed: 2 },
      m: { uniform: [0, 0.01], dim: 1, seed: 5 },
      rows: 100,
    },
    tracers: {
      x: { uniform: [-1, 1], dim: 3, seed: 3 },
      u: { normal: [0, 0.1], dim: 3, seed: 4 },
      rows: 20_000,
    },
    params: { eps: 0.1 },
    let: { 'pull(d, m)': 'm * d * rsqrt(sqnorm(d) + eps^2)^3' },
    flow: { x: 'u', u: 'sum(j, pull(y[j] - x, m[j]))', y: 'v', v: 'sum(k, pull(y[k] - y, m[k]))' },
    integrate: { scheme: 'leapfrog', from: 0, to: 1, steps: 20 },
    loss: 'mean(i, sqnorm(x))',
    gradient: ['y', 'v', 'm'],
  },
  'sigmoid network euler': {
    sources: network,
    tracers: rows,
    flow: { x: 'sum(j, a[j] * sigmoid(dot(w[j], x) + b[j])) - x' },
    integrate: { scheme: 'euler', from: 0, to: 1, steps: 20 },
    loss: 'mean(i, sqnorm(x))',
    gradient: ['w', 'b', 'a'],
  },
  'tanh network dopri5': {
    sources: network,
    tracers: rows,
    flow: { x: 'sum(j, a[j] * tanh(dot(w[j], x) + b[j])) - x' },
    integrate: { scheme: 'dopri5', from: 0, to: 1, steps: 5 },
    loss: 'mean(i, sqnorm(x))',
    gradient: ['w', 'b', 'a'],
  },
  'Cauchy and Gaussian mix rk4': {
    sources: {
      q: { uniform: [-1, 1], dim: 3, seed: 1 },
      p: { normal: [0, 0.003], dim: 3, seed: 2 },
      rows: 100,
    },
    tracers: rows,
    params: { sigma: 0.5, c: 0.3 },
    let: { 'K(a, b)': 'c / (1 + sqdist(a, b) / sigma^2) + (1 - c) * exp(-sqdist(a, b) / (2 * sigma^2))' },
    flow: { x: 'sum(j, K(x, q[j]) * p[j])', q: 'sum(k, K(q, q[k]) * p[k])' },
    integrate: { scheme: 'rk4', from: 0, to: 1, steps: 10 },
    loss: 'mean(i, sqnorm(x))',
    gradient: ['q', 'p'],
  },
  'waves with cross products euler': {
    sources: {
      q: { uniform: [-1, 1], dim: 3, seed: 1 },
      p: { normal: [0, 0.02], dim: 3, seed: 2 },
      rows: 100,
    },
    tracers: rows,
    params: { wave: 3 },
    flow: { x: 'sum(j, sin(wave * norm(x - q[j])) * exp(-norm(x - q[j])) * cross(p[j], x - q[j]))' },
    integrate: { scheme: 'euler', from: 0, to: 1, steps: 20 },
    loss: 'mean(i, sqnorm(x))',
    gradient: ['q', 'p'],
  },
  'rational with a long tail ralston': {
    sources: {
      q: { uniform: [-1, 1], dim: 3, seed: 1 },
      p: { normal: [0, 0.02], dim: 3, seed: 2 },
      rows: 100,
    },
    tracers: rows,
    params: { a: 0.3, b: 0.7 },
    let: { 'r2(u, v)': 'sqdist(u, v) + a^2' },
    flow: {
      x: 'sum(j, (p[j] * (b - r2(x, q[j])) / (1 + r2(x, q[j])^2) + dot(p[j], x - q[j]) * (x - q[j]) / r2(x, q[j])) / 10)',
    },
    integrate: { scheme: 'ralston', from: 0, to: 1, steps: 10 },
    loss: 'mean(i, sqnorm(x))',
    gradient: ['q', 'p'],
  },
};
