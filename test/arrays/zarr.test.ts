import { cp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { openArray } from '../../src/arrays/open.ts';
import { publicReach } from '../../src/arrays/reach.ts';
import type { RawArray } from '../../src/arrays/source.ts';
import { temporaryFolder } from './folder.ts';

/** What zarr/make.py made with zarr-python. */
const made = fileURLToPath(new URL('zarr', import.meta.url));

async function arrayOf(path: string, folder = made): Promise<RawArray> {
  const opened = await openArray(path, 'x', folder, publicReach);
  if (opened.kind !== 'array') throw new Error('a path is an array');
  return opened.array;
}

/** i + j / 7, as make.py fills every array. */
const rows = Float64Array.from({ length: 33 }, (_, n) => Math.floor(n / 3) + (n % 3) / 7);

describe('an array written by zarr-python', () => {
  test.each<[path: string, expected: Float32Array | Float64Array]>([
    ['v3.zarr#plain', Float32Array.from(rows)],
    ['v3.zarr#zstd', rows],
    ['v3.zarr#blosc', Float32Array.from(rows)],
    ['v3.zarr#gzip', rows],
    ['v3.zarr#big', rows],
    ['v3.zarr#transposed', rows],
    ['v3.zarr#sharded', rows],
    ['v3.zarr#deep/long', rows.map((x) => Math.round(7 * x))],
    ['v3.zarr/#/deep/long/', rows.map((x) => Math.round(7 * x))],
    ['v3.zarr#short', Float32Array.from(rows, (x) => Math.round(7 * x))],
    ['v3.zarr#part', rows.map((x, n) => (n >= 12 && n < 24 ? x : 0.25))],
    ['v2.zarr#default', rows],
    ['v2.zarr#fortran', rows],
    ['v2.zarr#big', Float32Array.from(rows)],
    ['alone.zarr', rows],
  ])('is read by rows: %s', async (path, expected) => {
    const array = await arrayOf(path);
    expect(array.shape).toEqual([11, 3]);
    expect(await array.elements(0, 33)).toEqual(expected);
    for (const [begin, end] of [
      [0, 3],
      [9, 15],
      [11, 31],
      [32, 33],
      [12, 12],
    ] as const) {
      expect(await array.elements(begin, end), `[${begin}, ${end})`).toEqual(expected.slice(begin, end));
    }
    await array.close();
  });

  test('may have one axis, or three', async () => {
    const vector = await arrayOf('v3.zarr#vector');
    expect(vector.shape).toEqual([11]);
    expect(await vector.elements(3, 9)).toEqual(Float64Array.from({ length: 6 }, (_, n) => n + 3 + 1 / 7));
    const slices = await arrayOf('v3.zarr#slices');
    expect(slices.shape).toEqual([2, 11, 3]);
    expect(await slices.elements(31, 37)).toEqual(
      Float64Array.of(...rows.slice(31), 100, 100 + 1 / 7, 100 + 2 / 7, 101),
    );
  });

  test.each([
    ['v3.zarr', 'this is a group: name an array, `path.zarr#name`: it holds `big`, `blosc`, `deep`,'],
    ['v3.zarr#deep', 'this is a group: name an array, `path.zarr#name`: `deep` holds `long`'],
    ['v3.zarr#deep/short', 'there is no array `deep/short` in the zarr: `deep` holds `long`'],
    ['v3.zarr#../alone.zarr', 'an array is named from the root of the zarr'],
    [
      'v3.zarr#truth',
      "elements of type `bool` are not real numbers that are read: save it as `a.astype('f4')`",
    ],
    ['v3.zarr#half', 'float16'],
    ['none.zarr', 'none.zarr: there is no such file'],
  ])('%s is refused with what to do', async (path, message) => {
    await expect(arrayOf(path)).rejects.toMatchObject({ tag: 'InputError' });
    await expect(arrayOf(path)).rejects.toThrow(message);
  });
});

describe('a zarr that is damaged', () => {
  async function copied(): Promise<string> {
    const folder = await temporaryFolder();
    await cp(join(made, 'v3.zarr'), join(folder, 'a.zarr'), { recursive: true });
    return folder;
  }

  test('is refused at a truncated chunk, and read elsewhere', async () => {
    const folder = await copied();
    await truncate(join(folder, 'a.zarr/plain/c/1/0'), 40);
    const array = await arrayOf('a.zarr#plain', folder);
    expect(await array.elements(0, 12)).toEqual(Float32Array.from(rows.slice(0, 12)));
    await expect(array.elements(9, 15)).rejects.toMatchObject({
      tag: 'InputError',
      message: 'a.zarr#plain: chunk 1/0 is truncated: it has 10 elements of 12',
    });
  });

  test('is refused at bytes that do not decode', async () => {
    const folder = await copied();
    await writeFile(join(folder, 'a.zarr/gzip/c/0/0'), 'no gzip');
    const array = await arrayOf('a.zarr#gzip', folder);
    await expect(array.elements(0, 3)).rejects.toThrow(
      'a.zarr#gzip: a chunk cannot be decoded: it is damaged',
    );
  });

  test('is refused at a description that is none, or names a codec of its own', async () => {
    const folder = await copied();
    const path = join(folder, 'a.zarr/plain/zarr.json');
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace('"bytes"', '"secret"'));
    const array = await arrayOf('a.zarr#plain', folder);
    await expect(array.elements(0, 3)).rejects.toThrow('a.zarr#plain: the codec `secret` is not read');
    await writeFile(path, text.slice(0, 100));
    await expect(arrayOf('a.zarr#plain', folder)).rejects.toThrow(
      'a.zarr#plain: not a zarr that can be read',
    );
  });
});

test('equal zarrs have equal identities, and a chunk that differs makes another', async () => {
  const folder = await temporaryFolder();
  await cp(join(made, 'v3.zarr'), join(folder, 'copy.zarr'), { recursive: true });
  const { identity } = await arrayOf('v3.zarr#plain');
  expect((await arrayOf('copy.zarr#plain', folder)).identity).toBe(identity);
  await rm(join(folder, 'copy.zarr/plain/c/0/0'));
  expect((await arrayOf('copy.zarr#plain', folder)).identity).not.toBe(identity);
});
