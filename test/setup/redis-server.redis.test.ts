import { existsSync } from 'node:fs';
import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { describeWithRedis } from './describe-with.ts';
import { type RedisOptions, type RedisServer, startRedis } from './redis-server.ts';

async function server(options?: RedisOptions): Promise<RedisServer> {
  const redis = await startRedis(options);
  onTestFinished(() => redis.stop());
  return redis;
}

function client(redis: RedisServer, password?: string): Redis {
  const connection = new Redis(redis.url, {
    retryStrategy: () => 20,
    ...(password === undefined ? {} : { password }),
  });
  connection.on('error', () => {}); // the outages of these tests
  onTestFinished(() => connection.disconnect());
  return connection;
}

describeWithRedis('a redis-server of a test', () => {
  test('keeps what was acknowledged over SIGKILL and restart with an append-only file', async () => {
    const redis = await server({ aof: true });
    const connection = client(redis);
    await connection.set('third', 1 / 3);
    const before = redis.pid;
    await redis.kill('SIGKILL');
    await redis.restart();
    expect(redis.pid).not.toBe(before);
    expect(Number(await connection.get('third'))).toBe(1 / 3);
  });

  test('forgets over a restart without one', async () => {
    const redis = await server();
    const connection = client(redis);
    await connection.set('third', 1 / 3);
    await redis.restart();
    expect(await connection.get('third')).toBeNull();
  });

  test('asks for what its ACL asks for', async () => {
    const redis = await server({ acl: ['user default on >secret ~a:* &* +@all'] });
    await expect(client(redis).ping()).rejects.toThrow(/NOAUTH/);
    const known = client(redis, 'secret');
    await expect(known.set('a:x', 1)).resolves.toBe('OK');
    await expect(known.set('b:x', 1)).rejects.toThrow(/NOPERM/);
  });

  test('leaves neither process nor folder after stop', async () => {
    const redis = await startRedis();
    const { pid, folder } = redis;
    await redis.stop();
    expect(existsSync(folder)).toBe(false);
    expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
  });
});
