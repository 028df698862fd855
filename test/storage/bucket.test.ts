import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { npyBytes } from '../../src/arrays/npy-writer.ts';
import { checkpointsOf } from '../../src/storage/checkpoints.ts';
import { uploadInput } from '../../src/storage/inputs.ts';
import { whenThereIsRoom } from '../../src/storage/room.ts';
import { openRoot, type Root } from '../../src/storage/root.ts';
import { temporaryFolder } from '../arrays/folder.ts';
import { listening } from '../http-server.ts';
import { type Moto, motoMissing, motoPython, pageKeys, startMoto } from '../objects/moto.ts';

describe.skipIf(motoPython === null)(`a root in a bucket${motoMissing}`, () => {
  let moto: Moto;
  let root: Root;
  beforeAll(async () => {
    moto = await startMoto('fleet');
    root = await openRoot('s3://fleet/of/mine', moto.settings);
  });
  afterAll(async () => moto?.[Symbol.asyncDispose]());

  it('keeps bytes under keys, and leaves nothing of its own', async () => {
    expect(root).toMatchObject({ kind: 'bucket', url: 's3://fleet/of/mine', nodeLocal: null });
    expect(await root.names('')).toEqual([]);
    await root.write('runs/a/order.json', 'first');
    await root.write('runs/a/order.json', 'second');
    await root.write('runs/b/order.json', 'third');
    expect(Buffer.from((await root.read('runs/a/order.json'))!).toString()).toBe('second');
    expect(await root.read('runs/none')).toBeNull();
    expect([await root.has('runs/a/order.json'), await root.has('runs/a/end.json')]).toEqual([true, false]);
    expect(await root.names('runs')).toEqual(['a', 'b']);
    expect(await root.names('none')).toEqual([]);
  });

  it('removes a key with all that is below it, and nothing beside', async () => {
    for (let n = 0; n < pageKeys + 3; n++) await root.write(`gone/deep/${n}`, 'x');
    await root.write('gone-not', 'stays');
    expect((await root.under('gone')).map(({ path }) => path)).toContain('deep/12');
    await root.remove('gone');
    expect(await root.under('gone')).toEqual([]);
    expect(await root.has('gone-not')).toBe(true);
  });

  it('lets one of several claims win', async () => {
    const texts = Array.from({ length: 6 }, (_, n) => `text ${n}`);
    const others = await openRoot('s3://fleet/of/mine', moto.settings);
    const seen = await Promise.all(texts.map((text, n) => (n % 2 ? root : others).claim('claims/7', text)));
    expect(new Set(seen).size).toBe(1);
    expect(texts).toContain(seen[0]);
    expect(await root.claim('claims/7', 'late')).toBe(seen[0]);
  });

  it('keeps the last two checkpoints, and says who is fenced', async () => {
    const corrupt: string[] = [];
    const of = () => checkpointsOf<{ at: number }>(root, 'runs/c/checkpoints', (key) => corrupt.push(key));
    const first = of();
    for (const at of [0.1, 0.2, 0.3]) await first.save(1, { at });
    expect(await root.names('runs/c/checkpoints')).toHaveLength(2);
    await of().save(2, { at: 0.4 });
    await expect(first.save(1, { at: 0.5 })).rejects.toMatchObject({ details: { code: 'FENCED', epoch: 2 } });
    const newest = (await root.names('runs/c/checkpoints')).at(-1)!;
    await root.write(`runs/c/checkpoints/${newest}`, 'torn');
    expect(await of().latest()).toEqual({ at: 0.3 });
    expect(corrupt).toEqual([`runs/c/checkpoints/${newest}`]);
  });

  it('takes inputs by content: small ones are copied here to be read, large ones lie where they are', async () => {
    const folder = await temporaryFolder();
    const file = (name: string): string => join(folder, name);
    await writeFile(file('small.npy'), npyBytes('f8', [3], Float64Array.of(0.1, 0.2, 0.3)));
    const large = Buffer.concat([npyBytes('f4', [1], Float32Array.of(1)), randomBytes(17 * 2 ** 20)]);
    await writeFile(file('large.npy'), large);
    const small = await uploadInput(root, file('small.npy'), '.npy');
    const placed = await root.place(small);
    expect(await readFile(placed)).toEqual(await readFile(file('small.npy')));
    expect(await root.place(small)).toBe(placed);
    let told = 0;
    const key = await uploadInput(root, file('large.npy'), '.npy', (count) => (told += count));
    expect(told).toBe(large.length);
    expect(await root.place(key)).toBe(`s3://fleet/of/mine/${key}`);
    expect(await root.copyOut(key, file('back'))).toBe(large.length);
    expect((await readFile(file('back'))).equals(large)).toBe(true);

    const other = createHash('sha256').update('another').digest('hex');
    await expect(root.keep(`inputs/${other}.npy`, file('large.npy'), other, () => {})).rejects.toMatchObject({
      details: { code: 'INPUT_CHANGED' },
    });
    expect(await root.has(`inputs/${other}.npy`)).toBe(false);
  });

  it('is waited for while it does not answer, and refused at the door where it never will', async () => {
    let away = true;
    await using flaky = await listening((_request, response) => {
      response.writeHead(away ? 503 : 200, { etag: '"1"' }).end();
    });
    const settings = { ...moto.settings, endpoint: flaky.url };
    await expect(openRoot('s3://fleet/x', settings)).rejects.toMatchObject({ tag: 'OutOfReachError' });
    away = false;
    const through = await openRoot('s3://fleet/x', settings);
    away = true;
    const said: (string | null)[] = [];
    await whenThereIsRoom(
      () => through.write('late', ''),
      (error) => {
        said.push(error?.message ?? null);
        away = false;
      },
      AbortSignal.timeout(30_000),
    );
    expect(said).toEqual([expect.stringMatching(/late: the storage answers 503/u), null]);
  });

  it('needs a bucket that is there', async () => {
    await expect(openRoot('s3://no-such-bucket/x', moto.settings)).rejects.toMatchObject({
      tag: 'OutOfReachError',
    });
  });
});
