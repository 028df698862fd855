import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type JobObject, type ProgressEvent, type RunOptions, run, type Tensors } from '../src/index.ts';

/** A small issue 301: coupled sources carry tracers, the loss looks at every step. */
const carried: JobObject = {
  name: 'carried',
  sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, p: { normal: [0, 0.3], dim: 2, seed: 2 }, rows: 5 },
  tracers: {
    x: { uniform: [-1, 1], dim: 2, seed: 3 },
    goal: { uniform: [-1, 1], dim: 2, seed: 4 },
    rows: 300,
  },
  params: { sigma: 0.7 },
  let: { 'K(a, b)': 'exp(-sqdist(a, b) / sigma^2)' },
  flow: {
    x: 'sum(j, K(x, q[j]) * p[j])',
    q: 'sum(k, K(q, q[k]) * p[k])',
    p: 'sum(k, 2 / sigma^2 * dot(p, p[k]) * K(q, q[k]) * (q - q[k]))',
  },
  integrate: { scheme: 'ralston', from: 0, to: 1, steps: 6 },
  loss: [{ at: 'every step', value: 'mean(i, sqdist(x, goal))' }],
  gradient: ['q', 'p', 'sigma', 'x'],
  precision: 'f64',
};

/** The same with a loss that is not linear in its sums, and everything that can be saved. */
const saved: JobObject = {
  ...carried,
  loss: 'log(mean(i, exp(-sqdist(x, goal)))) + 0.1 * max(i, sqnorm(x))',
  values: { density: 'sum(j, K(x, q[j]))' },
  output: { save: ['final', 'trajectory'], every: 4 },
  shards: 3,
};

const engines = ['reference', 'wasm'] as const;

describe.each(engines)('run on the %s engine', (engine) => {
  it('gives gradients of tracers, values, states and times in the shapes of the inputs', async () => {
    const { gradient, values, final, trajectory, folder } = await run(saved, { engine });
    const shapes = (tensors: Tensors): unknown =>
      Object.fromEntries(Object.entries(tensors).map(([k, v]) => [k, v.shape]));
    expect(shapes(gradient)).toEqual({ q: [5, 2], p: [5, 2], sigma: [], x: [300, 2] });
    expect(shapes(values)).toEqual({ density: [300] });
    expect(shapes(final)).toEqual({ x: [300, 2], q: [5, 2], p: [5, 2] });
    expect(shapes(trajectory)).toEqual({ x: [3, 300, 2], q: [3, 5, 2], p: [3, 5, 2], t: [3] });
    expect([...trajectory['t']!.data]).toEqual([0, expect.closeTo(4 / 6, 12), 1]);
    expect(trajectory['x']!.data.slice(-600)).toEqual(final['x']!.data);
    expect(trajectory['q']!.data.slice(-10)).toEqual(final['q']!.data);
    expect(folder).toBeNull();
  });

  it('needs neither flow nor loss', async () => {
    const density: JobObject = {
      sources: {
        y: [
          [0, 0],
          [1, 0],
        ],
        b: [1, 2],
      },
      tracers: {
        x: [
          [0, 0],
          [0.5, 0],
          [0, 1],
        ],
      },
      values: { density: 'sum(j, exp(-sqdist(x, y[j])) * b[j])' },
      precision: 'f64',
    };
    const { loss, gradient, values } = await run(density, { engine });
    expect(loss).toBeNull();
    expect(gradient).toEqual({});
    const expected = [1 + 2 * Math.exp(-1), 3 * Math.exp(-0.25), Math.exp(-1) + 2 * Math.exp(-2)];
    for (const [i, value] of expected.entries()) expect(values['density']!.data[i]).toBeCloseTo(value, 14);
  });

  it('needs no tracers', async () => {
    const alone: JobObject = {
      sources: { s: [0.3, -0.4] },
      flow: { s: '-s^3' },
      integrate: { scheme: 'rk4', from: 0, to: 1, steps: 100 },
      loss: 'sum(j, s^2)',
      gradient: ['s'],
      output: { save: ['final'] },
      precision: 'f64',
    };
    const { gradient, final } = await run(alone, { engine });
    // s(t) = s₀ / √(1 + 2 s₀² t), so ∂s(1)²/∂s₀ = 2 s₀ / (1 + 2 s₀²)².
    for (const [j, s] of [0.3, -0.4].entries()) {
      expect(final['s']!.data[j]).toBeCloseTo(s / Math.sqrt(1 + 2 * s * s), 10);
      expect(gradient['s']!.data[j]).toBeCloseTo((2 * s) / (1 + 2 * s * s) ** 2, 9);
    }
  });

  it('needs no sources: the Lorenz ensemble', async () => {
    const lorenz: JobObject = {
      tracers: { u: { constant: [1, 0, 0] }, rows: 3 },
      params: { rho: 21 },
      let: { X: 'elem(u, 0)', Y: 'elem(u, 1)', Z: 'elem(u, 2)' },
      flow: { u: 'concat(10 * (Y - X), X * (rho - Z) - Y, X * Y - 8 / 3 * Z)' },
      integrate: { scheme: 'rk4', from: 0, to: 1, steps: 1000 },
      loss: 'mean(i, elem(u, 0))',
      gradient: ['rho'],
      precision: 'f64',
    };
    const { loss, gradient } = await run(lorenz, { engine });
    expect(loss).toBeCloseTo(-6.4505791473, 7);
    expect(gradient['rho']!.data[0]).toBeCloseTo(-1.2392421307, 7);
  });

  it('names the first step, time and row where a trajectory blows up', async () => {
    const blowUp: JobObject = {
      tracers: { x: [...Array(600).fill(0.1), 1e20, ...Array(9).fill(0.1), 1e20] },
      flow: { x: 'x^3' },
      integrate: { scheme: 'euler', from: 0, to: 4, steps: 8 },
      loss: 'sum(i, x)',
      gradient: ['x'],
      precision: 'f64',
      shards: 2,
    };
    await expect(run(blowUp, { engine })).rejects.toMatchObject({
      tag: 'NonFiniteError',
      message: expect.stringMatching(/tracer row 600 at step 3 \(t = 1.5\)$/u),
    });
  });
});

describe('run on the reference engine', () => {
  it.each([
    ['every step', carried],
    ['a function of sums', saved],
  ])('has the gradient of its own loss: %s', async (_, job) => {
    const { gradient } = await run(job, { engine: 'reference' });
    const h = 1e-4;
    const lossAt = async (sigma: number): Promise<number> =>
      (await run({ ...job, gradient: [] }, { engine: 'reference', set: [`params.sigma=${sigma}`] }))
        .loss as number;
    const [far, near, up, over] = await Promise.all([-2, -1, 1, 2].map((k) => lossAt(0.7 + k * h)));
    const difference = (8 * (up! - near!) - (over! - far!)) / (12 * h);
    expect(gradient['sigma']?.shape).toEqual([]);
    expect(Math.abs(gradient['sigma']!.data[0]! - difference)).toBeLessThan(1e-8 * Math.abs(difference));
  });
});

describe('run on both engines', () => {
  it.each([
    ['every step', carried],
    ['a function of sums', saved],
  ])('agrees: %s', async (_, job) => {
    const [a, b] = await Promise.all(engines.map((engine) => run(job, { engine })));
    expect(Math.abs(a!.loss! - b!.loss!)).toBeLessThan(1e-12 * Math.abs(a!.loss!));
    for (const [name, { data }] of Object.entries(a!.gradient)) {
      const other = b!.gradient[name]!.data;
      const size = Math.max(...data.map(Math.abs));
      expect(Math.max(...data.map((g, k) => Math.abs(g - other[k]!)))).toBeLessThan(1e-11 * size);
    }
    expect(b!.pairs).toBe(a!.pairs);
  });

  it('chooses steps once where the sources may', async () => {
    const adaptive: JobObject = {
      ...carried,
      integrate: { scheme: 'dopri5', from: 0, to: 1, tolerance: { abs: 1e-8, rel: 1e-6 } },
    };
    const [a, b] = await Promise.all(engines.map((engine) => run(adaptive, { engine })));
    expect(Math.abs(a!.loss! - b!.loss!)).toBeLessThan(1e-12 * Math.abs(a!.loss!));
    expect(a!.bytesPerIteration).toBeGreaterThan(
      (await run(carried, { engine: 'reference' })).bytesPerIteration,
    );
  });
});

describe('run on the wasm engine in little memory', () => {
  it('gives the same bits when it holds few steps and few rows at a time', async () => {
    const job: JobObject = {
      ...saved,
      tracers: { ...saved.tracers, rows: 3000 },
      integrate: { scheme: 'ralston', from: 0, to: 1, steps: 40 },
      shards: 6,
    };
    const roomy = await run(job, { engine: 'wasm', threads: 1 });
    const tight = await run({ ...job, memory: '200KiB' }, { engine: 'wasm', threads: 1 });
    expect(tight.pairs).toBeGreaterThan(roomy.pairs);
    expect(tight.loss).toBe(roomy.loss);
    expect(tight.gradient).toEqual(roomy.gradient);
  });
});

describe('run into a folder', () => {
  let place: string;
  beforeEach(async () => {
    place = await mkdtemp(join(tmpdir(), 'skewflow-run-'));
  });
  afterEach(async () => rm(place, { recursive: true, force: true }));

  const into = (options: RunOptions = {}): RunOptions => ({
    engine: 'reference',
    out: join(place, 'out'),
    ...options,
  });
  const listing = async (): Promise<readonly string[]> => {
    const entries = await readdir(place, { recursive: true, withFileTypes: true });
    return entries
      .filter((e) => e.isFile())
      .map((e) => join(e.parentPath, e.name).slice(place.length + 1))
      .sort();
  };

  it('writes the names of the job file, and nothing else', async () => {
    const { folder } = await run(saved, into());
    expect(folder).toBe(join(place, 'out'));
    expect(await listing()).toEqual([
      'out/final/p.npy',
      'out/final/q.npy',
      'out/final/x.npy',
      'out/gradient.npz',
      'out/gradient/x.npy',
      'out/job.yaml',
      'out/result.json',
      'out/trajectory/p.npy',
      'out/trajectory/q.npy',
      'out/trajectory/t.npy',
      'out/trajectory/x.npy',
      'out/values/density.npy',
    ]);
  });

  it('writes the numbers it gives in memory', async () => {
    const memory = await run(saved, { engine: 'reference' });
    const { gradient } = await run(saved, into());
    expect(gradient['q']).toEqual(memory.gradient['q']);
    expect(gradient['x']).toBeUndefined();
    const file = await readFile(join(place, 'out/gradient/x.npy'));
    const numbers = new Float64Array(new Uint8Array(file.subarray(file.length - 600 * 8)).buffer);
    expect(numbers).toEqual(memory.gradient['x']!.data);
  });

  it('writes the facts into result.json', async () => {
    const { summary, loss } = await run(saved, into());
    const written = JSON.parse(await readFile(join(place, 'out/result.json'), 'utf8'));
    expect(written).toEqual(JSON.parse(JSON.stringify(summary)));
    expect(written.loss).toBe(loss);
    expect(Object.keys(written).sort()).toEqual([
      'bytesPerIteration',
      'engine',
      'gradientNorms',
      'iterations',
      'jobDigest',
      'loss',
      'name',
      'numerics',
      'optimization',
      'pairs',
      'pairsPerSecond',
      'precision',
      'redone',
      'seconds',
      'shards',
      'threads',
      'timings',
      'version',
      'workersLost',
    ]);
  });

  it('reads a YAML file, with the paths in it relative to it', async () => {
    await writeFile(join(place, 'start.csv'), 'a,b\n0.1,0.2\n0.3,0.4\n');
    await writeFile(
      join(place, 'small.yaml'),
      [
        'tracers:',
        '  x: start.csv',
        'params:',
        '  rate: 0.5',
        'flow:',
        '  x: -rate * x',
        'integrate: { scheme: euler, from: 0, to: 1, steps: 1 }',
        'loss: sum(i, sqnorm(x))',
        'gradient: [rate]',
        'precision: f64',
        '',
      ].join('\n'),
    );
    const result = await run(join(place, 'small.yaml'), into());
    // One Euler step halves every component: L = ¼ Σ x², ∂L/∂rate = −2 · ½ · Σ x².
    const squares = 0.1 ** 2 + 0.2 ** 2 + 0.3 ** 2 + 0.4 ** 2;
    expect(result.loss).toBeCloseTo(squares / 4, 15);
    expect(result.gradient['rate']!.data[0]).toBeCloseTo(-squares, 15);
    expect(result.name).toBe('small');
    expect(await listing()).toContain('out/result.json');
  });

  it('refuses a folder that exists, unless it is to be replaced', async () => {
    await run(carried, into());
    const before = await readFile(join(place, 'out/result.json'), 'utf8');
    await expect(run(carried, into())).rejects.toMatchObject({
      tag: 'UsageError',
      message: expect.stringContaining('exists'),
    });
    expect(await readFile(join(place, 'out/result.json'), 'utf8')).toBe(before);
    await run(carried, into({ force: true, set: ['params.sigma=0.9'] }));
    expect(await readFile(join(place, 'out/result.json'), 'utf8')).not.toBe(before);
  });

  it.each([
    ['a trajectory blows up', { set: ['params.sigma=1e-200'] }, {}],
    ['the engine is not here', { engine: 'webgpu' }, { tag: 'NoDeviceError' }],
    ['the job has a mistake', { set: ['params.sigma=[1'] }, {}],
  ] as const)('leaves nothing when %s', async (_, options, expected) => {
    await expect(run(saved, into(options as RunOptions))).rejects.toMatchObject(expected);
    expect(await readdir(place)).toEqual([]);
  });

  it('leaves nothing when it is aborted', async () => {
    const stop = new AbortController();
    const onProgress = (event: ProgressEvent): void => {
      if (event.phase === 'sums') stop.abort('for lunch');
    };
    await expect(run(saved, into({ signal: stop.signal, onProgress }))).rejects.toMatchObject({
      tag: 'AbortedError',
      cause: 'for lunch',
    });
    expect(await readdir(place)).toEqual([]);
  });

  it('tells how far it is', async () => {
    const events: ProgressEvent[] = [];
    await run(saved, into({ onProgress: (event) => events.push(event) }));
    const phases = [...new Set(events.map((event) => event.phase))];
    expect(phases).toEqual(['reading', 'sums', 'head', 'gradient', 'writing']);
    const last = events.filter((event) => event.phase === 'gradient').at(-1);
    expect(last).toMatchObject({ iteration: 1, blocksDone: 3, blocksTotal: 3 });
  });
});

describe('run refuses', () => {
  it.each([
    [{ threads: 0 }, 'threads: expected a whole number from 1, got 0'],
    [{ memoryBytes: 1.5 }, 'memoryBytes: expected a whole number from 1, got 1.5'],
  ])('%o', async (options, message) => {
    await expect(run(carried, options)).rejects.toMatchObject({ tag: 'UsageError', message });
  });

  it('a job that needs more memory than it may take, with both numbers, before it starts', async () => {
    const events: ProgressEvent[] = [];
    const running = run(carried, {
      engine: 'wasm',
      memoryBytes: 100_000,
      onProgress: (event) => events.push(event),
    });
    await expect(running).rejects.toMatchObject({
      tag: 'MemoryError',
      details: { needed: expect.any(Number), available: 100_000 },
    });
    expect(events.map((event) => event.phase)).toEqual(['reading']);
  });

  it('a signal that is aborted already', async () => {
    await expect(run(carried, { signal: AbortSignal.abort(), engine: 'reference' })).rejects.toMatchObject({
      tag: 'AbortedError',
    });
  });
});
