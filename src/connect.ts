/**
 * How does a process reach the others? Redis as the options and the environment name it, and the storage root.
 */
import { readConfig } from './config.ts';
import type { Connected } from './exchange/redis/connect.ts';
import type { Log } from './log.ts';

/** Which Redis. */
export interface RedisOptions {
  /**
   * `redis://HOST:PORT` or `rediss://HOST:PORT`, without a password, which comes from `REDIS_URL` or the file that
   * `SKEWFLOW_REDIS_PASSWORD_FILE` names. Default: `REDIS_URL`, else `redis://127.0.0.1:6379`.
   */
  readonly redis?: string;
  /** What all keys begin with: several fleets may share one Redis. Default `skewflow`. */
  readonly prefix?: string;
  /** Use a Redis of another machine without a password. Default: false. */
  readonly insecure?: boolean;
}

/**
 * Connect to Redis; its client is loaded with the first connection, and not before.
 *
 * @param patienceMs - how long an answer is waited for through an outage; infinite for a process that outlives outages
 * @throws UsageError for a URL that may not be used; OutOfReachError when nothing answers there
 */
export async function connect(options: RedisOptions, patienceMs: number, log: Log): Promise<Connected> {
  const [{ chooseRedis }, { connectRedis }] = await Promise.all([
    import('./exchange/redis/address.ts'),
    import('./exchange/redis/connect.ts'),
  ]);
  const { redisUrl, redisPasswordFile } = readConfig(process.env);
  const { address, warnings } = chooseRedis({
    url: options.redis ?? null,
    environmentUrl: redisUrl,
    passwordFile: redisPasswordFile,
    insecure: options.insecure ?? false,
  });
  for (const warning of warnings) log.warn({}, warning);
  const { prefix } = options;
  const common = { address, ...(prefix === undefined ? {} : { prefix }) };
  // A process that outlives outages still says at its start that nothing answers where it was sent.
  if (!Number.isFinite(patienceMs)) {
    // What is to be warned of is said by the connection that stays.
    const unwarned = { ...log, warn: () => {} };
    await (await connectRedis({ ...common, patienceMs: startMs, log: unwarned }))[Symbol.asyncDispose]();
  }
  return await connectRedis({ ...common, patienceMs, log });
}

/** How long the first answer is waited for. */
const startMs = 10_000;
