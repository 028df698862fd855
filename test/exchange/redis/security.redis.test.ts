/**
 * Does the ACL that is shipped let everything through that we do, and nothing else?
 */
import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Exchange } from '../../../src/exchange/exchange.ts';
import { connectRedis } from '../../../src/exchange/redis/connect.ts';
import { RunOrder, runIdOf, sheetOf } from '../../../src/exchange/register.ts';
import { logTo } from '../../../src/log.ts';
import { protocolVersion } from '../../../src/protocol.ts';
import { describeWithRedis } from '../../setup/describe-with.ts';
import type { RedisServer } from '../../setup/redis-server.ts';
import { describeExchange } from '../contract.ts';
import { connect, patience, server } from './fleet.ts';

const acl = readFileSync(new URL('../../../deploy/redis/users.acl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => line.replace('change-this-password', 'geheim'));
const user = { username: 'skewflow', password: 'geheim' } as const;

const addressOf = ({ port }: RedisServer) =>
  ({ host: '127.0.0.1', port, tls: false, database: 0, ...user }) as const;

const guarded = async (): Promise<{ readonly redis: RedisServer; readonly raw: Redis }> => {
  const redis = await server({ acl });
  const raw = new Redis(redis.url, { ...user, protocol: 2 });
  onTestFinished(() => raw.disconnect());
  return { redis, raw };
};

describeWithRedis('the ACL', () => {
  describe('lets through', () => {
    let redis: RedisServer | null = null;
    describeExchange({
      name: 'guarded Redis',
      open: async (): Promise<Exchange> => {
        redis = await server({ acl });
        const connected = await connectRedis({
          address: addressOf(redis),
          patienceMs: Number.POSITIVE_INFINITY,
          log: logTo('error'),
        });
        return { ...connected.exchange, [Symbol.asyncDispose]: () => connected[Symbol.asyncDispose]() };
      },
    });

    it('the whole life of a run', async () => {
      const { redis: guardedRedis } = await guarded();
      const { register, exchange } = await connect(guardedRedis, { address: addressOf(guardedRedis) });
      const jobDigest = 'ab'.repeat(32);
      const order = RunOrder.parse({
        protocolVersion,
        run: runIdOf(jobDigest, ''),
        jobDigest,
        name: 'job',
        key: '',
        batch: 'b',
        priority: 3,
        seats: {
          min: 1,
          max: 1,
        },
        engine: 'auto',
        allowMixed: false,
        document: 'x',
        folder: {},
        submittedAt: 1,
      });
      expect(await register.submit(order, Uint8Array.of(1))).toBe('new');
      const charge = await register.take(patience());
      const desk = await exchange.open(sheetOf(order));
      const seat = await exchange.lease(patience());
      await seat.leave(null);
      await desk.end({ kind: 'done' });
      const news = { kind: 'state', state: 'done', error: null, summary: null } as const;
      expect(await register.report(order.run, desk.epoch, news)).toBe('accepted');
      await charge.release('over');
      const states: string[] = [];
      for await (const { news: told } of register.follow(order.run, null, patience()))
        if (told.kind === 'state') states.push(told.state);
      expect(states).toEqual(['queued', 'done']);
      expect(await register.list({})).toHaveLength(1);
      expect(await register.prune(0)).toEqual([order.run]);
    });
  });

  it.each([
    ['a key of another prefix', ['get', '{other}:x']],
    ['writing one', ['set', '{other}:x', '1']],
    ['one inside Lua that is named', ['eval', "return redis.call('GET', KEYS[1])", '1', '{other}:x']],
    ['one inside Lua that is not', ['eval', "return redis.call('GET', '{other}:x')", '0']],
    ['writing one inside Lua', ['eval', "return redis.call('SET', '{other}:x', '1')", '0']],
    ['the pattern of a prefix that begins alike', ['get', '{skewflow2}:x']],
    ['FLUSHALL', ['flushall']],
    ['FLUSHDB', ['flushdb']],
    ['CONFIG', ['config', 'get', '*']],
    ['KEYS', ['keys', '*']],
    ['KEYS inside Lua', ['eval', "return redis.call('KEYS', '*')", '0']],
    ['SCAN', ['scan', '0']],
    ['RANDOMKEY', ['randomkey']],
    ['CLIENT LIST', ['client', 'list']],
    ['SHUTDOWN', ['shutdown', 'nosave']],
    ['DEBUG', ['debug', 'sleep', '0']],
    ['ACL', ['acl', 'list']],
    ['FUNCTION', ['function', 'list']],
    ['SCRIPT FLUSH', ['script', 'flush']],
    ['a channel', ['publish', 'x', '1']],
  ] as const)('refuses %s', async (_, [command, ...args]) => {
    const { raw } = await guarded();
    await expect(raw.call(command, ...args)).rejects.toThrow(/NOPERM|can't (access|run)|not allowed/);
  });

  it('lets nobody in without the password, and says so at once', async () => {
    const { redis } = await guarded();
    const wrong = { ...addressOf(redis), password: 'wrong' };
    await expect(connect(redis, { address: wrong })).rejects.toThrow(
      /WRONGPASS.*SKEWFLOW_REDIS_PASSWORD_FILE/,
    );
    await expect(connect(redis, { address: { ...wrong, username: null, password: null } })).rejects.toThrow(
      /NOAUTH/,
    );
  });
});

describeWithRedis('a Redis', () => {
  it('that may drop keys is refused', async () => {
    const redis = await server({ config: { 'maxmemory-policy': 'allkeys-lru' } });
    await expect(connect(redis)).rejects.toThrow(/noeviction/);
  });

  it('without the database that is named is refused, and no other is taken in its place', async () => {
    const redis = await server();
    const address = { ...addressOf(redis), database: 99 };
    await expect(connect(redis, { address })).rejects.toThrow(/DB index is out of range/);
  });

  it('that is nowhere is told with what became of the tries to reach it', async () => {
    const redis = await server();
    const address = addressOf(redis);
    await redis.kill();
    const options = { address, patienceMs: 300 };
    await expect(connect(redis, options)).rejects.toThrow(/not answered for 0 s: nothing listens there/);
  });

  it.each([true, false])('whose append-only file is on (%s) is warned of if it is not', async (aof) => {
    const redis = await server({ aof });
    const warned: string[] = [];
    const log = { ...logTo('silent'), warn: (_: unknown, text: string) => void warned.push(text) };
    await connect(redis, { log });
    expect(warned).toEqual(aof ? [] : [expect.stringContaining('appendonly yes')]);
  });

  it('is used under prefixes that are names, and no others', async () => {
    const redis = await server();
    for (const prefix of ['', 'a b', '{x}', 'x:*', 'ä'])
      await expect(connect(redis, { prefix })).rejects.toMatchObject({ tag: 'UsageError' });
  });
});
