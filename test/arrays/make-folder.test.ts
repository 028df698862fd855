import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeFolder } from '../../src/arrays/make-folder.ts';
import { createResultFolder } from '../../src/arrays/result-folder.ts';
import { openRoot } from '../../src/storage/root.ts';
import { temporaryFolder } from './folder.ts';

test('a folder is made with all above it, by several at once, and left as it is when it is there', async () => {
  const above = await temporaryFolder();
  for (const name of ['1', '2', '3', '4', '5', '6', '7', '8']) {
    const folder = join(above, name, 'b', 'c');
    const paths = [folder, join(folder, 'd'), folder, join(above, name, 'b', 'e', 'f')];
    await Promise.all(paths.map(makeFolder));
    for (const path of paths) expect((await stat(path)).isDirectory()).toBe(true);
    await makeFolder(folder);
  }
});

test('a file in the way is told', async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'file'), '');
  await expect(makeFolder(join(folder, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(makeFolder(join(folder, 'file', 'a', 'b'))).rejects.toMatchObject({ code: 'ENOTDIR' });
});

test.runIf(process.platform === 'linux')('where no folder can be made nobody tries for ever', async () => {
  await expect(makeFolder('/proc/a/b')).rejects.toMatchObject({ code: 'ENOENT' });
  await expect(openRoot('/proc/a/b')).rejects.toMatchObject({ tag: 'OutOfReachError' });
  await expect(createResultFolder('/proc/a/b/out')).rejects.toMatchObject({ tag: 'JobFailedError' });
});

test('an output folder without a name is refused as such', async () => {
  await expect(createResultFolder('', true)).rejects.toThrow('the name of the output folder is empty');
});
