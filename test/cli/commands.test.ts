/** What the commands besides `run` print: check, explain, devices, schema, init, completion. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../arrays/folder.ts';
import { root } from '../setup/build.ts';
import { built, skewflow } from './skewflow.ts';

beforeAll(built);

const execute = promisify(execFile);

/** A job in one file, small enough for the reference. */
const job = `
sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, rows: 4 }
tracers: { x: { uniform: [-1, 1], dim: 2, seed: 3 }, rows: 300 }
flow:
  x: mean(j, tanh(q[j] - x))
  q: sum(k != j, q[k] - q)
integrate: { scheme: rk4, from: 0, to: 1, steps: 8 }
loss: log(mean(i, sqnorm(x)))
gradient: [q, x]
precision: f64
`;

async function folderWithJob(): Promise<string> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'job.yaml'), job);
  return folder;
}

describe('skewflow check', () => {
  test('passes a gradient that is right, and finds the order of the scheme', async () => {
    const { code, stdout } = await skewflow(['check', 'job.yaml'], await folderWithJob());
    expect(stdout).toMatch(/64 of 300 tracers/);
    expect(stdout).toMatch(/∂L\/∂q .* ok\n∂L\/∂x .* ok\n/);
    expect(stdout).toMatch(/order of the states +(\S+, )*(3\.[6-9]|4\.)\d* +declared 4 \(rk4\)/);
    expect(stdout).toMatch(/\npassed\n$/);
    expect(code).toBe(0);
  });

  test.each(['wasm', 'reference'])('says the same as one JSON document on the %s engine', async (engine) => {
    const args = ['check', 'job.yaml', '--json', '--engine', engine];
    const { code, stdout } = await skewflow(args, await folderWithJob());
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      name: 'job',
      numerics: expect.stringContaining(engine),
      rows: { taken: 64, all: 300 },
      gradients: [
        { field: 'q', size: 8, passed: true },
        { field: 'x', size: 128, passed: true },
      ],
      passed: true,
    });
  });
});

describe('skewflow explain', () => {
  test('prints blocks, formulas, work, memory and kernels within 100 columns', async () => {
    const { code, stdout } = await skewflow(['explain', 'job.yaml'], await folderWithJob());
    expect(code).toBe(0);
    expect(stdout).toMatch(/x′ +diagonal +dense/);
    expect(stdout).toMatch(/q′ +· +dense/);
    expect(stdout).toMatch(/tracers\.flow\.vjp +backward +32 /);
    const widest = Math.max(...stdout.split('\n').map((line) => line.length));
    expect(widest).toBeLessThanOrEqual(120);
  });

  test('lists the kernels with --kernels', async () => {
    const { stdout } = await skewflow(['explain', 'job.yaml', '--kernels'], await folderWithJob());
    expect(stdout).toMatch(/tracers\.flow\.vjp in f64x2\n(.*\n)*.*f64x2\.mul/);
  });

  test('computes nothing and writes nothing', async () => {
    const folder = await folderWithJob();
    await skewflow(['explain', 'job.yaml', '--json'], folder);
    expect(await readdir(folder)).toEqual(['job.yaml']);
  });
});

/** A machine without a GPU, for Vulkan's loader. */
const noGpu = { VK_DRIVER_FILES: '/nowhere.json', VK_ICD_FILENAMES: '/nowhere.json' };

describe('skewflow devices', () => {
  test('tries every engine against the reference, and says what to install where no GPU answers', async () => {
    const { code, stdout } = await skewflow(['devices', '--json'], await temporaryFolder(), noGpu);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([
      { engine: 'wasm', status: 'usable', precisions: [{ precision: 'f32' }, { precision: 'f64' }] },
      { engine: 'webgpu', status: 'absent', gpu: null, description: expect.stringMatching(/[Ii]nstall/) },
      { engine: 'reference', status: 'usable', precisions: [{ precision: 'f64', error: 0 }] },
    ]);
  });

  test('says so in one line each', async () => {
    const { stdout } = await skewflow(['devices'], await temporaryFolder(), noGpu);
    expect(stdout).toMatch(
      /^wasm +usable .*f32x4 and f64x2.*self-test: f32 right to \S+, f64 right to \S+\nwebgpu +absent .*\nreference +usable .*\n$/,
    );
  });
});

describe('without a GPU', () => {
  test('`--engine webgpu` exits with 3 and says what to install', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'job.yaml'), job.replace('f64', 'f32'));
    const { code, stdout, stderr } = await skewflow(['run', 'job.yaml', '--engine', 'webgpu'], folder, noGpu);
    expect(code).toBe(3);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/no GPU answers here.*mesa-vulkan-drivers/);
  });

  test('`--engine webgpu` refuses a job in double precision, which no GPU has', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'job.yaml'), job);
    const { code, stderr } = await skewflow(['run', 'job.yaml', '--engine', 'webgpu'], folder, noGpu);
    expect(code).toBe(3);
    expect(stderr).toMatch(/precision: f32/);
  });

  test.each(['', '-1', '0,0', 'a', '1,'])('`--devices "%s"` is refused', async (devices) => {
    const { code, stderr } = await skewflow(
      ['run', 'job.yaml', '--devices', devices],
      await temporaryFolder(),
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(/whole numbers from 0/);
  });
});

describe('skewflow schema', () => {
  test('is a JSON Schema whose properties are the keys of a job', async () => {
    const { code, stdout } = await skewflow(['schema'], await temporaryFolder());
    expect(code).toBe(0);
    const schema = JSON.parse(stdout) as {
      $schema: string;
      properties: object;
      additionalProperties: boolean;
    };
    expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
    expect(schema.additionalProperties).toBe(false);
    expect(Object.keys(schema.properties)).toEqual(
      expect.arrayContaining([
        'sources',
        'tracers',
        'params',
        'flow',
        'integrate',
        'loss',
        'gradient',
        'output',
      ]),
    );
  });
});

describe('skewflow init', () => {
  test('lists the examples with a title each', async () => {
    const { stdout } = await skewflow(['init'], await temporaryFolder());
    const names = stdout
      .trimEnd()
      .split('\n')
      .map((line) => /^(\S+) {2,}\S/.exec(line)?.[1]);
    expect(names).toEqual(['asteroid-belt', 'fit', 'issue-301', 'mixture', 'surface', 'vortices']);
  });

  test('makes a folder whose job runs and whose picture can be drawn', async () => {
    const folder = await temporaryFolder();
    const made = await skewflow(['init', 'surface', 'mine'], folder);
    expect(made).toMatchObject({ code: 0, stderr: 'now: skewflow run mine/job.yaml\n' });
    const run = await skewflow(['run', 'job.yaml', '--out', 'out'], join(folder, 'mine'));
    expect(run.code).toBe(0);
    // By a link, as home folders of clusters are reached, and without the ending.
    await symlink(join(folder, 'mine'), join(folder, 'link'));
    const drawn = [join(folder, 'link/picture'), 'out', 'picture.svg'];
    await execute(process.execPath, drawn, { cwd: join(folder, 'mine') });
    expect(await readFile(join(folder, 'mine/picture.svg'), 'utf8')).toMatch(/^<svg/);
    expect(await readFile(join(folder, 'mine/README.md'), 'utf8')).not.toMatch(/\]\(\.\./);
    expect((await readdir(folder)).sort()).toEqual(['link', 'mine']);
  });
});

test.runIf(process.platform === 'linux')('what finds no room is said to be lost, in a line', async () => {
  const full = await open('/dev/full', 'w');
  const child = spawn(process.execPath, [join(root, 'bin/skewflow.js'), 'schema'], {
    stdio: ['ignore', full.fd, 'pipe'],
  });
  const [said, [code]] = await Promise.all([text(child.stderr as Readable), once(child, 'close')]);
  await full.close();
  expect({ code, said }).toEqual({
    code: 1,
    said: 'standard output: could not be written: no space is left on the disk\n',
  });
});

describe('skewflow completion', () => {
  let script: string;
  beforeAll(async () => {
    ({ stdout: script } = await skewflow(['completion', 'bash'], root));
  });

  /** What bash would offer for a line, by the script itself. */
  async function offered(line: string): Promise<readonly string[]> {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'jobs'));
    await writeFile(join(folder, 'job.yaml'), '');
    await writeFile(join(folder, 'completion.bash'), script);
    const words = line.split(' ');
    const ask = `
      source ./completion.bash
      COMP_WORDS=(${words.map((w) => `'${w}'`).join(' ')}); COMP_CWORD=${words.length - 1}
      _skewflow
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = await execute('bash', ['-c', ask], { cwd: folder });
    return stdout.trimEnd().split('\n');
  }

  test.each([
    ['skewflow e', ['explain']],
    ['skewflow run --en', ['--engine']],
    ['skewflow run job.yaml --engine w', ['wasm', 'webgpu']],
    ['skewflow run jo', ['jobs', 'job.yaml']],
    ['skewflow completion f', ['fish']],
    ['skewflow init vor', ['vortices']],
  ])('bash offers for `%s`: %j', async (line, words) => {
    expect([...(await offered(line))].sort()).toEqual([...words].sort());
  });

  test.each(['zsh', 'fish'])('the script for %s names every command and option', async (shell) => {
    const folder = await temporaryFolder();
    const { stdout: words } = await skewflow(['completion', shell], folder);
    const { stdout: help } = await skewflow(['run', '--help'], folder);
    const options = [...help.matchAll(/^ {2}(?:-\w, )?--([\w-]+)/gm)].map((m) => m[1] as string);
    expect(options).toContain('threads');
    for (const word of ['run', 'check', 'explain', 'devices', 'schema', 'init', 'completion']) {
      expect(words).toContain(word);
    }
    for (const option of options.filter((o) => o !== 'help')) expect(words).toContain(option);
  });
});
