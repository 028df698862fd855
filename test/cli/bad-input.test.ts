/** What is wrong with a job or a command line ends with exit code 2, a message that says what, and nothing written. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { npyBytes } from '../../src/arrays/npy-writer.ts';
import { built, skewflow } from './skewflow.ts';

/** One place for all: tests that run side by side cannot tell whose end removes a folder. */
let place: string;
beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'skewflow-cli-'));
  await built();
});
afterAll(() => rm(place, { recursive: true, force: true }));

const sound = `sources:
  q: [[0, 0], [1, 0]]
  p: [[0, 1], [0, -1]]
tracers:
  x: points.npy
params:
  sigma: 0.5
flow:
  x: sum(j, exp(-sqdist(x, q[j]) / sigma^2) * p[j])
  q: p
integrate: { scheme: heun, from: 0, to: 1, steps: 4 }
loss: mean(i, sqnorm(x))
gradient: [p, sigma]
`;

/** 3×2 float64 numbers as .npy. */
const points = Buffer.from(npyBytes('f8', [3, 2], Float64Array.of(0.1, 0.2, 0.3, 0.4, 0.5, 0.6)));

interface Given {
  /** Replacements in the sound job. */
  readonly change?: readonly (readonly [from: string, to: string])[];
  /** Bytes of points.npy; null: there is no such file. */
  readonly points?: Buffer | null;
}

async function folderOf({ change = [], points: bytes = points }: Given): Promise<string> {
  const folder = await mkdtemp(join(place, 'job-'));
  const text = change.reduce((t, [from, to]) => {
    expect(t).toContain(from);
    return t.replace(from, to);
  }, sound);
  await writeFile(join(folder, 'job.yaml'), text);
  if (bytes !== null) await writeFile(join(folder, 'points.npy'), bytes);
  return folder;
}

/** The header of `points` with one field written otherwise, of the same length. */
function headed(from: string, to: string): Buffer {
  const text = points.toString('latin1');
  expect(text).toContain(from);
  return Buffer.from(text.replace(from, to.padEnd(from.length)), 'latin1');
}

describe.concurrent('exit code 2 and nothing written', () => {
  test.for<[string, Given, RegExp]>([
    ['an unknown key', { change: [['loss:', 'lozz:']] }, /12:1.*`lozz`.*\^\^\^\^.*`loss`/s],
    ['an unknown name', { change: [['sqdist(x, q[j])', 'sqdist(y, q[j])']] }, /unknown name `y`.*\^/s],
    ['widths that disagree', { change: [['* p[j])', '* concat(p[j], 1))']] }, /width/],
    ['an index on a tracer', { change: [['x: sum(j, ', 'x: x[i] + sum(j, ']] }, /tracer/],
    ["a tracer in a source's flow", { change: [['q: p', 'q: x']] }, /tracer/],
    ['a missing array', { points: null }, /points\.npy.*no such file/s],
    [
      'a truncated array',
      { points: points.subarray(0, points.length - 8) },
      /points\.npy.*(truncated|bytes)/s,
    ],
    [
      'an array in Fortran order',
      { points: headed("'fortran_order': False", "'fortran_order': True") },
      /Fortran/,
    ],
    ['a complex array', { points: headed("'<f8'", "'<c8'") }, /complex|c8/],
    ['rows that disagree', { change: [['[[0, 1], [0, -1]]', '[[0, 1]]']] }, /rows/],
    ['no tracers', { points: Buffer.from(npyBytes('f8', [0, 2], new Float64Array(0))) }, /row/],
    ['no sources', { change: [['q: [[0, 0], [1, 0]]', 'q: []']] }, /row|empty/],
    [
      'a NaN in the input',
      { points: Buffer.from(npyBytes('f8', [3, 2], Float64Array.of(0, 0, 0, Number.NaN, 0, 0))) },
      /`x`.*NaN.*row 1|row 1.*NaN/s,
    ],
    ['no steps', { change: [['steps: 4', 'steps: 0']] }, /`steps`/],
    [
      'a loss time outside of the interval',
      { change: [['loss: mean(i, sqnorm(x))', 'loss: [{ at: 1.5, value: "mean(i, sqnorm(x))" }]']] },
      /1\.5/,
    ],
    ['the gradient of what is not there', { change: [['[p, sigma]', '[p, sygma]']] }, /`sygma`.*`sigma`/s],
    [
      'the gradient of what nothing depends on',
      {
        change: [
          ['sigma: 0.5', 'sigma: 0.5\n  other: 1'],
          ['[p, sigma]', '[p, other]'],
        ],
      },
      /`other`/,
    ],
    ['a formula that does not parse', { change: [['sum(j, exp', 'sum(j, (exp']] }, /9:\d+.*\^/s],
    ['text that is not YAML', { change: [['loss: mean', 'loss: [mean']] }, /YAML/],
  ])('%s', async ([, given, message], { expect }) => {
    const folder = await folderOf(given);
    const before = await readdir(folder);
    const { code, stdout, stderr } = await skewflow(['run', 'job.yaml'], folder);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/internal error|at .*\.js:/);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(await readdir(folder)).toEqual(before);
  });

  test.for<[string, string[], RegExp]>([
    ['a job file that is not there', ['run', 'no.yaml'], /no\.yaml: there is no such file/],
    ['no job file', ['run'], /missing required argument 'job'/],
    ['an unknown command', ['runn', 'job.yaml'], /unknown command 'runn'.*run/s],
    ['an unknown option', ['run', 'job.yaml', '--thread', '2'], /unknown option '--thread'.*--threads/s],
    ['an unknown engine', ['run', 'job.yaml', '--engine', 'cuda'], /cuda.*auto, wasm, webgpu, reference/s],
    ['no threads', ['run', 'job.yaml', '--threads', '0'], /whole number from 1/],
    ['an amount of memory that is none', ['run', 'job.yaml', '--memory', 'much'], /512MiB/],
    [
      'a job larger than memory',
      ['run', 'job.yaml', '--memory', '1000'],
      /needs \d+ bytes of memory and 1000 are available/,
    ],
    ['a change of what is not there', ['run', 'job.yaml', '--set', 'params.sygma=1'], /sygma/],
    ['a change that is none', ['run', 'job.yaml', '--set', 'params.sigma'], /=/],
    ['an unknown example', ['init', 'vortex'], /no example is named `vortex`.*vortices/s],
    ['a folder that exists', ['init', 'vortices', '.'], /exists/],
    ['an unknown shell', ['completion', 'csh'], /csh.*bash, fish, zsh/s],
  ])('%s', async ([, args, message], { expect }) => {
    const folder = await folderOf({});
    const before = await readdir(folder);
    const { code, stdout, stderr } = await skewflow(args, folder);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/internal error|at .*\.js:/);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(await readdir(folder)).toEqual(before);
  });

  test('a wrong environment variable', async ({ expect }) => {
    const { code, stderr } = await skewflow(['run', 'job.yaml'], await folderOf({}), {
      SKEWFLOW_THREADS: 'all',
    });
    expect(stderr).toMatch(/SKEWFLOW_THREADS.*`all`/);
    expect(code).toBe(2);
  });

  test('a job without a loss has nothing to check', async ({ expect }) => {
    const folder = await folderOf({
      change: [
        ['loss: mean(i, sqnorm(x))', 'values: { far: sqnorm(x) }'],
        ['gradient: [p, sigma]', ''],
      ],
    });
    const { code, stderr } = await skewflow(['check', 'job.yaml'], folder);
    expect(stderr).toMatch(/no `loss`/);
    expect(code).toBe(2);
  });
});

describe.concurrent('other exit codes', () => {
  test('1 and why where nothing can be written', async ({ expect }) => {
    const folder = await folderOf({});
    const refused = async (...args: readonly string[]): Promise<string> => {
      const { code, stderr } = await skewflow(args, folder);
      expect(code).toBe(1);
      return stderr;
    };
    const why = 'job.yaml/x: could not be written: a file is in its way\n';
    expect(await refused('run', 'job.yaml', '--out', 'job.yaml/x')).toBe(why);
    expect(await refused('init', 'vortices', 'job.yaml/x')).toBe(why);
  });

  test('1 and the first step, time and row where a trajectory blows up', async ({ expect }) => {
    const folder = await folderOf({
      change: [
        ['x: sum(j, exp(-sqdist(x, q[j]) / sigma^2) * p[j])', 'x: x * sqnorm(x) * 1e30 + 0 * sigma'],
        ['gradient: [p, sigma]', 'gradient: [x]'],
      ],
    });
    const before = await readdir(folder);
    const { code, stderr } = await skewflow(['run', 'job.yaml'], folder);
    expect(stderr).toMatch(/finite.*tracer row 0 at step \d+ \(t = [\d.]+\)/);
    expect(code).toBe(1);
    expect(await readdir(folder)).toEqual(before);
  });

  test('1 for a gradient that is not that of the loss: at a kink there is none', async ({ expect }) => {
    const folder = await folderOf({
      change: [
        ['loss: mean(i, sqnorm(x))', 'loss: mean(i, sqnorm(x)) + sum(j, max(elem(p[j], 0), 0))'],
        ['gradient: [p, sigma]', 'gradient: [p]'],
      ],
    });
    const { code, stdout } = await skewflow(['check', 'job.yaml'], folder);
    expect(stdout).toMatch(/∂L\/∂p .*TOO FAR\n(.*\n)*failed\n$/);
    expect(code).toBe(1);
  });

  test('3 for an engine that is not there', async ({ expect }) => {
    const noGpu = { VK_DRIVER_FILES: '/nowhere.json', VK_ICD_FILENAMES: '/nowhere.json' };
    const folder = await folderOf({});
    const { code, stderr } = await skewflow(['run', 'job.yaml', '--engine', 'webgpu'], folder, noGpu);
    expect(stderr).toMatch(/no GPU answers here.*[Ii]nstall/);
    expect(code).toBe(3);
  });
});
