import { readdirSync, readlinkSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { npyBytes } from '../../src/arrays/npy-writer.ts';
import { closeJob, defaultMemoryBytes, jobFromObject, loadJob } from '../../src/job/load.ts';
import { readField, readWhole } from '../../src/job/values.ts';
import { temporaryFolder } from '../arrays/folder.ts';
import { jobIn, refusal, sound, soundWith } from './jobs.ts';

describe('a sound job', () => {
  test('is complete: rows, widths, what evolves, times and defaults', async () => {
    const job = await jobIn(sound);
    expect(job.name).toBe('job');
    expect(job.system).toMatchObject({
      sources: { rows: 10, evolving: [{ name: 'q', width: 3 }], constant: [{ name: 'p', width: 3 }] },
      tracers: { rows: 100, evolving: [{ name: 'x', width: 3 }], constant: [{ name: 'goal', width: 3 }] },
      params: [{ name: 'sigma', width: 1 }],
      scheme: 'rk4',
      from: 0,
      to: 1,
      gradient: ['p', 'q', 'sigma'],
    });
    expect([...job.system.flow.keys()]).toEqual(['x', 'q']);
    expect(job.system.terms).toMatchObject([
      { text: 'mean(i, sqdist(x, goal))', at: { kind: 'times', times: [1] }, with: [] },
    ]);
    expect(job).toMatchObject({
      integrate: { kind: 'fixed', steps: 10 },
      optimize: null,
      output: { final: false, trajectory: false, every: 1, format: 'npy' },
      shards: 1,
      precision: 'f32',
      memoryBytes: defaultMemoryBytes,
    });
    expect(Object.isFrozen(job)).toBe(true);
  });

  test('keeps the document as it was given', async () => {
    const job = await jobIn(sound);
    expect(job.source).toMatchObject({ path: 'job.yaml', text: sound });
  });

  test('is named after its file, unless it has a name', async () => {
    const path = join(await temporaryFolder(), 'belt.yaml');
    await writeFile(path, sound);
    const job = await loadJob({ path });
    expect(job.name).toBe('belt');
    await closeJob(job);
    expect((await jobIn(`name: my belt\n${sound}`)).name).toBe('my belt');
  });

  test('may be written as JSON', async () => {
    const text = JSON.stringify({ tracers: { x: [[1, 2]] }, loss: 'sum(i, sqnorm(x))', gradient: ['x'] });
    const job = await jobIn(text);
    expect(job.system.tracers).toMatchObject({ rows: 1, constant: [{ name: 'x', width: 2 }] });
  });

  test('with further settings has them', async () => {
    const job = await jobIn(
      `${sound}shards: 8\nprecision: f64\nmemory: 1.5 GiB\noutput: { save: [trajectory], every: 5 }\n`,
    );
    expect(job).toMatchObject({
      shards: 8,
      precision: 'f64',
      memoryBytes: 1.5 * 2 ** 30,
      output: { final: false, trajectory: true, every: 5 },
    });
  });

  test('may let the sources choose the steps', async () => {
    const job = await jobIn(
      soundWith('integrate', 'integrate: { scheme: dopri5, to: 2, tolerance: { abs: 1e-8, rel: 1e-6 } }'),
    );
    expect(job.integrate).toEqual({ kind: 'adaptive', abs: 1e-8, rel: 1e-6 });
    expect(job.system).toMatchObject({ scheme: 'dopri5', from: 0, to: 2 });
  });

  test('has optimisation completed with its defaults', async () => {
    const job = await jobIn(
      `${sound}optimize: { over: [p], rate: 0.5, bounds: { p: [-1, null] }, fixed: { p: [0, 3] } }\n`,
    );
    expect(job.optimize).toEqual({
      over: ['p'],
      method: 'lbfgs',
      iterations: 100,
      evaluations: 1000,
      gradientTolerance: 1e-6,
      decreaseTolerance: 1e-12,
      rate: 0.5,
      memory: 10,
      bounds: new Map([['p', [-1, Infinity]]]),
      fixed: new Map([['p', [0, 3]]]),
    });
  });
});

describe('arrays', () => {
  test('of every role have their rows, widths and shapes', async () => {
    const folder = await temporaryFolder();
    await writeFile(
      join(folder, 'w.npy'),
      npyBytes(
        'f8',
        [2, 2, 3],
        Float64Array.from({ length: 12 }, (_, n) => n),
      ),
    );
    const job = await jobIn(
      `
sources: { m: [1, 2], y: [[0, 1], [2, 3]], one: 1 }
tracers: { x: { grid: [[0, 1, 2], [0, 1, 3]] }, e: { constant: [1, 0, 0] } }
sets: { target: { z: [[1], [2], [3]] } }
pairs: { W: w.npy, V: 2 }
params: { s: 1, v: [1, 2, 3], A: [[1, 2], [3, 4]], c: { constant: [5] } }
loss: sum(i, sqnorm(x)) + sum(j in target, z) + sum(j, m)
`,
      [],
      folder,
    );
    const seen = [...job.arrays].map(([name, { rows, width, shape }]) => [name, rows, width, shape]);
    expect(seen).toEqual([
      ['m', 2, 1, [2]],
      ['y', 2, 2, [2, 2]],
      ['one', 2, 1, [2]],
      ['x', 6, 2, [6, 2]],
      ['e', 6, 3, [6, 3]],
      ['z', 3, 1, [3, 1]],
      ['W', 4, 3, [2, 2, 3]],
      ['V', 4, 1, [2, 2]],
      ['s', 1, 1, []],
      ['v', 1, 3, [3]],
      ['A', 1, 4, [2, 2]],
      ['c', 1, 1, [1]],
    ]);
    expect(job.system.pairs).toEqual([
      { name: 'W', width: 3 },
      { name: 'V', width: 1 },
    ]);
    // W[own = 1, bound = 0] is row 1 · 2 + 0.
    expect([...(await readField(job, 'W', 2, 3))]).toEqual([6, 7, 8]);
    expect([...(await readWhole(job, 'A'))]).toEqual([1, 2, 3, 4]);
  });

  test('of the wrong number of pairs are refused', async () => {
    const error = await refusal('sources: { m: [1, 2] }\npairs: { W: [[1, 2, 3]] }\nloss: sum(j, m)\n');
    expect(error.message).toContain(
      'with 2 sources a pair field has shape (2, 2) or (2, 2, components), not (1, 3)',
    );
  });

  test('without sources there are no pairs', async () => {
    const error = await refusal('tracers: { x: [1] }\npairs: { W: [[1]] }\nloss: sum(i, x)\n');
    expect(error.message).toContain('pairs are weights between sources, and the job has none');
  });

  test('are read in the precision of the job, or in the one asked for', async () => {
    const job = await jobIn('tracers: { x: [0.1, 0.2] }\nloss: sum(i, x)\n');
    expect(await readField(job, 'x', 0, 2)).toEqual(new Float32Array([0.1, 0.2]));
    expect(await readField(job, 'x', 1, 2, 'f64')).toEqual(new Float64Array([0.2]));
  });

  test('are the same by ranges as whole', async () => {
    const job = await jobIn(sound);
    const whole = await readWhole(job, 'x');
    await fc.assert(
      fc.asyncProperty(fc.nat(100), fc.nat(100), async (a, b) => {
        const [begin, end] = [Math.min(a, b), Math.max(a, b)];
        expect(await readField(job, 'x', begin, end)).toEqual(whole.slice(3 * begin, 3 * end));
      }),
      { numRuns: 20 },
    );
  });

  test.skipIf(process.platform !== 'linux')('that are open when the job is refused are closed', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'x.npy'), npyBytes('f8', [2], new Float64Array(2)));
    const openFiles = (): readonly string[] =>
      readdirSync('/proc/self/fd').flatMap((fd) => {
        try {
          return [readlinkSync(`/proc/self/fd/${fd}`)].filter((path) => path.startsWith(folder));
        } catch {
          return [];
        }
      });
    await jobIn('tracers: { x: x.npy }\nloss: sum(i, x)\n', [], folder);
    expect(openFiles()).toHaveLength(1);
    await refusal('tracers: { x: x.npy, y: z.npy }\nloss: sum(i, x)\n', [], folder);
    await refusal('tracers: { x: x.npy }\nloss: sum(i, z)\n', [], folder);
    expect(openFiles()).toHaveLength(1);
  });
});

describe('terms of the loss', () => {
  const terms = (list: string): string => sound.replace(/loss: .*/u, `loss:\n${list}`);

  test('are evaluated when they say', async () => {
    const job = await jobIn(
      terms(`
  - { at: start, value: "sum(j, sqnorm(p))" }
  - { at: [0.25, 0.5, end], value: "mean(i, sqdist(x, goal))" }
  - { at: every step, value: "mean(i, sqdist(x, goal))" }
  - { integral: "sum(i, sqnorm(x))" }
  - { value: "mean(i, sqdist(x, x@start)) + mean(i, sqdist(x, x@0.50))" }`),
    );
    expect(job.system.terms.map((term) => term.at)).toEqual([
      { kind: 'times', times: [0] },
      { kind: 'times', times: [0.25, 0.5, 1] },
      { kind: 'every-step' },
      { kind: 'integral' },
      { kind: 'times', times: [1] },
    ]);
    expect([...job.system.moments]).toEqual([
      ['start', 0],
      ['0.5', 0.5],
    ]);
  });

  const seen = (shape: string, at: string): string =>
    terms(`  - { at: ${at}, value: "sum(i, sqdist(x, seen))", with: { seen: ${shape} } }`);
  const folderWith = async (shape: readonly number[]): Promise<string> => {
    const folder = await temporaryFolder();
    const data = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, n) => n);
    await writeFile(join(folder, 'seen.npy'), npyBytes('f8', shape, data));
    return folder;
  };

  test.each<[string, readonly number[], string, object]>([
    ['times × rows × d', [2, 100, 3], '[0.5, 1]', { slices: 2, width: 3, group: 'tracers' }],
    ['rows × d for all times', [100, 3], '[0.5, 1]', { slices: 1, width: 3, group: 'tracers' }],
    ['times × rows', [2, 100], '[0.5, 1]', { slices: 2, width: 1, group: 'tracers' }],
    ['one slice for one time', [1, 100, 3], '1', { slices: 1, width: 3, group: 'tracers' }],
    ['a slice for every step', [11, 100, 3], 'every step', { slices: 11, width: 3, group: 'tracers' }],
  ])('may have arrays of %s', async (_what, shape, at, expected) => {
    const job = await jobIn(seen('seen.npy', at), [], await folderWith(shape));
    expect(job.system.terms[0]!.with).toEqual([{ name: 'seen', ...expected }]);
    expect(job.arrays.get('seen')!.shape).toEqual(shape);
  });

  test('have slices one after another', async () => {
    const job = await jobIn(seen('seen.npy', '[0.5, 1]'), [], await folderWith([2, 100, 3]));
    expect(job.arrays.get('seen')!.rows).toBe(200);
    // Row 7 of the second slice.
    expect([...(await readField(job, 'seen', 107, 108))]).toEqual([321, 322, 323]);
  });

  test.each<[readonly number[], string]>([
    [[3, 100, 3], '[0.5, 1]'],
    [[2, 99, 3], '[0.5, 1]'],
    [[99, 3], '1'],
    [[2, 1, 100, 3], '[0.5, 1]'],
    [[10, 100, 3], 'every step'],
  ])('refuse an array of shape %j at %s', async (shape, at) => {
    const error = await refusal(seen('seen.npy', at), [], await folderWith(shape));
    expect(error).toMatchObject({ tag: 'ShapeError' });
    expect(error.message).toContain(
      'it is times × rows × components, or rows × components; the job has 100 tracers and 10 sources',
    );
  });

  test('may have arrays of the sources', async () => {
    const job = await jobIn(
      terms('  - { value: "sum(j, w * sqnorm(p)) + 0 * sum(i, sqnorm(x))", with: { w: { constant: 1 } } }'),
      [],
    ).catch((error: unknown) => error);
    // A constant has as many rows as are wanted: those of the tracers, unless the formula reads it as a source's.
    expect(job).toMatchObject({ tag: 'FormulaError' });
    const text = terms(
      '  - { value: "sum(j, w * sqnorm(p))", with: { w: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] } }',
    ).replace('[p, q, sigma]', '[p]');
    expect((await jobIn(text)).system.terms[0]!.with).toEqual([
      { name: 'w', width: 1, slices: 1, group: 'sources' },
    ]);
  });

  test('settle whose an array is by the formula, where both have as many rows', async () => {
    const text = (formula: string): string =>
      `sources: { y: [1, 2] }\ntracers: { x: [3, 4] }\nloss: [{ value: "${formula}", with: { w: [5, 6] } }]\n`;
    expect((await jobIn(text('sum(i, w * x)'))).system.terms[0]!.with[0]).toMatchObject({ group: 'tracers' });
    expect((await jobIn(text('sum(j, w * y)'))).system.terms[0]!.with[0]).toMatchObject({ group: 'sources' });
    expect((await refusal(text('sum(i, w * z)'))).message).toContain('unknown name `z`');
  });

  test('have arrays of different names', async () => {
    const term = '  - { value: "sum(i, w * sqnorm(x))", with: { w: 1 } }';
    expect((await refusal(terms(`${term}\n${term}`))).message).toContain(
      '`w` is the array of another term too',
    );
    const taken = terms('  - { value: "sum(i, sqnorm(x))", with: { goal: 1 } }');
    expect((await refusal(taken)).message).toMatch(
      /^job\.yaml:18:\d+: `goal` is a field of the tracers and cannot also be an array of a loss term/u,
    );
  });
});

describe('jobs of other shapes', () => {
  test('without tracers', async () => {
    const job = await jobIn(
      'sources: { y: [1, 2] }\nflow: { y: -y }\nintegrate: { scheme: rk4, to: 1, steps: 2 }\nloss: sum(j, y^2)\ngradient: [y]\n',
    );
    expect(job.system.tracers).toBeNull();
    expect(job.shards).toBe(1);
  });

  test('without sources', async () => {
    const job = await jobIn(
      'tracers: { u: { constant: [1, 0, 0] }, rows: 5 }\nparams: { s: 10 }\nflow: { u: s * u }\nintegrate: { scheme: euler, to: 1, steps: 2 }\nloss: mean(i, sqnorm(u))\ngradient: [s, u]\n',
    );
    expect(job.system.sources).toBeNull();
  });

  test('without a flow', async () => {
    const job = await jobIn(
      'sources: { c: [1, 2] }\ntracers: { x: [1, 2, 3] }\nvalues: { d: "sum(j, exp(-(x - c[j])^2))" }\n',
    );
    expect(job).toMatchObject({ integrate: null, system: { scheme: null, from: 0, to: 0, terms: [] } });
    expect([...job.system.values.keys()]).toEqual(['d']);
  });
});

describe('a job given as an object', () => {
  const q = Float32Array.from({ length: 6 }, (_, n) => n);
  const object = {
    sources: { q: { shape: [2, 3], data: q }, m: new Float64Array([1, 2]) },
    tracers: {
      x: [
        [1, 2, 3],
        [4, 5, 6],
      ],
    },
    params: { s: 0.5 },
    flow: { x: 'sum(j, m[j] * (q[j] - x)) * s' },
    integrate: { scheme: 'rk4', from: 0, to: 1, steps: 4 },
    loss: 'mean(i, sqnorm(x))',
    gradient: ['q', 's'],
  } as const;

  test('takes typed arrays, shapes with data, and nested lists', async () => {
    const job = await jobFromObject(object as never);
    expect([...job.arrays].map(([name, s]) => [name, s.rows, s.width])).toEqual([
      ['q', 2, 3],
      ['m', 2, 1],
      ['x', 2, 3],
      ['s', 1, 1],
    ]);
    expect([...(await readField(job, 'q', 1, 2))]).toEqual([3, 4, 5]);
    expect(job.source).toMatchObject({ path: null, folder: process.cwd() });
    expect(job.source.text).toContain('"Float64Array(2)"');
  });

  test('names the place of a mistake by its path', async () => {
    await expect(jobFromObject({ ...object, lss: 1 } as never)).rejects.toMatchObject({
      tag: 'JobFileError',
      message: expect.stringContaining('lss: unknown key `lss` in the job (did you mean `loss`?)'),
    });
    await expect(jobFromObject({ ...object, flow: { x: 'y' } } as never)).rejects.toThrow(
      'flow.x:1:1: unknown name `y`',
    );
    await expect(jobFromObject({ ...object, params: { s: NaN } } as never)).rejects.toThrow(
      'params.s: expected a path',
    );
    await expect(
      jobFromObject({ ...object, tracers: { x: { shape: [3, 3], data: q } } } as never),
    ).rejects.toThrow('tracers.x: inline: shape (3, 3) needs 9 numbers, and 6 are given');
  });

  test('finds relative paths in its folder', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'x.npy'), npyBytes('f8', [2], new Float64Array([7, 8])));
    const job = await loadJob({
      object: { tracers: { x: 'x.npy' }, loss: 'sum(i, x)' },
      folder,
      sets: ['precision=f64'],
    });
    expect(await readField(job, 'x', 0, 2)).toEqual(new Float64Array([7, 8]));
    await closeJob(job);
  });
});

describe('the digest', () => {
  const digest = async (text: string, sets: readonly string[] = []): Promise<string> =>
    (await jobIn(text, sets)).digest;

  test('is 64 hexadecimal digits and the same every time', async () => {
    expect(await digest(sound)).toMatch(/^[0-9a-f]{64}$/u);
    expect(await digest(sound)).toBe(await digest(sound));
  });

  test.each([
    ['the name', (text: string) => `name: other\n${text}`],
    ['the output', (text: string) => `${text}output: { save: [final] }\n`],
    [
      'comments and layout',
      (text: string) => `# comment\n${text.replace('sigma: 0.5', 'sigma:   0.5 # wide')}`,
    ],
    ['a default that is written out', (text: string) => `${text}precision: f32\n`],
  ])('does not depend on %s', async (_what, change) => {
    expect(await digest(change(sound))).toBe(await digest(sound));
  });

  test.each([
    'params.sigma=0.25',
    'tracers.x.seed=9',
    'tracers.rows=101',
    'integrate.steps=11',
    'integrate.scheme=heun',
    'loss=sum(i, sqdist(x, goal))',
    'flow.q=0 * q',
    'gradient=[p]',
    'shards=2',
    'precision=f64',
    'memory=1MiB',
  ])('depends on %s', async (set) => {
    expect(await digest(sound, [set])).not.toBe(await digest(sound));
  });

  test('depends on what a file holds, not on where it lies', async () => {
    const text = 'tracers: { x: x.npy }\nloss: sum(i, x)\n';
    const [a, b, c] = await Promise.all([temporaryFolder(), temporaryFolder(), temporaryFolder()]);
    for (const [folder, value] of [
      [a, 1],
      [b, 1],
      [c, 2],
    ] as const) {
      await writeFile(join(folder, 'x.npy'), npyBytes('f8', [1], new Float64Array([value])));
    }
    const [da, db, dc] = [
      (await jobIn(text, [], a)).digest,
      (await jobIn(text, [], b)).digest,
      (await jobIn(text, [], c)).digest,
    ];
    expect(da).toBe(db);
    expect(da).not.toBe(dc);
  });
});
