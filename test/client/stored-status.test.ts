import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { storedStatus } from '../../src/client/stored-status.ts';
import { Spool } from '../../src/coordinator/spool.ts';
import type { RunId } from '../../src/protocol.ts';
import { openRoot, type Root } from '../../src/storage/root.ts';
import { ordered } from '../order.ts';

const order = ordered({
  key: 'k',
  priority: 3,
  folder: { set: 'params.sigma=0.3\nshards=8' },
  submittedAt: 5,
});
const { run } = order;

let folder: string;
let root: Root;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skewflow-status-'));
  root = await openRoot(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('tells why a run failed that Redis has forgotten', async () => {
  const spool = new Spool(root);
  await spool.accept(order, null);
  const error = { tag: 'NonFiniteError', message: 'a trajectory stopped being finite', details: {} };
  await spool.close(run, 'failed', error);
  const status = await storedStatus(root, run);
  expect(status).toMatchObject({
    run,
    name: 'job',
    key: 'k',
    set: ['params.sigma=0.3', 'shards=8'],
    priority: 3,
    state: 'failed',
    error,
    submittedAt: 5,
  });
  expect(status?.endedAt).toBeGreaterThan(0);
});

it('calls a run accepted that has not ended: the spool brings it back', async () => {
  await new Spool(root).accept(order, null);
  expect(await storedStatus(root, run)).toMatchObject({ state: 'accepted', error: null, endedAt: null });
});

it.each([run, 'no-id', '../../etc'])('knows nothing of %s where nothing is stored', async (id) => {
  expect(await storedStatus(root, id as RunId)).toBeNull();
});
