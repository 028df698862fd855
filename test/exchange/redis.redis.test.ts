import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { Exchange } from '../../src/exchange/exchange.ts';
import { connectRedis } from '../../src/exchange/redis/connect.ts';
import { logTo } from '../../src/log.ts';
import { describeWithRedis } from '../setup/describe-with.ts';
import { type RedisServer, startRedis } from '../setup/redis-server.ts';
import { describeExchange } from './contract.ts';

describeWithRedis('over Redis', () => {
  let server: RedisServer;
  let prefix = 0;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  beforeEach(() => {
    prefix += 1;
  });

  describeExchange({
    name: 'Redis',
    open: async (): Promise<Exchange> => {
      const address = {
        host: '127.0.0.1',
        port: server.port,
        tls: false,
        username: null,
        password: null,
        database: 0,
      };
      const connected = await connectRedis({ address, prefix: `t${prefix}`, log: logTo('error') });
      return { ...connected.exchange, [Symbol.asyncDispose]: () => connected[Symbol.asyncDispose]() };
    },
  });
});
