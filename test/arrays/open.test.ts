import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { npyBytes } from '../../src/arrays/npy-writer.ts';
import { npzBytes } from '../../src/arrays/npz-writer.ts';
import { openArray } from '../../src/arrays/open.ts';
import { publicReach } from '../../src/arrays/reach.ts';
import { temporaryFolder } from './folder.ts';

describe('a path', () => {
  test('is read relative to its folder, whatever the kind of file', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'data'));
    await writeFile(join(folder, 'data', 'a.npy'), npyBytes('f4', [2], new Float32Array([1, 2])));
    await writeFile(
      join(folder, 'b.npz'),
      await npzBytes([{ name: 'y', shape: [2], data: new Float64Array([1, 2]) }]),
    );
    await writeFile(join(folder, 'c.csv'), '1\n2\n');
    for (const path of ['data/a.npy', 'b.npz#y', 'c.csv', join(folder, 'c.csv')]) {
      const opened = await openArray(path, 'x', folder, publicReach);
      expect(opened.kind).toBe('array');
      if (opened.kind !== 'array') continue;
      expect([...(await opened.array.elements(0, 2))], path).toEqual([1, 2]);
      await opened.array.close();
    }
  });

  test.each([
    ['a.zarr', 'a.zarr: there is no such file'],
    ['ftp://example.org/a.npy', 'ftp:// is no place arrays are read from'],
    ['https://example.org/a.csv', 'behind a URL a `.npy` or a `.zarr` is read: its path ends in neither'],
    ['https://example.org/a.npy#x', 'only a .zarr holds named arrays'],
    [
      'http://example.org/a.npy',
      'only https is read; a host of your own is allowed with `--allow-host example.org`',
    ],
    ['https://', 'not a URL that can be read'],
    ['s3://b/a.npy', 'expected s3://bucket/path, with a bucket of 3 to 63 characters'],
    ['a.npz', 'name the array of the archive: `path.npz#name`'],
    ['a.npy#x', 'only a .npz or a .zarr holds named arrays'],
    [
      'a.txt',
      'not a path that can be read: it ends in none of `.npy`, `.npz#name`, `.csv`, `.zarr` or `.zarr#name`',
    ],
    ['0.3', 'this is text: a number is written without quotes'],
    ['missing.npy', 'missing.npy: there is no such file'],
    ['missing.npz#x', 'missing.npz: there is no such file'],
  ])('such as %s is refused with what to do', async (path, message) => {
    await expect(openArray(path, 'x', '.', publicReach)).rejects.toMatchObject({ tag: 'InputError' });
    await expect(openArray(path, 'x', '.', publicReach)).rejects.toThrow(message);
  });
});

test('typed arrays are vectors, shaped arrays have their shape', async () => {
  const vector = await openArray(new Float32Array([1, 2, 3]), 'x', '.', publicReach);
  expect(vector).toMatchObject({ kind: 'array', array: { shape: [3] } });
  const matrix = await openArray({ shape: [1, 3], data: new Float64Array(3) }, 'x', '.', publicReach);
  expect(matrix).toMatchObject({ kind: 'array', array: { shape: [1, 3] } });
});

test('a number stands for every row', async () => {
  const opened = await openArray(4, 'x', '.', publicReach);
  expect(opened).toMatchObject({ kind: 'generated', generated: { rows: null, width: 1 } });
});
