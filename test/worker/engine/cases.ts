/**
 * The problems every engine is tested on: every scheme with every reduction and with every kind of loss, and the
 * shapes a job can have. Data are generic, so that no minimum is attained twice and no gradient vanishes by chance.
 */
import type { SchemeName } from '../../../src/kernels/schemes/table.ts';
import type { ProblemText, Rows, TermText } from '../../kernels/systems.ts';

export interface Case {
  readonly kind: 'loss' | 'reduction' | 'shape';
  readonly title: string;
  readonly text: ProblemText;
}

/** The same numbers everywhere: a linear congruential generator (Numerical Recipes, 3rd ed., §7.1). */
export function numbers(seed: number, count: number, low = -1, high = 1): readonly number[] {
  let state = BigInt(seed);
  return Array.from({ length: count }, () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return low + (high - low) * (Number(state >> 11n) / 2 ** 53);
  });
}

export function rowsOf(seed: number, rows: number, width: number, low = -1, high = 1): Rows {
  const all = numbers(seed, rows * width, low, high);
  return Array.from({ length: rows }, (_, r) => all.slice(r * width, (r + 1) * width));
}

export const schemes: readonly SchemeName[] = ['euler', 'heun', 'ralston', 'rk4', 'dopri5', 'leapfrog'];

const sourceRows = 3;

/** How tracers and sources move: the flow of first order, or the acceleration. */
interface Motion {
  readonly tracers: string;
  readonly sources: string;
}

const attraction: Motion = {
  tracers: 'sum(j, w[j] * exp(-sqdist(x, q[j]) / sigma^2) * (q[j] - x)) + a * c',
  sources: 'sum(k, w[k] * exp(-sqdist(q, q[k]) / sigma^2) * (q[k] - q)) + 0.1 * c',
};

const motions: Readonly<Record<string, Motion>> = {
  sum: attraction,
  'a sum without the own row': {
    tracers: 'sum(j, w[j] * (q[j] - x) / (sqdist(x, q[j]) + sigma^2)) * a',
    sources: 'sum(k != j, w[k] * (q[k] - q) * rsqrt(0.4 + sqdist(q, q[k])) * c)',
  },
  mean: {
    tracers: 'mean(j, tanh(w[j] * (q[j] - x) / sigma)) * a',
    sources: 'mean(k != j, sin(q[k] - q * sigma)) + c',
  },
  min: {
    tracers: 'min(j, w[j] * q[j] - 0.4 * x * sigma) + a * c',
    sources: 'min(k != j, w[k] * (q - q[k]) * sigma)',
  },
  max: {
    tracers: 'max(j, w[j] * q[j] - 0.4 * x * sigma) + a * c',
    sources: 'max(k, w[k] * q[k] * sigma - q)',
  },
  logsumexp: {
    tracers: 'logsumexp(j, -sqdist(x, q[j]) / sigma^2) * (c - x) * a',
    sources: 'logsumexp(k, -w[k] * sqdist(q, q[k]) / sigma^2) * (c - q)',
  },
  softmax: {
    tracers: 'softmax(j, -w[j] * sqdist(x, q[j]) / sigma^2, q[j]) - x * a',
    sources: 'softmax(k, dot(q, q[k]) * sigma, w[k] * q[k]) - c * q',
  },
  'a further set': {
    tracers: 'sum(j in target, b[j] * exp(-sqdist(x, z[j]) / sigma^2) * (z[j] - x)) + a * mean(j, q[j])',
    sources: 'softmax(k in target, -sqdist(q, z[k]), z[k]) - q * c',
  },
  'weights between sources': {
    tracers: 'sum(j, exp(-sqdist(x, q[j]) / sigma^2) * q[j]) * a',
    sources: '-q * w + sum(k, W[k] * tanh(q[k] * sigma)) + sum(k != j, V[k] * q[k])',
  },
  'a reduction inside a reduction': {
    tracers:
      '0.3 * sum(j, w[j] * (q[j] - x) * sum(k, exp(-sqdist(q[j], q[k]) / sigma^2) + dot(x, q[k]) * a))',
    sources: '0.3 * sum(k, w[k] * (q[k] - q) * sum(i in target, b[i] * exp(-sqdist(q[k], z[i]) / sigma^2)))',
  },
  'reductions that need each other': {
    tracers:
      'sum(j, exp(-sqdist(x, q[j])) * (q[j] - sum(k, w[k] * q[k]) * a)) / (1 + sum(k, exp(-sqdist(x, q[k]) / sigma^2)))',
    sources: 'sum(k, w[k] * (q[k] - mean(i in target, z[i]))) * exp(-sqnorm(q)) * sigma',
  },
  'no reduction, but time': {
    tracers: 'concat(-elem(x, 1), elem(x, 0)) * cos(3 * t) * a + c * t^2',
    sources: 'sin(sigma * q + t) * w',
  },
};

/** Both groups with everything a group can have, moved by `motion` under `scheme`. */
function moved(motion: Motion, scheme: SchemeName, rest: Partial<ProblemText>): ProblemText {
  const second = scheme === 'leapfrog';
  const fields = {
    sources: { q: rowsOf(1, sourceRows, 2), w: rowsOf(2, sourceRows, 1, 0.5, 1.5) },
    tracers: { x: rowsOf(3, 5, 2), a: rowsOf(4, 5, 1, 0.5, 1) },
  };
  return {
    sources: second ? { ...fields.sources, v: rowsOf(5, sourceRows, 2) } : fields.sources,
    tracers: second ? { ...fields.tracers, u: rowsOf(6, 5, 2) } : fields.tracers,
    sets: { target: { z: rowsOf(7, 4, 2), b: rowsOf(8, 4, 1, 0.2, 1) } },
    pairs: { W: rowsOf(9, sourceRows * sourceRows, 1), V: rowsOf(10, sourceRows * sourceRows, 2) },
    params: { sigma: 0.9, c: [0.3, -0.4] },
    flow: second
      ? { q: 'v', v: motion.sources, x: 'u', u: motion.tracers }
      : { q: motion.sources, x: motion.tracers },
    scheme,
    from: 0.2,
    to: 0.9,
    steps: 3,
    loss: 'mean(i, sqnorm(x - c)) + sum(j, dot(q, q))',
    gradient: ['q', 'w', 'z', 'b', 'W', 'V', 'sigma', 'c', 'x', 'a', ...(second ? ['v', 'u'] : [])],
    ...rest,
  };
}

const slices = (seed: number, count: number): readonly Rows[] =>
  Array.from({ length: count }, (_, n) => rowsOf(seed + n, 5, 2));

const losses: Readonly<Record<string, readonly TermText[]>> = {
  'at the end': [{ value: 'mean(i, a * sqdist(x, c))' }],
  'at the start': [{ at: 'start', value: 'sum(i, sqnorm(x)) * sigma + sum(j, w * sqnorm(q))' }],
  'at listed times, on and off the grid': [{ at: [0.2, 0.5, 0.61, 0.9], value: 'sum(i, sqnorm(x) * t)' }],
  'at every step': [
    { at: 'every step', value: 'mean(i, sqdist(x, c))' },
    { at: 0.44, value: 'sum(i, sum(x))' },
  ],
  'an integral over tracers': [{ integral: 'sigma * sum(i, sqnorm(x) * a) + mean(i, elem(x, 0)) * t' }],
  'an integral over sources': [
    { integral: '0.5 * sum(j, sum(k, exp(-sqdist(q, q[k]) / sigma^2) * w * w[k])) + sigma * t' },
  ],
  'an integral that is no plain sum over sources': [
    { integral: 'sqrt(sum(j, sqnorm(q))) + max(j, w * elem(q, 0)) + sum(j in target, b) * sigma' },
  ],
  'an integral beside other terms': [
    {
      integral: 'sum(i, sqdist(x, m)) - sum(j, sqnorm(q - n))',
      with: {
        m: { slices: slices(30, 1), group: 'tracers' },
        n: { slices: [rowsOf(31, sourceRows, 2)], group: 'sources' },
      },
    },
    { at: 'every step', value: 'log(1 + sum(i, sqnorm(x)))' },
  ],
  'not linear in its sums': [
    {
      at: [0.4, 0.9],
      value: 'log(sum(i, exp(-sqnorm(x - c)))) * sigma + sqnorm(mean(i, a * x) - mean(j, q))',
    },
  ],
  'linear and not linear terms together': [
    { at: 'every step', value: 'sqnorm(mean(i, x)) * t' },
    { at: 'end', value: 'mean(i, sqnorm(x))' },
    { at: [0.3], value: 'sum(j, w * sqnorm(q)) / sigma' },
  ],
  'min and max over tracers': [
    { at: [0.5, 0.9], value: 'max(i, a * sqnorm(x)) - sum(c * min(i, x * sigma)) + sum(i, sum(x))' },
  ],
  'at several moments': [
    { value: 'sum(i, sqdist(x, x@start) * a) + sum(i, dot(x@0.5, x)) + sum(j, dot(q@start, q) * w)' },
    { at: [0.3], value: 'sum(i, sqnorm(x - x@end)) + sum(i, sum(j, exp(-sqdist(x, q@0.37[j]))))' },
  ],
  'with a slice for each time': [
    {
      at: [0.3, 0.65, 0.9],
      value: 'sum(i, sqdist(x, seen))',
      with: { seen: { slices: slices(40, 3), group: 'tracers' } },
    },
    {
      at: [0.4, 0.8],
      value: 'sum(j, sqdist(q, known)) + mean(i, sum(j, dot(x, known[j])))',
      with: { known: { slices: [rowsOf(50, sourceRows, 2), rowsOf(51, sourceRows, 2)], group: 'sources' } },
    },
  ],
  'with a slice for each step': [
    {
      at: 'every step',
      value: 'mean(i, sqdist(x, path))',
      with: { path: { slices: slices(60, 4), group: 'tracers' } },
    },
  ],
  'with a given cotangent': [
    { value: 'sum(i, dot(x, gx))', with: { gx: { slices: slices(70, 1), group: 'tracers' } } },
  ],
  'of sources and parameters alone': [
    { at: [0.2, 0.7], value: 'sum(j, sum(k, exp(-sqdist(q[j], q[k]))) * w) * exp(sigma) + sqnorm(c)' },
  ],
  'over a set': [{ value: '-mean(i, logsumexp(j in target, -sqdist(x, z[j]) / (2 * sigma^2) + log(b[j])))' }],
};

/** Jobs of another shape: what they lack is in the title. */
const shapes: Readonly<Record<string, ProblemText>> = {
  'no tracers': {
    sources: { q: rowsOf(80, 4, 2), s: rowsOf(81, 4, 1, 0.5, 1) },
    params: { sigma: 0.8 },
    flow: { q: 'sum(k, s[k] * exp(-sqdist(q, q[k]) / sigma^2) * (q - q[k]))', s: '-s * sqnorm(q)' },
    scheme: 'rk4',
    loss: [{ value: 'log(sum(j, sqnorm(q)))' }, { integral: 'sum(j, s)' }],
    gradient: ['q', 's', 'sigma'],
  },
  'no sources (Lorenz)': {
    tracers: { u: rowsOf(82, 4, 3, 0, 2) },
    params: { rho: 21, beta: 8 / 3, sigma: 10 },
    flow: {
      u: 'concat(sigma * (elem(u, 1) - elem(u, 0)), elem(u, 0) * (rho - elem(u, 2)) - elem(u, 1), elem(u, 0) * elem(u, 1) - beta * elem(u, 2))',
    },
    scheme: 'dopri5',
    to: 0.4,
    steps: 5,
    loss: [{ value: 'mean(i, sqnorm(u))' }, { integral: 'sigma * t' }],
    gradient: ['u', 'rho', 'beta', 'sigma'],
  },
  'no flow': {
    sources: { y: rowsOf(83, 4, 2), m: rowsOf(84, 4, 1, 0.1, 1) },
    tracers: { x: rowsOf(85, 6, 2) },
    params: { s: 0.7 },
    loss: '-mean(i, logsumexp(j, log(m[j]) - sqdist(x, y[j]) / (2 * s^2))) + sum(j, m)^2',
    values: {
      density: 'sum(j, m[j] * exp(-sqdist(x, y[j]) / (2 * s^2)))',
      nearest: 'x + min(j, sqdist(x, y[j]))',
    },
    gradient: ['y', 'm', 'x', 's'],
  },
  'sources that stand still': {
    sources: { q: rowsOf(86, 3, 2), w: rowsOf(87, 3, 1) },
    tracers: { x: rowsOf(88, 5, 2) },
    flow: { x: 'sum(j, w[j] * (q[j] - x) / (1 + sqdist(x, q[j])))' },
    scheme: 'heun',
    loss: [{ at: 'every step', value: 'sum(i, sqnorm(x))' }],
    values: { there: 'x * sum(j, w[j])' },
    gradient: ['q', 'w', 'x'],
  },
  'tracers that stand still': {
    sources: { q: rowsOf(89, 3, 2) },
    tracers: { goal: rowsOf(90, 5, 2) },
    flow: { q: 'sum(k != j, (q[k] - q) / (0.5 + sqdist(q, q[k])))' },
    scheme: 'ralston',
    loss: [
      { at: [0.3, 1], value: 'sum(i, logsumexp(j, -sqdist(goal, q[j])))' },
      { integral: 'sum(i, min(j, sqdist(goal, q[j])))' },
    ],
    gradient: ['q', 'goal'],
  },
  'a loss that is flat in some of its sums': {
    tracers: { x: rowsOf(92, 5, 2) },
    params: { sigma: 0.7 },
    loss: [
      { value: 'floor(3 * sum(i, elem(x, 0)))' },
      { value: 'log(mean(i, sqnorm(x))) * round(sum(i, sigma * sqnorm(x)))' },
      { value: 'mean(i, sqdist(x, sigma))' },
    ],
    gradient: ['x', 'sigma'],
  },
  'names that every object has': {
    tracers: { valueOf: rowsOf(93, 5, 2) },
    sets: { constructor: { toString: rowsOf(94, 3, 2) } },
    params: { hasOwnProperty: 0.7 },
    loss: 'mean(i, sum(j in constructor, sqdist(valueOf, toString[j]))) * hasOwnProperty',
    values: { constructor: 'norm(valueOf)', isPrototypeOf: 'valueOf * hasOwnProperty' },
    gradient: ['valueOf', 'toString', 'hasOwnProperty'],
  },
  'only a gradient of tracers': {
    ...moved(attraction, 'rk4', {}),
    gradient: ['x'],
  },
  'only a gradient of a parameter that moves the sources': {
    ...moved({ ...attraction, tracers: 'sum(j, w[j] * (q[j] - x))' }, 'heun', { loss: 'mean(i, sqnorm(x))' }),
    gradient: ['sigma'],
  },
  'a gradient that is zero everywhere': {
    ...moved(attraction, 'euler', { loss: 'mean(i, sqnorm(x))' }),
    gradient: ['W', 'b', 'q'],
  },
  'no gradient': { ...moved(attraction, 'heun', {}), gradient: [] },
  'no loss': {
    ...moved(attraction, 'heun', { loss: [], values: { far: 'norm(x) + sum(j, w[j])' } }),
    gradient: [],
  },
};

export const cases: readonly Case[] = [
  ...Object.entries(motions).flatMap(([reduction, motion]) =>
    schemes.map(
      (scheme): Case => ({
        kind: 'reduction',
        title: `${scheme}, ${reduction}`,
        text: moved(motion, scheme, {}),
      }),
    ),
  ),
  ...Object.entries(losses).flatMap(([kind, loss]) =>
    schemes.map(
      (scheme): Case => ({
        kind: 'loss',
        title: `${scheme}, a loss ${kind}`,
        text: moved(attraction, scheme, {
          loss,
          values: { speed: 'norm(x - c) + sum(j, w[j] * dot(x, q[j]))' },
        }),
      }),
    ),
  ),
  ...Object.entries(shapes).map(([title, text]): Case => ({ kind: 'shape', title, text })),
];

/** More rows than a block holds, in shards that end inside of blocks. */
export const manyRows: ProblemText = {
  ...moved(attraction, 'heun', {}),
  tracers: { x: rowsOf(100, 1500, 2), a: rowsOf(101, 1500, 1, 0.5, 1) },
  steps: 4,
  loss: [
    { at: 'every step', value: 'mean(i, a * sqdist(x, c))' },
    { at: 0.44, value: 'log(mean(i, exp(sqnorm(x)))) + max(i, elem(x, 0))' },
  ],
  values: { near: 'min(j, sqdist(x, q[j]))' },
};

/** A smooth coupled problem whose loss and gradient converge with the order of the scheme. */
export function smooth(scheme: SchemeName, steps: number): ProblemText {
  return {
    ...moved(attraction, scheme, {
      loss: [
        { value: 'mean(i, sqdist(x, c)) + sum(j, sqnorm(q))' },
        { integral: 'mean(i, sum(sin(x))) + sum(j, w * sqnorm(q))' },
      ],
    }),
    steps,
  };
}
