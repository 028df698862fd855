import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { notRead } from '../../src/arrays/byte-file.ts';
import { unwritable } from '../../src/errors.ts';
import { planShards } from '../../src/partition/plan.ts';
import { assembleResult } from '../../src/storage/results.ts';
import { asOutOfReach } from '../../src/storage/room.ts';
import { openRoot, type Root } from '../../src/storage/root.ts';

const fromSystem = (code: string): Error =>
  Object.assign(new Error(`${code}: refused, write`), { code, syscall: 'write' });

describe('a disk that fails', () => {
  it.each(['EIO', 'ESTALE', 'EACCES', 'EROFS', 'ENOENT'])(
    'is no fault of what is written there: %s',
    (code) => {
      expect(asOutOfReach(unwritable('/srv/x.npy', fromSystem(code)))).toMatchObject({
        tag: 'OutOfReachError',
        message: expect.stringContaining('/srv/x.npy'),
        details: { code },
      });
    },
  );

  it('hides no failure of another kind', () => {
    const error = new Error('a bug');
    expect(asOutOfReach(error)).toBe(error);
  });

  it('is told from an input that is not there', () => {
    expect(notRead('x.npy', fromSystem('EIO')).tag).toBe('OutOfReachError');
    expect(notRead('x.npy', fromSystem('ENOENT')).tag).toBe('InputError');
    // An archive keeps the disk's own word.
    expect(notRead('x.npz', notRead('x.npz', fromSystem('EIO')), 'not a readable .npz: ').tag).toBe(
      'OutOfReachError',
    );
  });
});

describe('results in a folder', () => {
  let folder: string;
  let root: Root;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'skewflow-root-'));
    root = await openRoot(folder);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const run = '0123456789abcdef';
  const at = (...parts: string[]): string => join(folder, 'runs', run, ...parts);
  const array = {
    path: 'final/x',
    type: 'f4',
    shape: [3, 1],
    chunkShape: [3, 1],
    dimensions: ['tracer', 'x_component'],
  } as const;
  const assemble = (): Promise<void> =>
    assembleResult(root, run, { arrays: [array], shards: planShards(3, 1), format: 'npy' }, (made) =>
      made.writeText('result.json', '{}'),
    );
  const rows = async (bytes: number): Promise<void> => {
    await mkdir(at('rows', 'final'), { recursive: true });
    await writeFile(at('rows', 'final', 'x.npy'), Buffer.alloc(bytes, 7));
  };
  /** A header of 128 bytes, and three numbers. */
  const whole = 128 + 12;

  it('are none as long as rows are not seen, or not all of them', async () => {
    await expect(assemble()).rejects.toMatchObject({ tag: 'OutOfReachError' });
    await rows(whole - 4);
    await expect(assemble()).rejects.toMatchObject({
      tag: 'OutOfReachError',
      message: expect.stringMatching(/x\.npy: 136 bytes are there of 140/u),
    });
    expect(await root.names(`runs/${run}`)).toEqual(['rows']);
    await rows(whole);
    await assemble();
    expect((await root.under(`runs/${run}/result`)).map(({ path }) => path)).toEqual([
      'final/x.npy',
      'result.json',
    ]);
  });

  it('take the place of what a coordinator left that was killed where folders are copied', async () => {
    await rows(whole);
    await mkdir(at('result'));
    await writeFile(at('result', 'gradient.npz'), 'half');
    await assemble();
    expect((await root.under(`runs/${run}/result`)).map(({ path }) => path)).toEqual([
      'final/x.npy',
      'result.json',
    ]);
  });
});
