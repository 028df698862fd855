/**
 * What does the exchange over Redis do when something fails? Real servers, real signals.
 */
import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';
import type { Desk, DeskEvent, Exchange, Seat } from '../../../src/exchange/exchange.ts';
import { keptBytesMax, pieceBytes, unreadBytesMax } from '../../../src/exchange/frames/limits.ts';
import { Keys } from '../../../src/exchange/redis/keys.ts';
import { Link } from '../../../src/exchange/redis/link.ts';
import { logTo } from '../../../src/log.ts';
import {
  type LeafName,
  ParameterDigest,
  type Posting,
  protocolVersion,
  RunSheet,
} from '../../../src/protocol.ts';
import { describeWithRedis } from '../../setup/describe-with.ts';
import type { RedisServer } from '../../setup/redis-server.ts';
import { connect, iterationOf, patience, server, sleep, until } from './fleet.ts';

const digest = ParameterDigest.parse('a'.repeat(64));

function sheetOf(run: string, fields: Partial<RunSheet> = {}): RunSheet {
  return RunSheet.parse({
    protocolVersion,
    run,
    jobDigest: 'f'.repeat(64),
    seats: { min: 1, max: 2 },
    priority: 0,
    ...fields,
  });
}

function postingOf(seat: Seat, number: number, leaf: LeafName, length = 2): Posting {
  return {
    protocolVersion,
    run: seat.sheet.run,
    seat: seat.id,
    worker: 'host:1' as never,
    numerics: 'reference/f64',
    number,
    phase: 'gradient' as const,
    parameterDigest: digest,
    leaf,
    count: 1,
    copy: 0,
    tookMs: 1 / 3,
    answer: {
      kind: 'partial',
      sums: Float64Array.of(1 / 3),
      winners: Float64Array.of(-1),
      loss: 0,
      gradient: new Float64Array(length).fill(0.1),
      seeds: null,
      sourceStates: null,
    },
  };
}

const join = (seat: Seat): Promise<void> =>
  seat.join({
    protocolVersion,
    seat: seat.id,
    worker: 'host:1' as never,
    version: '0.0.0',
    engine: 'reference',
    numerics: 'reference/f64',
    threads: 1,
  });

/** Gathers what a desk is told, until the test ends. */
function gather(desk: Desk): DeskEvent[] {
  const seen: DeskEvent[] = [];
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  void (async () => {
    for (;;) seen.push(...(await desk.events(stop.signal)));
  })().catch(() => {});
  return seen;
}

const kinds = (events: readonly DeskEvent[]): readonly string[] => events.map(({ kind }) => kind);

/** Answers what is asked until the run ends; returns when it has. */
async function serve(seat: Seat, leaves: number): Promise<void> {
  for (let stamp = -1, done = -1; ; ) {
    const view = await seat.watch(stamp, patience(120_000));
    stamp = view.stamp;
    if (view.end !== null) return;
    const { iteration } = view;
    if (iteration === null || iteration.number === done) continue;
    done = iteration.number;
    await seat.post(Array.from({ length: leaves }, (_, leaf) => postingOf(seat, iteration.number, leaf)));
  }
}

/** Publishes iterations and waits for all answers of each. */
async function carry(desk: Desk, iterations: number, leaves: number): Promise<void> {
  for (let number = 0; number < iterations; number++) {
    await desk.publish(iterationOf(desk, number));
    for (let answered = 0; answered < leaves; ) {
      for (const event of await desk.events(patience()))
        if (event.kind === 'posted' && event.posting.number === number) answered += 1;
    }
  }
}

/** An answer's gradient, as bytes: arrays of millions of numbers are compared quickly only so. */
const bytesOf = ({ leaf, answer }: Posting): readonly [LeafName, string] => {
  const {
    buffer = new ArrayBuffer(0),
    byteOffset = 0,
    byteLength = 0,
  } = answer.kind === 'partial' ? answer.gradient : {};
  return [
    leaf,
    createHash('sha256')
      .update(new Uint8Array(buffer, byteOffset, byteLength))
      .digest('hex'),
  ];
};

const client = (redis: RedisServer): Redis => {
  const connection = new Redis(redis.url, { retryStrategy: () => 50 });
  connection.on('error', () => {});
  onTestFinished(() => connection.disconnect());
  return connection;
};

async function exchangeOn(redis: RedisServer): Promise<Exchange> {
  return (await connect(redis)).exchange;
}

describeWithRedis('the exchange over Redis, when something fails,', () => {
  it('finds the seat of a worker that died lost, and offers it again at once', async () => {
    const redis = await server();
    const exchange = await exchangeOn(redis);
    const dying = await connect(redis);
    const desk = await exchange.open(sheetOf('r', { seats: { min: 1, max: 1 } }));
    const events = gather(desk);
    const seat = await dying.exchange.lease(patience());
    await join(seat);
    const next = exchange.lease(patience());
    await dying[Symbol.asyncDispose]();
    const died = performance.now();
    expect((await next).id).not.toBe(seat.id);
    // TTL 3 s, found within a third of it; generous, as the machine may be busy.
    expect(performance.now() - died).toBeLessThan(8000);
    expect(events).toContainEqual({ kind: 'left', seat: seat.id, lost: true });
  });

  it('takes nothing from a worker whose seat was given to another, and tells it', async () => {
    const redis = await server();
    const exchange = await exchangeOn(redis);
    const desk = await exchange.open(sheetOf('r'));
    const seat = await exchange.lease(patience());
    await desk.publish(iterationOf(desk, 0));
    await seat.watch(-1, patience());
    const raw = client(redis);
    // As after a SIGSTOP of three seconds: the sign of life is gone, the worker is not.
    await until('the seat is lost', async () => {
      await raw.del(`{skewflow}:run:r:hb:${seat.id}`);
      return (await raw.hexists('{skewflow}:run:r:seats', seat.id)) === 0;
    });
    expect(await seat.post([postingOf(seat, 0, 0)])).toEqual(['fenced']);
    const view = await seat.watch(-1, patience());
    expect(view.dismissed).toMatchObject({ tag: 'OutOfReachError', details: { code: 'SEAT_LOST' } });
    await seat.leave(null);
  });

  it('knows how long a server was in reach for others too, until that is away', async () => {
    const redis = await server();
    const { port } = redis;
    const address = { host: '127.0.0.1', port, tls: false, username: null, password: null, database: 0 };
    const keys = new Keys('skewflow');
    const link = await Link.open({ address, keys, patienceMs: 5000, log: logTo('error') });
    onTestFinished(() => link[Symbol.asyncDispose]());
    link.wasReachable(3600_000);
    expect(link.reachableMs).toBeGreaterThanOrEqual(3600_000);
    await redis.restart();
    await until('the link is back', () => link.reachableMs > 0 && link.reachableMs < 3600_000);
  });

  it('tells a coordinator that a later one took its run over, and keeps the answers for that one', async () => {
    const redis = await server();
    const [first, second] = [await exchangeOn(redis), await exchangeOn(redis)];
    const desk = await first.open(sheetOf('r'));
    const events = gather(desk);
    const seat = await first.lease(patience());
    await desk.publish(iterationOf(desk, 4));
    await seat.post([postingOf(seat, 4, 0)]);
    await until('the first desk has the answer', () => kinds(events).includes('posted'));
    const later = await second.open(sheetOf('r'), 17);
    await until('the first desk is fenced', () => kinds(events).includes('fenced'));
    expect(later.epoch).toBe(18);
    expect((await later.standing()).postings).toEqual([postingOf(seat, 4, 0)]);
    await seat.post([postingOf(seat, 4, 1)]);
    expect(await later.events(patience())).toEqual([{ kind: 'posted', posting: postingOf(seat, 4, 1) }]);
  });

  it('tells of a Redis that lost everything, and goes on when the run is opened again', async () => {
    const redis = await server();
    const exchange = await exchangeOn(redis);
    const desk = await exchange.open(sheetOf('r', { seats: { min: 1, max: 1 } }));
    const events = gather(desk);
    const seat = await exchange.lease(patience());
    await desk.publish(iterationOf(desk, 0));
    await redis.restart();
    expect(await desk.publish(iterationOf(desk, 1))).toBe('gone');
    await until('it is told', () => kinds(events).includes('emptied'));
    const lost = await seat.watch(-1, patience());
    expect(lost.dismissed?.details).toEqual({ code: 'SEAT_LOST' });
    const again = await exchange.open(sheetOf('r', { seats: { min: 1, max: 1 } }), desk.epoch);
    expect(again.epoch).toBeGreaterThan(desk.epoch);
    await again.publish(iterationOf(again, 0));
    const other = await exchange.lease(patience());
    expect(await other.post([postingOf(other, 0, 0)])).toEqual(['accepted']);
    expect(await again.events(patience())).toEqual([{ kind: 'posted', posting: postingOf(other, 0, 0) }]);
  });

  it('waits for a Redis that was killed and goes on with what it kept, no seat lost', async () => {
    const redis = await server({ aof: true });
    const exchange = await exchangeOn(redis);
    const desk = await exchange.open(sheetOf('r'));
    const events = gather(desk);
    const seat = await exchange.lease(patience());
    await join(seat);
    await desk.publish(iterationOf(desk, 0));
    await seat.post([postingOf(seat, 0, 0)]);
    await redis.kill('SIGKILL');
    const waiting = seat.post([postingOf(seat, 0, 1)]);
    await sleep(5000);
    await redis.restart();
    expect(await waiting).toEqual(['accepted']);
    await until(
      'both answers are there',
      () => kinds(events).filter((kind) => kind === 'posted').length === 2,
    );
    await sleep(4000);
    expect(kinds(events)).not.toContain('left');
    expect(kinds(events)).not.toContain('emptied');
    const told = events.flatMap((event) => (event.kind === 'unreachable' ? [event.forMs] : []));
    expect(told[0]).toBeGreaterThan(2000);
    expect(told.at(-1)).toBe(0);
  });

  it('notices a Redis that says nothing, and goes on when it answers', async () => {
    const redis = await server();
    const exchange = await exchangeOn(redis);
    const desk = await exchange.open(sheetOf('r'));
    const seat = await exchange.lease(patience());
    const events = gather(desk);
    await desk.publish(iterationOf(desk, 0));
    await redis.kill('SIGSTOP');
    const waiting = seat.post([postingOf(seat, 0, 1)]);
    await until('it is told', () => kinds(events).includes('unreachable'));
    await redis.kill('SIGCONT');
    // Sent again on another connection, it may find itself there already.
    expect(['accepted', 'twice', 'fenced']).toContain((await waiting)[0]);
    expect(await desk.publish(iterationOf(desk, 1))).toBe('accepted');
  });

  it('goes on when every hint is lost', async () => {
    const redis = await server();
    const exchange = await exchangeOn(redis);
    const desk = await exchange.open(sheetOf('r'));
    const serving = serve(await exchange.lease(patience()), 3);
    const raw = client(redis);
    const deaf = setInterval(() => {
      for (const stream of ['wake', 'done']) raw.del(`{skewflow}:run:r:${stream}`).catch(() => {});
    }, 1);
    onTestFinished(() => clearInterval(deaf));
    await carry(desk, 8, 3);
    await desk.end({ kind: 'done' });
    await serving;
  });

  it('leaves Redis as it was over 1000 iterations, and nothing without a lifetime after the end', async () => {
    const redis = await server();
    const exchange = await exchangeOn(redis);
    const raw = client(redis);
    const used = async (): Promise<number> => {
      await raw.memory('PURGE');
      return Number(/used_memory:(\d+)/.exec(await raw.info('memory'))?.[1]);
    };
    const desk = await exchange.open(sheetOf('r'));
    const serving = serve(await exchange.lease(patience()), 8);
    await carry(desk, 200, 8);
    const before = await used();
    await carry(desk, 1000, 8);
    expect((await used()) - before).toBeLessThan(200_000);
    for (const stream of ['wake', 'done'])
      expect(await raw.xlen(`{skewflow}:run:r:${stream}`)).toBeLessThan(20);
    expect(await raw.llen('{skewflow}:run:r:ev')).toBeLessThan(50);
    await desk.end({ kind: 'done' });
    await serving;
    for (const key of await raw.keys('{skewflow}:run:r:*'))
      expect([key, await raw.pttl(key)]).toEqual([
        key,
        expect.toSatisfy((ms: number) => ms > 0 && ms <= 60_000),
      ]);
  });

  it('gives free workers to the urgent run, then to the one with the fewest seats', async () => {
    const redis = await server();
    const exchange = await exchangeOn(redis);
    await exchange.open(sheetOf('a', { seats: { min: 1, max: 4 } }));
    await exchange.open(sheetOf('b', { seats: { min: 1, max: 4 } }));
    await exchange.open(sheetOf('urgent', { priority: 9, seats: { min: 1, max: 2 } }));
    const taken: string[] = [];
    for (let n = 0; n < 8; n++) taken.push((await exchange.lease(patience())).sheet.run);
    expect(taken.slice(0, 2)).toEqual(['urgent', 'urgent']);
    expect(taken.slice(2)).toEqual(['a', 'b', 'a', 'b', 'a', 'b']);
  });

  it('forgets answers that are too many to keep once they are read, and asks for them again after a takeover', async () => {
    const redis = await server();
    const exchange = await exchangeOn(redis);
    const desk = await exchange.open(sheetOf('r'));
    const events = gather(desk);
    const seat = await exchange.lease(patience());
    await desk.publish(iterationOf(desk, 0));
    const length = 2 ** 17;
    const count = (2 * keptBytesMax) / (8 * length);
    for (let leaf = 0; leaf < count; leaf++)
      expect(await seat.post([postingOf(seat, 0, leaf, length)])).toEqual(['accepted']);
    await until('all are read', () => kinds(events).filter((kind) => kind === 'posted').length === count);
    const raw = client(redis);
    await until(
      'Redis is relieved',
      async () => Number(await raw.hget('{skewflow}:run:r:cur', 'pBytes')) <= keptBytesMax,
    );
    expect(await seat.post([postingOf(seat, 0, 0, length)])).toEqual(['twice']);
    const later = await exchange.open(sheetOf('r'));
    const kept = new Set((await later.standing()).postings.map(({ leaf }) => leaf));
    expect(kept.size).toBeGreaterThan(0);
    expect(kept.has(0)).toBe(false);
    expect(await seat.post([postingOf(seat, 0, 0, length)])).toEqual(['accepted']);
    expect(await seat.post([postingOf(seat, 0, count - 1, length)])).toEqual(['twice']);
  });

  it('brings answers of many megabytes in pieces, and waits where nobody reads them', async () => {
    const redis = await server();
    const exchange = await exchangeOn(redis);
    const raw = client(redis);
    const desk = await exchange.open(sheetOf('r'));
    const seat = await exchange.lease(patience());
    await desk.publish(iterationOf(desk, 0));
    const length = 1_500_000;
    const large = (leaf: number): Posting => {
      const gradient = Float64Array.from({ length }, (_, k) => 1 / (3 + k + leaf / 7));
      const posting = postingOf(seat, 0, leaf);
      return { ...posting, answer: { ...posting.answer, gradient } as Posting['answer'] };
    };
    const [first, second] = [large(0), large(1)];
    const lengths: number[] = [];
    const measure = async (): Promise<void> => {
      for (const key of await raw.keys('{skewflow}:run:r:p:*')) lengths.push(await raw.strlen(key));
    };
    const watched = setInterval(() => void measure(), 5);
    onTestFinished(() => clearInterval(watched));
    expect(await seat.post([first, second])).toEqual(['accepted', 'accepted']);
    clearInterval(watched);
    expect(lengths.length).toBeGreaterThan(0);
    expect(Math.max(...lengths)).toBe(pieceBytes);
    const seen: DeskEvent[] = [];
    while (seen.length < 2) seen.push(...(await desk.events(patience())));
    expect(seen.map((event) => (event.kind === 'posted' ? bytesOf(event.posting) : event))).toEqual(
      [first, second].map(bytesOf),
    );

    // A desk that is closed reads nothing: as many come as there is room for, and the next one waits with its worker.
    const silent = await connect(redis);
    await silent.exchange.open(sheetOf('r'));
    await silent[Symbol.asyncDispose]();
    const rest = Array.from({ length: 8 }, (_, n) => large(2 + n));
    const posting = seat.post(rest);
    const waiting = async (): Promise<number> => Number(await raw.hget('{skewflow}:run:r:cur', 'pBytes'));
    await until('they are many', async () => (await waiting()) > unreadBytesMax - 8 * length);
    await sleep(500);
    expect(await waiting()).toBeLessThan(unreadBytesMax);
    const used = Number(/used_memory:(\d+)/.exec(await raw.info('memory'))?.[1]);
    expect(used).toBeLessThan(1.1 * unreadBytesMax);
    await exchange.open(sheetOf('r'));
    expect(await posting).toEqual(rest.map(() => 'accepted'));
    expect(await raw.zcard('{skewflow}:run:r:arriving')).toBe(0);
  });

  it('closes in time when Redis is gone', async () => {
    const redis = await server();
    const connected = await connect(redis);
    await connected.exchange.open(sheetOf('r', { seats: { min: 1, max: 1 } }));
    const seat = await connected.exchange.lease(patience());
    const waiting = connected.exchange.lease(new AbortController().signal);
    await redis.kill('SIGKILL');
    const began = performance.now();
    await seat.leave(null);
    const refused = expect(waiting).rejects.toMatchObject({ tag: 'AbortedError' });
    await connected[Symbol.asyncDispose]();
    await refused;
    expect(performance.now() - began).toBeLessThan(15_000);
  });

  it('gives up in time where somebody waits, and says what is out of reach', async () => {
    const redis = await server();
    const { exchange } = await connect(redis, { patienceMs: 1000 });
    await redis.kill('SIGKILL');
    await expect(exchange.open(sheetOf('r'))).rejects.toMatchObject({ tag: 'OutOfReachError' });
    await expect(connect(redis, { patienceMs: 500 })).rejects.toThrow(/127\.0\.0\.1:\d+/);
  });
});
