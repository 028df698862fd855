import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Spool } from '../../src/coordinator/spool.ts';
import type { RunOrder } from '../../src/exchange/register.ts';
import { inputKey, packInputs } from '../../src/storage/inputs.ts';
import { runKeys } from '../../src/storage/keys.ts';
import { openRoot, type Root } from '../../src/storage/root.ts';
import { ordered } from '../order.ts';

let folder: string;
let root: Root;
let spool: Spool;

const order = ordered({ files: {} });
const { run } = order;
const failure = { tag: 'JobFailedError', message: 'it failed', details: {} };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skewflow-spool-'));
  root = await openRoot(folder);
  spool = new Spool(root);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the spool', () => {
  it('keeps an accepted order, with its inputs, until its end was told', async () => {
    const bytes = new Uint8Array([1, 2, 3]);
    const key = inputKey(bytes, '.npy');
    expect(await spool.accept(order, packInputs(new Map([[key, bytes]])))).toBeNull();
    expect(await new Spool(await openRoot(folder)).open()).toEqual([order]);
    expect(await root.read(key)).toEqual(Buffer.from(bytes));
    await spool.close(run, 'done', null);
    expect(await spool.open()).toEqual([order]);
    await spool.forget(run);
    expect(await spool.open()).toEqual([]);
  });

  it('leaves what a run that goes on has kept', async () => {
    await spool.accept(order, null);
    await root.write(`${runKeys(run).checkpoints}/x`, 'kept');
    await spool.accept({ ...order, submittedAt: 2 }, null);
    expect(await root.names(runKeys(run).checkpoints)).toEqual(['x']);
  });

  it.each(['failed', 'cancelled'] as const)('begins a run that was %s anew', async (state) => {
    await spool.accept(order, null);
    await root.write(`${runKeys(run).rows}/final/x.npy`, 'old rows');
    await spool.close(run, state, state === 'failed' ? failure : null);
    expect(await spool.accept(order, null)).toBeNull();
    expect((await readdir(join(folder, runKeys(run).all))).sort()).toEqual(['order.json']);
  });

  it('says that a run is done whose results are there', async () => {
    await spool.accept(order, null);
    await root.write(`${runKeys(run).result}/result.json`, '{}');
    await spool.close(run, 'done', null);
    expect(await spool.accept(order, null)).toMatchObject({ state: 'done' });
  });

  it('refuses an id that is not that of the job', async () => {
    const hostile = { ...order, run: '../../../tmp/x' as RunOrder['run'] };
    await expect(spool.accept(hostile, null)).rejects.toMatchObject({ tag: 'ProtocolError' });
    expect(await readdir(folder)).toEqual([]);
  });

  it('refuses inputs that were damaged on the way, before the run is accepted', async () => {
    const bytes = new Uint8Array([1, 2, 3]);
    const message = packInputs(new Map([[inputKey(bytes, '.npy'), bytes]]));
    message[message.length - 1] = 4;
    await expect(spool.accept(order, message)).rejects.toMatchObject({ details: { code: 'INPUT_CORRUPT' } });
    expect(await spool.open()).toEqual([]);
  });
});
