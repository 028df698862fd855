import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ZipFile } from 'yazl';
import { npyBytes } from '../../src/arrays/npy-writer.ts';
import { openNpz } from '../../src/arrays/npz.ts';
import { temporaryFolder } from './folder.ts';

async function archive(entries: Readonly<Record<string, Buffer>>, compress: boolean): Promise<string> {
  const zip = new ZipFile();
  for (const [name, bytes] of Object.entries(entries)) zip.addBuffer(bytes, name, { compress });
  zip.end();
  const path = join(await temporaryFolder(), 'a.npz');
  await writeFile(path, await buffer(zip.outputStream));
  return path;
}

const numbers = Float64Array.from({ length: 3000 }, (_, n) => n / 8);
const entries = {
  'x.npy': npyBytes('f8', [1000, 3], numbers),
  'mass.npy': npyBytes('f4', [3], new Float32Array([1, 2, 3])),
};

describe.each([
  ['stored', false],
  ['deflated', true],
])('an archive of %s arrays', (_how, compress) => {
  test('gives each array by its name and by range', async () => {
    const path = await archive(entries, compress);
    const x = await openNpz(path, 'x', 'a.npz');
    expect(x.shape).toEqual([1000, 3]);
    expect(await x.elements(1500, 1510)).toEqual(numbers.slice(1500, 1510));
    await x.close();
    const mass = await openNpz(path, 'mass');
    expect([...(await mass.elements(0, 3))]).toEqual([1, 2, 3]);
    await mass.close();
  });

  test('lists its names when one is missing', async () => {
    const path = await archive(entries, compress);
    await expect(openNpz(path, 'y', 'a.npz')).rejects.toMatchObject({
      tag: 'InputError',
      message: 'a.npz: there is no array `y` in the archive: it holds `x`, `mass`',
    });
  });

  test('reports an array that is damaged inside', async () => {
    const path = await archive({ 'x.npy': entries['x.npy'].subarray(0, 1000) }, compress);
    await expect(openNpz(path, 'x', 'a.npz')).rejects.toThrow('a.npz#x: the file is truncated');
  });
});

test('a deflated array whose data is damaged is refused', async () => {
  const path = await archive(entries, true);
  const bytes = await readFile(path);
  bytes.fill(0xff, 100, 400);
  await writeFile(path, bytes);
  await expect(openNpz(path, 'x', 'a.npz')).rejects.toThrow('a.npz#x: not a readable .npz');
});

describe('a large deflated array', () => {
  const rows = 2 ** 23 + 5;
  const zeros = npyBytes('f8', [rows], new Float64Array(rows));
  zeros.writeDoubleLE(7, zeros.length - 8);
  afterEach(() => vi.unstubAllEnvs());

  test('is unpacked into a file that nobody sees afterwards', async () => {
    const x = await openNpz(await archive({ 'x.npy': zeros }, true), 'x');
    expect([...(await x.elements(rows - 2, rows))]).toEqual([0, 7]);
    await x.close();
  });

  test('is not to blame when that file has no place: another machine may have one', async () => {
    const path = await archive({ 'x.npy': zeros }, true);
    const nowhere = join(await temporaryFolder(), 'nowhere');
    vi.stubEnv('TMPDIR', nowhere);
    await expect(openNpz(path, 'x', 'a.npz')).rejects.toMatchObject({
      tag: 'OutOfReachError',
      message: expect.stringContaining(`a.npz#x: it is read from the temporary folder ${nowhere}`),
    });
  });
});

test('what is no archive is refused', async () => {
  const path = join(await temporaryFolder(), 'a.npz');
  await writeFile(path, 'this is not a zip file, but it is long enough to hold one');
  await expect(openNpz(path, 'x', 'a.npz')).rejects.toThrow('a.npz: not a readable .npz');
});

test('an empty archive says so', async () => {
  const path = await archive({}, false);
  await expect(openNpz(path, 'x', 'a.npz')).rejects.toThrow(
    'there is no array `x` in the archive: it is empty',
  );
});
