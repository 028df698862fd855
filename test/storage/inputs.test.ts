import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claimRows } from '../../src/storage/claims.ts';
import { openFolder } from '../../src/storage/folder.ts';
import { inputKey, isInputKey, packInputs, unpackInputs, uploadInput } from '../../src/storage/inputs.ts';
import { runKeys } from '../../src/storage/keys.ts';
import { type FolderRoot, openRoot } from '../../src/storage/root.ts';

let folder: string;
let root: FolderRoot;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skewflow-inputs-'));
  root = await openFolder(join(folder, 'root'), 'the root');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('inputs in a message', () => {
  const inputs = new Map(
    ['one', 'two', ''].map((text) => {
      const bytes = new Uint8Array(Buffer.from(text));
      return [inputKey(bytes, '.npy'), bytes] as const;
    }),
  );

  it('come out as they went in', () => {
    expect(new Map([...unpackInputs(packInputs(inputs))].map(([k, v]) => [k, new Uint8Array(v)]))).toEqual(
      inputs,
    );
  });

  it('are refused when any bit is flipped', () => {
    const message = packInputs(inputs);
    for (let bit = 0; bit < 8 * message.length; bit++) {
      const flipped = Buffer.from(message);
      flipped[bit >> 3] = flipped[bit >> 3]! ^ (1 << (bit & 7));
      // A flip in the name of an extension is the one that no digest sees: `.npz` is still a name, and no file of the job's.
      const opened = outcome(flipped);
      if (typeof opened !== 'string') expect([...opened.keys()]).not.toEqual([...inputs.keys()]);
      else expect(opened).toBe('INPUT_CORRUPT');
    }
  });

  it('never crash on bytes from elsewhere', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(outcome(bytes)).toBe('INPUT_CORRUPT');
      }),
    );
  });

  function outcome(bytes: Uint8Array): string | ReadonlyMap<string, Uint8Array> {
    try {
      return unpackInputs(bytes);
    } catch (error) {
      return String((error as { details?: { code?: string } }).details?.code);
    }
  }
});

describe('a large input', () => {
  it('is copied under its digest, with its time, once', async () => {
    const path = join(folder, 'x.npy');
    const bytes = randomBytes(10_000_000);
    await writeFile(path, bytes);
    await utimes(path, 1000, 2000);
    let copied = 0;
    const key = await uploadInput(root, path, '.npy', (count) => (copied += count));
    expect(isInputKey(key)).toBe(true);
    expect(bytes.equals(await readFile(await root.file(key)))).toBe(true);
    expect((await stat(await root.file(key))).mtimeMs).toBe(2_000_000);
    expect(await uploadInput(root, path, '.npy', (count) => (copied += count))).toBe(key);
    expect(copied).toBe(bytes.length);
  });

  it('goes on where a copy was broken off', async () => {
    const path = join(folder, 'x.npy');
    const bytes = randomBytes(9_000_000);
    await writeFile(path, bytes);
    const key = inputKey(bytes, '.npy');
    await writeFile(`${await root.file(key)}.partial`, bytes.subarray(0, 5_000_001));
    let copied = 0;
    expect(await uploadInput(root, path, '.npy', (count) => (copied += count))).toBe(key);
    expect(copied).toBe(3_999_999);
    expect(bytes.equals(await readFile(await root.file(key)))).toBe(true);
  });

  it('may be copied by several at once', async () => {
    const path = join(folder, 'x.npy');
    const bytes = randomBytes(20_000_000);
    await writeFile(path, bytes);
    await utimes(path, 1000, 2000);
    const key = inputKey(bytes, '.npy');
    const keys = await Promise.all(Array.from({ length: 4 }, () => uploadInput(root, path, '.npy')));
    expect(keys).toEqual([key, key, key, key]);
    expect(bytes.equals(await readFile(await root.file(key)))).toBe(true);
    expect((await stat(await root.file(key))).mtimeMs).toBe(2_000_000);
    expect(await readdir(join(folder, 'root/inputs'))).toEqual([key.replace('inputs/', '')]);
  });

  it('is refused, and nothing kept, when what was copied before is of another file', async () => {
    const path = join(folder, 'x.npy');
    const bytes = randomBytes(100_000);
    await writeFile(path, bytes);
    const key = inputKey(bytes, '.npy');
    await mkdir(join(folder, 'root/inputs'), { recursive: true });
    await writeFile(`${await root.file(key)}.partial`, randomBytes(50_000));
    await expect(uploadInput(root, path, '.npy')).rejects.toMatchObject({
      details: { code: 'INPUT_CHANGED' },
    });
    expect(await readdir(join(folder, 'root/inputs'))).toEqual([]);
  });
});

describe('rows that were read', () => {
  const rows = (last: number) => new Map([['x', Float32Array.of(0.1, 0.2, last)]]);

  it('may be read again, by anybody, as they were', async () => {
    await claimRows(root, 'runs/a/rows-read', 3, rows(0.3));
    await claimRows(await openRoot(join(folder, 'root')), 'runs/a/rows-read', 3, rows(0.3));
    await claimRows(root, 'runs/a/rows-read', 4, rows(0.4));
  });

  it('are refused when they are others', async () => {
    await claimRows(root, 'runs/a/rows-read', 3, rows(0.3));
    await expect(claimRows(root, 'runs/a/rows-read', 3, rows(0.31))).rejects.toMatchObject({
      tag: 'InputError',
      details: { code: 'INPUT_CHANGED', shard: 3 },
    });
  });

  it('are recorded once when many read them at the same time', async () => {
    const claims = Array.from({ length: 20 }, (_, n) =>
      claimRows(root, 'runs/a/rows-read', 0, rows(n % 2)).then(
        () => n % 2,
        () => null,
      ),
    );
    const accepted = new Set((await Promise.all(claims)).filter((parity) => parity !== null));
    expect(accepted.size).toBe(1);
  });
});

it.each(['../../etc', 'a/b', '', 'ABCDEFABCDEFABCDEF', '.'.repeat(20)])(
  '%s names no run of the root',
  (id) => {
    expect(() => runKeys(id)).toThrow(/is no run id/);
  },
);
