/** Optimisations as jobs: published minima through formulas, bounds, fixed rows, results at the optimum, interruptions. */
import { access, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { checkpointsOf } from '../src/checkpoints.ts';
import { type JobObject, type ProgressEvent, type RunOptions, type RunResult, run } from '../src/index.ts';
import { readHistory } from '../src/plot/history.ts';
import { temporaryFolder } from './arrays/folder.ts';

/** A loss of parameters alone. */
const ofParams = (
  loss: string,
  start: number[],
  optimize: Partial<JobObject['optimize']> = {},
): JobObject => ({
  sources: { unused: [0] },
  params: { x: start },
  let: { a: 'elem(x, 0)', b: 'elem(x, 1)' },
  loss,
  optimize: { over: ['x'], ...optimize },
  precision: 'f64',
});

const rosenbrock = '100 * (b - a^2)^2 + (1 - a)^2';
const beale = '(1.5 - a * (1 - b))^2 + (2.25 - a * (1 - b^2))^2 + (2.625 - a * (1 - b^3))^2';

/** Five sources carry 300 tracers towards where others carry them: the momenta are to be found. */
const carried: JobObject = {
  name: 'carried',
  sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, p: { normal: [0, 0.3], dim: 2, seed: 2 }, rows: 5 },
  tracers: {
    x: { uniform: [-1, 1], dim: 2, seed: 3 },
    goal: { uniform: [-0.6, 1.3], dim: 2, seed: 4 },
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
  loss: [
    { value: 'mean(i, sqdist(x, goal))' },
    { at: 'start', value: '0.05 * sum(j, sum(k, K(q, q[k]) * dot(p, p[k])))' },
  ],
  optimize: { over: ['p', 'sigma'], iterations: 12, gradientTolerance: 1e-9 },
  precision: 'f64',
  shards: 3,
};

/** The same with fewer tracers and steps. */
const small: JobObject = {
  ...carried,
  tracers: { ...(carried.tracers as Record<string, never>), rows: 40 },
  integrate: { scheme: 'ralston', from: 0, to: 1, steps: 3 },
};

/** The plain evaluator, which starts at once, for what does not depend on the engine. */
const plainly: RunOptions = { engine: 'reference' };

const withoutSeconds = ({ history }: RunResult): unknown => history.map((row) => ({ ...row, seconds: 0 }));

const rejection = (running: Promise<unknown>): Promise<Error> =>
  running.then(
    () => {
      throw new Error('expected a rejection');
    },
    (error: Error) => error,
  );

describe('published minima, through formulas', () => {
  it.each([
    ['Rosenbrock', rosenbrock, [-1.2, 1], [1, 1], 0],
    ['Beale', beale, [1, 1], [3, 0.5], 0],
    [
      'Freudenstein and Roth',
      '(-13 + a + ((5 - b) * b - 2) * b)^2 + (-29 + a + ((b + 1) * b - 14) * b)^2',
      [0.5, -2],
      [11.4127789869, -0.8968052532],
      48.9842536792,
    ],
  ])('%s', async (_, loss, start, at, minimum) => {
    const result = await run(
      ofParams(loss, start, { gradientTolerance: 1e-7, decreaseTolerance: 0 }),
      plainly,
    );
    expect(result.loss).toBeCloseTo(minimum, 8);
    expect(result.optimization).toMatchObject({ method: 'lbfgs', reason: 'gradient', resumedFrom: null });
    for (const [i, v] of at.entries()) expect(result.optimum['x']!.data[i]).toBeCloseTo(v, 4);
    expect(result.history.at(-1)!.loss).toBe(result.loss);
    expect(result.iterations).toBe(result.optimization!.evaluations);
  });

  it('and one on a bound, where its gradient does not vanish', async () => {
    const { optimum, gradient, optimization } = await run(
      ofParams(rosenbrock, [-1.2, 0.1], { bounds: { x: [null, 0.5] } }),
      plainly,
    );
    expect(optimum['x']!.data[0]).toBeCloseTo(0.5, 6);
    expect(optimum['x']!.data[1]).toBeCloseTo(0.25, 6);
    expect(gradient['x']!.data[0]).toBeCloseTo(-1, 4);
    expect(optimization!.gradientNorm).toBeLessThan(1e-6);
  });
});

describe('an optimisation of momenta', () => {
  it('leaves at the optimum what a run of the optimum leaves, bit for bit', async () => {
    const job: JobObject = {
      ...carried,
      gradient: ['q', 'x'],
      values: { density: 'sum(j, K(x, q[j]))' },
      output: { save: ['final', 'trajectory'], every: 3 },
    };
    const fitted = await run(job);
    const { optimize: _, ...plain } = job;
    const { p, sigma } = fitted.optimum;
    const alone = await run({
      ...plain,
      sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, p: p! },
      params: { sigma: sigma! },
      gradient: ['q', 'x', 'p', 'sigma'],
    });
    expect(fitted.loss).toBe(alone.loss);
    expect(fitted.gradient).toEqual(alone.gradient);
    expect(fitted.values).toEqual(alone.values);
    expect(fitted.final).toEqual(alone.final);
    expect(fitted.trajectory).toEqual(alone.trajectory);
    expect(fitted.loss!).toBeLessThan(0.9 * fitted.history[0]!.loss);
  });

  it('moves no fixed row, and starts where the job says', async () => {
    const job: JobObject = {
      ...carried,
      optimize: { over: ['q', 'p'], iterations: 6, fixed: { p: [0, 3], q: [1] } },
    };
    const { optimum, history } = await run(job);
    const { optimize: _, ...plain } = carried;
    const start = await run({ ...plain, gradient: ['q', 'p'], output: { save: ['trajectory'], every: 6 } });
    expect(history[0]!.loss).toBe(start.loss);
    const moved = (name: string): number[] =>
      [0, 1, 2, 3, 4].filter((row) => optimum[name]!.data[2 * row] !== start.trajectory[name]!.data[2 * row]);
    expect(moved('p')).toEqual([1, 2, 4]);
    expect(moved('q')).toEqual([0, 2, 3, 4]);
  });

  it('gives the same bits with any number of threads', async () => {
    const [one, three] = [await run(carried, { threads: 1 }), await run(carried, { threads: 3 })];
    expect(withoutSeconds(three)).toEqual(withoutSeconds(one));
    expect(three.optimum).toEqual(one.optimum);
  });

  it('ends for a reason in single precision, close to where double precision ends', async () => {
    const change = { over: ['p'], iterations: 60, gradientTolerance: 1e-9 };
    const single = await run({ ...carried, precision: 'f32', optimize: change });
    const double = await run({ ...carried, optimize: change });
    expect(single.optimization!.reason).toBe('precision');
    expect(Math.abs(single.loss! / double.loss! - 1)).toBeLessThan(1e-5);
  });

  it('chooses its steps once when the job leaves them to the sources', async () => {
    const result = await run(
      {
        ...small,
        integrate: { scheme: 'dopri5', from: 0, to: 1, tolerance: { abs: 1e-7, rel: 1e-7 } },
        optimize: { over: ['p'], iterations: 3 },
        output: { save: ['trajectory'] },
      },
      plainly,
    );
    const { optimize: _, ...plain } = small;
    const start = await run(
      {
        ...plain,
        integrate: { scheme: 'dopri5', from: 0, to: 1, tolerance: { abs: 1e-7, rel: 1e-7 } },
        output: { save: ['trajectory'] },
      },
      plainly,
    );
    expect(result.trajectory['t']).toEqual(start.trajectory['t']);
  });

  it('goes back from where a trajectory blows up', async () => {
    const job: JobObject = {
      sources: { s: [0.31] },
      tracers: { x: [0.7, -0.4, 1.1] },
      flow: { x: 'sum(j, s[j]) * x^3' },
      integrate: { scheme: 'euler', from: 0, to: 1, steps: 40 },
      loss: 'mean(i, (x - 2.7)^2)',
      optimize: { over: ['s'], gradientTolerance: 1e-8 },
      precision: 'f64',
    };
    const { optimization, loss, history } = await run(job);
    expect(loss!).toBeLessThan(history[0]!.loss);
    expect(['decrease', 'gradient', 'precision']).toContain(optimization!.reason);
  });
});

describe('an optimisation that was interrupted', () => {
  const interruptedAt = async (iteration: number, options: RunOptions): Promise<Error> => {
    const stop = new AbortController();
    const onProgress = (event: ProgressEvent): void => {
      if ((event.step?.iteration ?? -1) >= iteration) stop.abort();
    };
    return rejection(run(small, { ...plainly, ...options, signal: stop.signal, onProgress }));
  };

  it('goes on from its last step with the same bits, and leaves no checkpoint', async () => {
    const folder = await temporaryFolder();
    const out = join(folder, 'fit');
    const whole = await run(small, { ...plainly, out: join(folder, 'whole') });
    const error = await interruptedAt(4, { out });
    expect(error).toMatchObject({
      tag: 'AbortedError',
      message: expect.stringMatching(/^stopped at iteration \d+: the same/u),
    });
    expect((await readdir(join(folder, '.fit.checkpoint'))).length).toBe(2);

    const events: ProgressEvent[] = [];
    const resumed = await run(small, { ...plainly, out, onProgress: (event) => events.push(event) });
    const from = resumed.optimization!.resumedFrom!;
    expect(from).toBeGreaterThanOrEqual(4);
    expect(events.find((event) => event.phase === 'resuming')?.step?.iteration).toBe(from);
    expect(withoutSeconds(resumed)).toEqual(withoutSeconds(whole));
    for (const file of ['optimum.npz', 'gradient.npz']) {
      expect(await readFile(join(out, file))).toEqual(await readFile(join(folder, 'whole', file)));
    }
    expect(readHistory(await readFile(join(out, 'history.csv'), 'utf8'))!.map(({ loss }) => loss)).toEqual(
      whole.history.map(({ loss }) => loss),
    );
    expect(await readdir(folder)).toEqual(['fit', 'whole']);
  });

  it('goes on from the checkpoint before when the last one is torn', async () => {
    const folder = await temporaryFolder();
    const out = join(folder, 'fit');
    await interruptedAt(5, { out });
    const names = (await readdir(join(folder, '.fit.checkpoint'))).sort();
    await truncate(join(folder, '.fit.checkpoint', names[1]!), 700);
    const whole = await run(small, plainly);
    const resumed = await run(small, { ...plainly, out });
    expect(resumed.optimization!.resumedFrom).toBe(Number.parseInt(names[0]!, 10));
    expect(resumed.optimum).toEqual(whole.optimum);
  });

  it('is not taken for another job’s, and begins anew when asked to', async () => {
    const folder = await temporaryFolder();
    const out = join(folder, 'fit');
    await interruptedAt(2, { out });
    const set = ['optimize.iterations=5'];
    const error = await rejection(run(small, { ...plainly, out, set }));
    expect(error).toMatchObject({ tag: 'UsageError', message: expect.stringContaining('of another job') });
    const { optimization } = await run(small, { ...plainly, out, set, fresh: true });
    expect(optimization).toMatchObject({ iterations: 5, resumedFrom: null });
  });

  it('is not gone on with by another kind of engine, unless that is asked for by name', async () => {
    const folder = await temporaryFolder();
    const out = join(folder, 'fit');
    await interruptedAt(2, { out });
    const other = { ...plainly, engine: plainly.engine === 'wasm' ? 'reference' : 'wasm', out } as const;
    const error = await rejection(run(small, other));
    expect(error).toMatchObject({
      tag: 'UsageError',
      message: expect.stringMatching(
        /was begun by `.*` and would be gone on with by `.*--allow-mixed.*--fresh/u,
      ),
    });
    const mixed = await run(small, { ...other, allowMixed: true });
    expect(mixed.optimization?.resumedFrom).toBeGreaterThanOrEqual(2);
    expect(mixed.numerics.split(' + ')).toHaveLength(2);
  });

  it('by a disk that takes no more stops cleanly, and goes on when there is room', async () => {
    const folder = await temporaryFolder();
    const out = join(folder, 'fit');
    // A folder where the fourth checkpoint is to be: the write fails there, as it would on a full disk.
    const obstacle = join(folder, '.fit.checkpoint/000000004.checkpoint');
    const blockLater = async (event: ProgressEvent): Promise<void> => {
      if (event.step?.iteration === 1) await mkdir(join(obstacle, 'full'), { recursive: true });
    };
    const error = await rejection(
      run(small, { ...plainly, out, onProgress: (event) => void blockLater(event) }),
    );
    expect(error).toMatchObject({
      tag: 'JobFailedError',
      message: expect.stringContaining('the same command goes on from the checkpoint before'),
    });
    await expect(access(out)).rejects.toThrow();
    await rm(obstacle, { recursive: true });
    const resumed = await run(small, { ...plainly, out });
    expect(resumed.optimization!.resumedFrom).toBe(3);
    expect(resumed.optimum).toEqual((await run(small, plainly)).optimum);
  });
});

describe('is refused', () => {
  it.each([
    [
      'bounds that exclude the start, with row and value',
      { over: ['p'], bounds: { p: [-0.1, 0.1] } },
      'JobFileError',
      /^optimize\.bounds: `p` starts outside its bounds: row \d, component \d is -?[\d.]+, not in \[-0\.1, 0\.1\]$/u,
    ],
    ['a name without a path to the loss', { over: ['goal'] }, 'JobFileError', /belongs to the tracers/u],
    [
      'rows that are all fixed',
      { over: ['p'], fixed: { p: [0, 1, 2, 3, 4] } },
      'JobFileError',
      /every row of `over` is fixed/u,
    ],
    [
      'a rate that leads out of the numbers',
      { over: ['p'], method: 'gd', rate: 1e300 },
      'NonFiniteError',
      /lower `rate`/u,
    ],
  ] as const)('%s', async (_, optimize, tag, message) => {
    const error = await rejection(
      run({ ...carried, optimize: optimize as unknown as JobObject['optimize'] }, plainly),
    );
    expect(error).toMatchObject({ tag, message: expect.stringMatching(message) });
  });

  it('a loss that is not finite at the start, with its place', async () => {
    const error = await rejection(
      run({ ...carried, loss: 'mean(i, sqdist(x, goal)) + log(sigma - 0.7)' }, plainly),
    );
    expect(error).toMatchObject({ tag: 'NonFiniteError' });
  });

  it('a field whose gradient is identically zero', async () => {
    const flat = ofParams('floor(a)^2 + b * 0', [0.3, 0.4]);
    expect(await rejection(run({ ...flat, loss: 'floor(a)^2 + floor(b)' }))).toMatchObject({
      message: expect.stringContaining('the loss is not differentiable in `x`'),
    });
  });

  it('bounds in single precision only where they exclude more than rounding', async () => {
    const job: JobObject = {
      ...ofParams(rosenbrock, [0.1, 0.1], { bounds: { x: [0.1, 3] } }),
      precision: 'f32',
    };
    expect((await run(job)).optimum['x']!.data[0]).toBeCloseTo(1, 2);
  });
});

test('checkpoints of a fit whose results go to a bucket lie in the current folder', () => {
  const { folder } = checkpointsOf('s3://bucket/fits/a/', 'f'.repeat(64));
  expect(folder).toBe(join(process.cwd(), '.bucket-fits-a.checkpoint'));
});

describe('without a folder', () => {
  it('nothing is written', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'keep'), '');
    await run({ ...carried, optimize: { over: ['p'], iterations: 1 } }, plainly);
    expect(await readdir(folder)).toEqual(['keep']);
  });
});
