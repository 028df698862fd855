import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import type { Connected } from '../../../src/exchange/redis/connect.ts';
import {
  type Charge,
  documentBytesMax,
  inputsBytesMax,
  type RunNews,
  RunOrder,
  type RunRecord,
  runIdOf,
  sheetOf,
} from '../../../src/exchange/register.ts';
import type { RunId } from '../../../src/protocol.ts';
import { ordered } from '../../order.ts';
import { describeWithRedis } from '../../setup/describe-with.ts';
import { type RedisServer, startRedis } from '../../setup/redis-server.ts';
import { connect, patience, until } from './fleet.ts';

const jobDigest = 'ab'.repeat(32);

const orderOf = (key: string, fields: Parameters<typeof ordered>[0] = {}): RunOrder =>
  RunOrder.parse(
    ordered({
      key,
      name: 'lddmm',
      document: 'sources: {}',
      folder: { root: '/data' },
      submittedAt: 1_700_000_000_000,
      ...fields,
    }),
  );

const state = (now: Extract<RunNews, { kind: 'state' }>['state']): RunNews => ({
  kind: 'state',
  state: now,
  error: null,
  summary: now === 'done' ? { loss: 1 / 3 } : null,
});
const progress = (iteration: number): RunNews => ({
  kind: 'progress',
  iteration,
  share: 0.25,
  loss: 0.1 + iteration,
  pairsPerSecond: 1e9,
  seats: 2,
  redone: 1,
  workersLost: 1,
});

describeWithRedis('the register', () => {
  let redis: RedisServer;
  let prefix = '';
  let count = 0;
  let { register }: Partial<Connected> = {};
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());
  beforeEach(async () => {
    count += 1;
    prefix = `r${count}`;
    register = (await connect(redis, { prefix })).register;
  });
  const here = (): Connected['register'] => register as Connected['register'];
  const another = async (): Promise<Connected['register']> => (await connect(redis, { prefix })).register;
  const raw = (): Redis => {
    const client = new Redis(redis.url);
    onTestFinished(() => client.disconnect());
    return client;
  };
  const finish = async (charge: Charge, end: RunNews): Promise<void> => {
    await here().report(charge.order.run, charge.epoch, end);
    await charge.release('over');
  };

  it('gives the same run the same id, and another key another', () => {
    expect(runIdOf(jobDigest, '')).toMatch(/^[0-9a-f]{20}$/);
    expect(runIdOf(jobDigest, '')).toBe(runIdOf(jobDigest, ''));
    expect(runIdOf(jobDigest, '2')).not.toBe(runIdOf(jobDigest, ''));
  });

  it('knows a run that is submitted again while it is queued, carried and done', async () => {
    const order = orderOf('');
    expect(await here().submit(order, null)).toBe('new');
    expect(await here().submit(order, null)).toBe('known');
    const charge = await here().take(patience());
    expect(await here().submit(order, null)).toBe('known');
    await here().report(order.run, charge.epoch, state('done'));
    await charge.release('over');
    expect(await here().submit(order, null)).toBe('known');
    expect((await here().status(order.run))?.state).toBe('done');
  });

  it('tells whoever sits at a run that it is over where its desk did not live to', async () => {
    const { exchange, register: mine } = await connect(redis, { prefix });
    const order = orderOf('');
    await mine.submit(order, null);
    const charge = await mine.take(patience());
    const desk = await exchange.open(sheetOf(order), 0);
    const seat = await exchange.lease(patience());
    const { stamp } = await seat.watch(-1, patience());
    await mine.report(order.run, Math.max(charge.epoch, desk.epoch), state('done'));
    expect((await seat.watch(stamp, patience())).end).toEqual({ kind: 'done' });
  });

  it.each(['failed', 'cancelled'] as const)('starts a %s run anew', async (end) => {
    const order = orderOf('');
    await here().submit(order, null);
    const first = await here().take(patience());
    await finish(first, state(end));
    expect(await here().submit(order, null)).toBe('new');
    expect(await here().status(order.run)).toMatchObject({ state: 'queued', endedAt: null, progress: null });
    const second = await here().take(patience());
    expect(second.order).toEqual(order);
    expect(second.epoch).toBeGreaterThan(first.epoch);
    expect(second.resumed).toBe(false);
  });

  it('hands runs out by priority, then by age', async () => {
    for (const [key, priority] of [
      ['a', 1],
      ['b', 1000],
      ['c', 1],
      ['d', 0],
    ] as const)
      await here().submit(orderOf(key, { priority }), null);
    const keys: string[] = [];
    for (let n = 0; n < 4; n++) keys.push((await here().take(patience())).order.key);
    expect(keys).toEqual(['b', 'a', 'c', 'd']);
  });

  it('hands a run that is given back to another coordinator, under a later epoch', async () => {
    await here().submit(orderOf(''), null);
    const first = await here().take(patience());
    await first.release('again');
    const second = await (await another()).take(patience());
    expect(second.order.run).toBe(first.order.run);
    expect(second.resumed).toBe(true);
    expect(second.epoch).toBeGreaterThan(first.epoch);
  });

  it('hands a run whose coordinator is gone to whoever waits, and refuses what the old one reports', async () => {
    const dying = await connect(redis, { prefix });
    await dying.register.submit(orderOf(''), null);
    const first = await dying.register.take(patience());
    const taking = here().take(patience());
    await dying[Symbol.asyncDispose]();
    const second = await taking;
    expect(second.order.run).toBe(first.order.run);
    expect(second.resumed).toBe(true);
    expect(await here().report(first.order.run, first.epoch, progress(3))).toBe('fenced');
    expect(await here().report(first.order.run, second.epoch, progress(3))).toBe('accepted');
  });

  it('keeps a run with the coordinator that renews its lease', async () => {
    await here().submit(orderOf(''), null);
    const charge = await here().take(patience());
    const other = await another();
    await expect(other.take(patience(5000))).rejects.toThrow(/timeout/);
    expect(charge.lost.aborted).toBe(false);
  });

  it('tells a coordinator that another has its run', async () => {
    await here().submit(orderOf(''), null);
    const charge = await here().take(patience());
    await raw().hset(`{${prefix}}:run:${charge.order.run}:status`, 'holder', 'another');
    await until('it is told', () => charge.lost.aborted);
    expect(charge.lost.reason).toMatchObject({ tag: 'AbortedError', details: { code: 'FENCED' } });
  });

  it('tells a coordinator that the store lost its run', async () => {
    await here().submit(orderOf(''), null);
    const charge = await here().take(patience());
    await raw().flushall();
    await until('it is told', () => charge.lost.aborted);
    expect(charge.lost.reason).toMatchObject({ details: { code: 'STATE_LOST' } });
    expect(await here().submit(charge.order, null)).toBe('new');
    expect((await here().take(patience())).order).toEqual(charge.order);
  });

  it('takes a queued run whose job was never made', async () => {
    await here().submit(orderOf(''), null);
    const client = raw();
    const jobs = await client.keys(`{${prefix}}:runs:*`);
    await client.del(...jobs);
    const queued = `{${prefix}}:index:queued`;
    await client.zadd(queued, 0, orderOf('').run); // as if time had passed
    expect((await here().take(patience())).order.key).toBe('');
  });

  it('takes reports of the desk’s epoch as well as of the charge’s', async () => {
    const { exchange, register: mine } = await connect(redis, { prefix });
    await mine.submit(orderOf(''), null);
    const charge = await mine.take(patience());
    const desk = await exchange.open(sheetOf(charge.order));
    expect(desk.epoch).toBeGreaterThan(charge.epoch);
    expect(await mine.report(desk.run, desk.epoch, progress(0))).toBe('accepted');
    expect(await mine.report(desk.run, charge.epoch, progress(1))).toBe('accepted');
  });

  it('shows a run as its coordinator reported it', async () => {
    await here().submit(orderOf('', { name: 'belt', priority: 7 }), null);
    const { order, epoch } = await here().take(patience());
    for (const news of [state('accepted'), state('active'), progress(4)])
      await here().report(order.run, epoch, news);
    const status = await here().status(order.run);
    expect(status).toMatchObject({
      name: 'belt',
      priority: 7,
      state: 'active',
      epoch,
      progress: progress(4),
    });
    expect(status?.startedAt).toBeGreaterThanOrEqual(status?.submittedAt ?? Infinity);
    const error = {
      tag: 'MemoryError',
      message: 'x'.repeat(9000),
      details: { needed: 4, stack: 'y'.repeat(20_000) },
    };
    await here().report(order.run, epoch, { kind: 'state', state: 'failed', error, summary: null });
    const failed = await here().status(order.run);
    expect(failed?.error).toMatchObject({ tag: 'MemoryError', details: { needed: 4 } });
    expect(failed?.endedAt).not.toBeNull();
    expect(await here().report(order.run, epoch, progress(5))).toBe('late');
  });

  it('lists runs newest first, by state and by batch', async () => {
    const batch = 'batch-1' as NonNullable<RunOrder['batch']>;
    for (const [key, its] of [
      ['1', batch],
      ['2', null],
      ['3', batch],
    ] as const)
      await here().submit(orderOf(key, { batch: its }), null);
    const keysOf = async (filter: Parameters<Connected['register']['list']>[0]): Promise<readonly string[]> =>
      (await here().list(filter)).map(({ key }) => key);
    expect([...(await keysOf({}))].sort()).toEqual(['1', '2', '3']);
    expect([...(await keysOf({ batch }))].sort()).toEqual(['1', '3']);
    await here().cancel(runIdOf(jobDigest, '1'));
    expect(await keysOf({ batch, states: ['cancelled'] })).toEqual(['1']);
    expect(await keysOf({ limit: 1 })).toHaveLength(1);
  });

  it('can be followed, broken off and followed again from where one was, to the end', async () => {
    const order = orderOf('');
    await here().submit(order, null);
    const { run, epoch, charge } = await here()
      .take(patience())
      .then((taken) => ({ run: taken.order.run, epoch: taken.epoch, charge: taken }));
    for (let n = 0; n < 3; n++) await here().report(run, epoch, progress(n));
    const seen: RunRecord[] = [];
    for await (const record of here().follow(run, null, patience())) {
      seen.push(record);
      if (seen.length === 2) break;
    }
    const rest = collect(run, seen.at(-1)?.cursor ?? null);
    const notice = {
      level: 'warn',
      code: 'WORKER_LOST',
      text: 'worker lost: host:1',
      facts: { seat: 's' },
    } as const;
    await here().report(run, epoch, { kind: 'notice', ...notice });
    await finish(charge, state('done'));
    const told = [...seen, ...(await rest)].map(({ news }) =>
      news.kind === 'state' ? news.state : news.kind,
    );
    expect(told).toEqual(['queued', 'progress', 'progress', 'progress', 'notice', 'done']);
  });
  const collect = async (run: RunId, cursor: string | null): Promise<readonly RunRecord[]> => {
    const records: RunRecord[] = [];
    for await (const record of here().follow(run, cursor, patience())) records.push(record);
    return records;
  };

  it('ends following at once where there is nothing to follow', async () => {
    expect(await collect(runIdOf(jobDigest, 'nobody'), null)).toEqual([]);
  });

  it('cancels a queued run at once, and asks the coordinator of another', async () => {
    const [queued, carried] = [orderOf('q'), orderOf('c', { priority: 5 })];
    await here().submit(queued, null);
    await here().submit(carried, null);
    const charge = await here().take(patience());
    expect(charge.order.key).toBe('c');
    expect(await here().cancel(queued.run)).toBe('cancelled');
    expect(await here().cancel(queued.run)).toBe('over');
    expect(await here().cancel(runIdOf(jobDigest, 'nobody'))).toBe('unknown');
    expect(await here().cancel(carried.run)).toBe('asked');
    await until('it is told', () => charge.cancelled.aborted);
    await finish(charge, state('cancelled'));
    await expect(here().take(patience(1500))).rejects.toThrow(/timeout/);
  });

  it('keeps inputs until the run is over, and no more of them than allowed', async () => {
    const order = orderOf('');
    const inputs = Uint8Array.from({ length: inputsBytesMax }, (_, i) => i % 251);
    await here().submit(order, inputs);
    expect(await here().inputs(order.run)).toEqual(inputs);
    await finish(await here().take(patience()), state('done'));
    expect(await here().inputs(order.run)).toBeNull();
    await expect(here().submit(orderOf('2'), new Uint8Array(inputsBytesMax + 1))).rejects.toThrow(/storage/);
    expect(() => orderOf('3', { document: 'ä'.repeat(documentBytesMax / 2 + 1) })).toThrow(/256 KiB/);
  });

  it('forgets runs that were over for long enough, and no others', async () => {
    for (const key of ['1', '2', '3']) await here().submit(orderOf(key), null);
    await finish(await here().take(patience()), state('done'));
    await here().cancel(runIdOf(jobDigest, '2'));
    expect(await here().prune(60_000)).toEqual([]);
    expect([...(await here().prune(0))].sort()).toEqual(
      [runIdOf(jobDigest, '1'), runIdOf(jobDigest, '2')].sort(),
    );
    expect((await here().list({})).map(({ key }) => key)).toEqual(['3']);
    const left = await raw().keys(`{${prefix}}:run:*`);
    expect(left.every((key) => key.includes(runIdOf(jobDigest, '3')))).toBe(true);
  });

  it('puts ids and digests into the queue, no documents, and keeps neither finished jobs nor long logs', async () => {
    const document = '#'.repeat(documentBytesMax);
    await here().submit(orderOf('', { document }), null);
    const client = raw();
    const jobs = (await client.keys(`{${prefix}}:runs:*`)).filter((key) =>
      /:runs:[0-9a-f]{20}\.\d+$/.test(key),
    );
    expect(jobs).toHaveLength(1);
    const fields = Object.values(await client.hgetall(jobs[0] as string));
    expect(fields.join('').length).toBeLessThan(4096);
    const charge = await here().take(patience());
    for (let n = 0; n < 3000; n++) await here().report(charge.order.run, charge.epoch, progress(n));
    expect(await client.xlen(`{${prefix}}:run:${charge.order.run}:log`)).toBeLessThan(2200);
    await finish(charge, state('done'));
    const left = await client.keys(`{${prefix}}:runs:*`);
    expect(left.filter((key) => key.includes(charge.order.run))).toEqual([]);
    for (const key of await client.keys(`{${prefix}}:run:${charge.order.run}:*`))
      expect([key, await client.pttl(key)]).toEqual([key, expect.toSatisfy((ms: number) => ms > 0)]);
  });
});
