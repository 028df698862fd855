import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { copyOver, publishOrder } from '../../src/arrays/publish.ts';
import { createResultFolder } from '../../src/arrays/result-folder.ts';
import { temporaryFolder } from './folder.ts';

test('a folder appears whole when it is committed, and nothing before', async () => {
  const parent = await temporaryFolder();
  const target = join(parent, 'deep', 'out');
  const folder = await createResultFolder(target);
  await writeFile(await folder.path('gradient', 'x.npy'), 'numbers');
  await folder.writeText('result.json', '{}');
  expect(await readdir(join(parent, 'deep'))).not.toContain('out');
  await folder.commit();
  expect(await readdir(join(parent, 'deep'))).toEqual(['out']);
  expect((await readdir(target)).sort()).toEqual(['gradient', 'result.json']);
  expect(await readFile(join(target, 'gradient', 'x.npy'), 'utf8')).toBe('numbers');
});

test('what is discarded leaves nothing behind', async () => {
  const parent = await temporaryFolder();
  {
    await using folder = await createResultFolder(join(parent, 'out'));
    await folder.writeText('result.json', '{}');
  }
  expect(await readdir(parent)).toEqual([]);
});

test('discarding after the commit changes nothing', async () => {
  const parent = await temporaryFolder();
  const folder = await createResultFolder(join(parent, 'out'));
  await folder.writeText('result.json', '{}');
  await folder.commit();
  await folder.discard();
  expect(await readdir(parent)).toEqual(['out']);
});

describe('an existing folder', () => {
  async function existing(file = 'result.json'): Promise<{ parent: string; target: string }> {
    const parent = await temporaryFolder();
    const target = join(parent, 'out');
    await mkdir(target);
    await writeFile(join(target, file), 'old');
    return { parent, target };
  }

  test('is refused before any work', async () => {
    const { target } = await existing();
    await expect(createResultFolder(target)).rejects.toMatchObject({
      tag: 'UsageError',
      message: `${target} exists: choose another folder with \`--out\`, or replace it with \`--force\``,
    });
  });

  test('is replaced at the rename when that is asked for, and stays whole until then', async () => {
    const { parent, target } = await existing();
    const folder = await createResultFolder(target, true);
    await folder.writeText('result.json', 'new');
    expect(await readFile(join(target, 'result.json'), 'utf8')).toBe('old');
    await folder.commit();
    expect(await readFile(join(target, 'result.json'), 'utf8')).toBe('new');
    expect(await readdir(parent)).toEqual(['out']);
  });

  test('survives a run that fails', async () => {
    const { parent, target } = await existing();
    const folder = await createResultFolder(target, true);
    await folder.writeText('result.json', 'new');
    await folder.discard();
    expect(await readFile(join(target, 'result.json'), 'utf8')).toBe('old');
    expect(await readdir(parent)).toEqual(['out']);
  });

  test('of something else is never replaced', async () => {
    const { target } = await existing('thesis.tex');
    await expect(createResultFolder(target, true)).rejects.toThrow(
      'is no folder of results (it has no result.json): `--force` replaces nothing else',
    );
  });

  test('that appears while the run is on is refused at the end, and what was written is removed', async () => {
    const parent = await temporaryFolder();
    const target = join(parent, 'out');
    const folder = await createResultFolder(target);
    await folder.writeText('result.json', 'new');
    await mkdir(target);
    await expect(folder.commit()).rejects.toMatchObject({ tag: 'UsageError' });
    expect(await readdir(parent)).toEqual(['out']);
  });
});

test('a file in the way is refused', async () => {
  const parent = await temporaryFolder();
  await writeFile(join(parent, 'out'), 'a file');
  await expect(createResultFolder(join(parent, 'out'), true)).rejects.toMatchObject({ tag: 'UsageError' });
  await expect(createResultFolder(join(parent, 'out', 'below'))).rejects.toMatchObject({
    tag: 'JobFailedError',
  });
});

describe('on a file system that cannot rename a folder', () => {
  /** As object stores that are mounted as folders answer, and a mount point does. */
  const unable = async (): Promise<void> => {
    throw Object.assign(new Error('ENOSYS: function not implemented, rename'), { code: 'ENOSYS' });
  };

  test('a folder is copied file by file', async () => {
    const parent = await temporaryFolder();
    const folder = await createResultFolder(join(parent, 'out'), false, unable);
    await writeFile(await folder.path('gradient', 'x.npy'), 'numbers');
    await folder.writeText('result.json', '{}');
    await folder.commit();
    expect(await readdir(parent)).toEqual(['out']);
    expect(await readFile(join(parent, 'out', 'gradient', 'x.npy'), 'utf8')).toBe('numbers');
    expect(await readFile(join(parent, 'out', 'result.json'), 'utf8')).toBe('{}');
  });

  test('a result that is replaced leaves nothing of itself', async () => {
    const parent = await temporaryFolder();
    const old = await createResultFolder(join(parent, 'out'));
    await writeFile(await old.path('final', 'y.npy'), 'old numbers');
    await old.writeText('result.json', 'old');
    await old.commit();
    const folder = await createResultFolder(join(parent, 'out'), true, unable);
    await folder.writeText('result.json', 'new');
    expect(await readFile(join(parent, 'out', 'result.json'), 'utf8')).toBe('old');
    await folder.commit();
    expect(await readdir(join(parent, 'out'))).toEqual(['result.json']);
    expect(await readFile(join(parent, 'out', 'result.json'), 'utf8')).toBe('new');
  });

  test('a copy that fails leaves nothing that looks complete', async () => {
    const parent = await temporaryFolder();
    const from = join(parent, 'from');
    // A path that the target makes longer than any path may be.
    const long = join(from, 'z'.repeat(250), 'z'.repeat(250));
    await mkdir(dirname(long), { recursive: true });
    for (const file of [join(from, 'a.npy'), long, join(from, 'result.json')]) await writeFile(file, 'new');
    let to = join(parent, 'to');
    while (to.length < 3700) to = join(to, 'y'.repeat(200));
    await mkdir(to, { recursive: true });
    await writeFile(join(to, 'result.json'), 'old');
    await expect(copyOver(from, to)).rejects.toMatchObject({ code: 'ENAMETOOLONG' });
    expect(await readdir(to)).toEqual([]);
  });
});

test('what says that something is complete is published after it', () => {
  expect(
    publishOrder([
      'result.json',
      't.zarr/zarr.json',
      't.zarr/a/zarr.json',
      'job.yaml',
      't.zarr/a/c.0',
      'z.npy',
    ]),
  ).toEqual(['job.yaml', 't.zarr/a/c.0', 'z.npy', 't.zarr/a/zarr.json', 't.zarr/zarr.json', 'result.json']);
});
