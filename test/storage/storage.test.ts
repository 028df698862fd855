import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkpointsOf } from '../../src/storage/checkpoints.ts';
import { whenThereIsRoom } from '../../src/storage/room.ts';
import { openRoot, type Root } from '../../src/storage/root.ts';

let folder: string;
let root: Root;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skewflow-root-'));
  root = await openRoot(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('a root', () => {
  it('is the same by path and by URL', async () => {
    await root.write('runs/a/order.json', 'one');
    const same = await openRoot(pathToFileURL(folder).href);
    expect(Buffer.from((await same.read('runs/a/order.json'))!).toString()).toBe('one');
    expect(same.url).toBe(root.url);
  });

  it('replaces a key whole and leaves no temporary file', async () => {
    await root.write('runs/a/end.json', 'first');
    await root.write('runs/a/end.json', 'second');
    expect(await readFile(join(folder, 'runs/a/end.json'), 'utf8')).toBe('second');
    expect(await readdir(join(folder, 'runs/a'))).toEqual(['end.json']);
  });

  it('says that there is nothing under a key that nobody wrote', async () => {
    expect(await root.read('runs/none/order.json')).toBeNull();
    expect(await root.names('runs/none')).toEqual([]);
    expect(await root.has('runs/none')).toBe(false);
  });

  it('says that a disk of this machine is of no use to another', () => {
    expect(root.nodeLocal).toContain('this machine');
  });

  it.each(['s3://b', 's3://bucket/x', 'ftp://host/x', '', 'file://host/x'])(
    'refuses %s by name',
    async (text) => {
      await expect(openRoot(text)).rejects.toMatchObject({ tag: 'UsageError' });
    },
  );

  it('refuses a place where nothing can be written', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(openRoot(join(folder, 'file', 'under'))).rejects.toMatchObject({ tag: 'OutOfReachError' });
  });
});

describe('checkpoints', () => {
  interface State {
    readonly iteration: number;
    readonly fields: ReadonlyMap<string, Float64Array>;
  }
  const stateOf = (iteration: number): State => ({
    iteration,
    fields: new Map([['p', Float64Array.of(0.1 * iteration, -0, 1e-310, Number.NaN)]]),
  });
  let corrupt: string[];
  const under = (epoch: number) => {
    const { save, latest } = checkpointsOf<State>(root, 'runs/a/checkpoints', (key) => corrupt.push(key));
    return { save: (state: State) => save(epoch, state), latest };
  };
  const files = (): Promise<string[]> => readdir(join(folder, 'runs/a/checkpoints'));
  const path = (name: string): string => join(folder, 'runs/a/checkpoints', name);

  beforeEach(() => {
    corrupt = [];
  });

  it('give back the bits of the newest, and keep two', async () => {
    const checkpoints = under(3);
    for (const iteration of [1, 2, 3]) await checkpoints.save(stateOf(iteration));
    expect(await under(4).latest()).toEqual(stateOf(3));
    expect(await files()).toHaveLength(2);
    expect(corrupt).toEqual([]);
  });

  it.each([0, 7, 39, 45, 60])('pass over one that was torn at byte %i', async (bytes) => {
    const checkpoints = under(1);
    await checkpoints.save(stateOf(1));
    await checkpoints.save(stateOf(2));
    const newest = (await files()).sort().at(-1)!;
    await truncate(path(newest), bytes);
    expect((await checkpoints.latest())?.iteration).toBe(1);
    expect(corrupt).toEqual([`runs/a/checkpoints/${newest}`]);
  });

  it('pass over one with a flipped bit, wherever it is', async () => {
    await under(1).save(stateOf(1));
    await under(2).save(stateOf(2));
    const newest = path((await files()).sort().at(-1)!);
    const bytes = await readFile(newest);
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped[at] = flipped[at]! ^ (1 << (at % 8));
      await writeFile(newest, flipped);
      expect((await under(3).latest())?.iteration).toBe(1);
    }
  });

  it('take nothing that a fenced coordinator still writes', async () => {
    const fenced = under(1);
    await fenced.save(stateOf(1));
    await under(2).save(stateOf(5));
    await expect(fenced.save(stateOf(2))).rejects.toMatchObject({
      tag: 'AbortedError',
      details: { epoch: 2 },
    });
    expect((await under(3).latest())?.iteration).toBe(5);
  });

  it('tell two coordinators of one epoch apart', async () => {
    await under(4).save(stateOf(1));
    await expect(under(4).save(stateOf(2))).rejects.toMatchObject({ tag: 'AbortedError' });
  });

  it('are none where all are corrupt', async () => {
    await under(1).save(stateOf(1));
    for (const name of await files()) await writeFile(path(name), 'garbage');
    expect(await under(2).latest()).toBeNull();
  });
});

describe('a full disk', () => {
  const full = (): Error => Object.assign(new Error('no space left on device, write'), { code: 'ENOSPC' });

  it('is waited for, said once, and taken up again', async () => {
    const said: (string | null)[] = [];
    let tries = 0;
    const done = await whenThereIsRoom(
      async () => {
        tries += 1;
        if (tries < 3) throw new Error('could not be written', { cause: full() });
        return 'written';
      },
      (error) => said.push(error?.message ?? null),
      AbortSignal.timeout(20_000),
    );
    expect(done).toBe('written');
    expect(said).toEqual(['could not be written', null]);
  });

  it('does not hide another failure', async () => {
    const failing = whenThereIsRoom(
      () => Promise.reject(new Error('permission denied')),
      () => {},
      AbortSignal.timeout(20_000),
    );
    await expect(failing).rejects.toThrow('permission denied');
  });

  it('stops waiting when asked to', async () => {
    const stop = new AbortController();
    const waiting = whenThereIsRoom(
      () => Promise.reject(full()),
      () => stop.abort(),
      stop.signal,
    );
    await expect(waiting).rejects.toThrow(/abort/i);
  });
});
