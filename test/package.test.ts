/** The package as somebody else gets it: packed, unpacked in an empty folder, compiled against and run. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { built } from './cli/skewflow.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const tool = (name: string): string => join(root, 'node_modules/.bin', name);
const command = promisify(execFile);

let folder: string;
let tarball: string;
beforeAll(async () => {
  await built();
  folder = await mkdtemp(join(tmpdir(), 'skewflow-consumer-'));
  const packed = await command('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
    cwd: root,
  });
  const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }];
  tarball = join(folder, filename);
  await install();
}, 240_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/**
 * What `npm install skewflow.tgz` leaves in an empty folder: the package, and what it depends on. The dependencies are
 * links to those installed here, so that no registry is needed; what is only here for development is not there.
 */
async function install(): Promise<void> {
  const modules = join(folder, 'node_modules');
  await mkdir(join(modules, 'skewflow'), { recursive: true });
  await command('tar', ['-xzf', tarball, '--strip-components=1', '-C', join(modules, 'skewflow')]);
  const manifest = JSON.parse(await readFile(join(modules, 'skewflow/package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  for (const name of [...Object.keys(manifest.dependencies), '@types/node']) {
    await mkdir(dirname(join(modules, name)), { recursive: true });
    await symlink(join(root, 'node_modules', name), join(modules, name));
  }
  await writeFile(join(folder, 'package.json'), '{ "name": "consumer", "private": true, "type": "module" }');
}

test('a program of ten lines compiles against the package and runs', async () => {
  await writeFile(
    join(folder, 'program.ts'),
    `import { isSkewflowError, type JobObject, run } from 'skewflow';
const job: JobObject = {
  tracers: { x: [0.3, 0.7] },
  loss: 'sum(i, x^2)',
  gradient: ['x'],
  precision: 'f64',
};
const { loss, gradient } = await run(job, { threads: 1 });
console.log(loss, gradient['x']?.shape, [...(gradient['x']?.data ?? [])]);
await run({ ...job, loss: 'sum(i, y)' }).catch((e: unknown) => console.log(isSkewflowError(e, 'FormulaError')));
`,
  );
  const strict = ['--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false'];
  const target = [
    '--target',
    'es2022',
    '--lib',
    'es2023,esnext.disposable',
    '--module',
    'nodenext',
    '--types',
    'node',
  ];
  await command(tool('tsc'), [...strict, ...target, 'program.ts'], { cwd: folder }).catch(
    (failed: { stdout: string }) => expect.fail(failed.stdout),
  );
  const { stdout } = await command(process.execPath, ['program.js'], { cwd: folder });
  const [loss, ...rest] = stdout.split(' ');
  expect(Number(loss)).toBeCloseTo(0.58, 14);
  expect(rest.join(' ')).toBe('[ 2 ] [ 0.6, 1.4 ]\ntrue\n');
});

test('the command that comes with the package runs', async () => {
  const script = join(folder, 'node_modules/skewflow/bin/skewflow.js');
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  expect((await command(process.execPath, [script, '--version'])).stdout).toContain(version);
});

test('publint and attw have nothing to say', async () => {
  const publint = await command(tool('publint'), [tarball]);
  expect(publint.stdout).toContain('All good!');
  // ES modules only: `require` of them works from Node 20.19 on, and has no types of its own.
  await command(tool('attw'), [tarball, '--profile', 'esm-only']).catch((failed: { stdout: string }) =>
    expect.fail(failed.stdout),
  );
});

test('the API documentation builds without a warning, and what can be called has an example', async () => {
  const api = join(folder, 'api.json');
  // Types are checked by `npm run check`, which takes longer than all else here.
  const args = ['--skipErrorChecking', '--out', join(folder, 'api'), '--json', api];
  await command(tool('typedoc'), args, { cwd: root });
  const { children } = JSON.parse(await readFile(api, 'utf8')) as { children: readonly Documented[] };
  // Types are documented field by field, which typedoc's own validation sees to.
  const called = children.filter(
    ({ kind }) => kind === classKind || kind === functionKind || kind === valueKind,
  );
  expect(called.map(({ name }) => name)).toEqual(
    expect.arrayContaining(Object.keys(await import('../src/index.ts'))),
  );
  const withoutExample = called.filter(({ comment, signatures = [] }) =>
    [comment, ...signatures.map((signature) => signature.comment)].every(
      (words) => words?.blockTags?.some(({ tag }) => tag === '@example') !== true,
    ),
  );
  expect(withoutExample.map(({ name }) => name)).toEqual([]);
});

/** Kinds of typedoc's `ReflectionKind`. */
const [valueKind, functionKind, classKind] = [32, 64, 128];

/** What typedoc writes of a name. */
interface Documented {
  readonly name: string;
  readonly kind: number;
  readonly comment?: { readonly blockTags?: readonly { readonly tag: string }[] };
  readonly signatures?: readonly Pick<Documented, 'comment'>[];
}
