/**
 * What do the tests over Redis stand on? A redis-server of their own, and processes' connections to it under a prefix of
 * their own.
 */
import { onTestFinished } from 'vitest';
import type { Desk } from '../../../src/exchange/exchange.ts';
import { type Connected, type ConnectOptions, connectRedis } from '../../../src/exchange/redis/connect.ts';
import { logTo } from '../../../src/log.ts';
import { Iteration, protocolVersion } from '../../../src/protocol.ts';
import { type RedisOptions, type RedisServer, startRedis } from '../../setup/redis-server.ts';

/** A server that ends with the test. */
export async function server(options?: RedisOptions): Promise<RedisServer> {
  const redis = await startRedis(options);
  onTestFinished(() => redis.stop());
  return redis;
}

/** A connection as a process would have one; closed with the test. */
export async function connect(redis: RedisServer, options: Partial<ConnectOptions> = {}): Promise<Connected> {
  const { address, ...others } = options;
  const connected = await connectRedis({
    address: {
      host: '127.0.0.1',
      port: redis.port,
      tls: false,
      username: null,
      password: null,
      database: 0,
      ...address,
    },
    patienceMs: Number.POSITIVE_INFINITY,
    log: logTo('error'),
    ...others,
  });
  onTestFinished(() => connected[Symbol.asyncDispose]());
  return connected;
}

/** An iteration of a run as its coordinator publishes it, with so many parameters. */
export function iterationOf(desk: Desk, number: number, parameters = 2): Iteration {
  return Iteration.parse({
    protocolVersion,
    run: desk.run,
    epoch: desk.epoch,
    number,
    phase: 'gradient',
    parameterDigest: 'a'.repeat(64),
    times: null,
    fields: new Map([['p', Float64Array.from({ length: parameters }, (_, k) => 0.1 + number + k / 3)]]),
    sums: null,
    seeds: null,
    rows: { gradient: [], final: false, trajectory: [], values: false },
  });
}

/** A limit no test should come near. */
export function patience(ms = 20_000): AbortSignal {
  return AbortSignal.timeout(ms);
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Wait until it holds. */
export async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const signal = patience();
  while (!(await holds())) {
    if (signal.aborted) throw new Error(`in vain: ${what}`);
    await sleep(25);
  }
}
