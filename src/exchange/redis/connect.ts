/**
 * Where does a process come in? One link to Redis, and on it the exchange and the register.
 */
import { SkewflowError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Exchange } from '../exchange.ts';
import type { Register } from '../register.ts';
import type { RedisAddress } from './address.ts';
import { redisExchange } from './exchange.ts';
import { Hints } from './hints.ts';
import { isPrefix, Keys } from './keys.ts';
import { Link, type ServerFacts } from './link.ts';
import { redisRegister } from './register.ts';
import { type Vitals, vitalsOf } from './vitals.ts';

/** A server that answers at once was in reach before, for as long as it is up: others had that time to renew what they hold. */
const promptMs = 1000;

export interface ConnectOptions {
  readonly address: RedisAddress;
  /** What all keys begin with: several fleets may share one Redis. Default `skewflow`. */
  readonly prefix?: string;
  /**
   * How long an answer is waited for through an outage, in milliseconds. Default 5000, for a command that somebody waits
   * for; Infinity for a process that is to outlive outages.
   */
  readonly patienceMs?: number;
  readonly log: Log;
}

/** What one process holds of a Redis. */
export interface Connected extends AsyncDisposable {
  readonly exchange: Exchange;
  readonly register: Register;
  readonly vitals: Vitals;
}

/**
 * Connect to Redis.
 *
 * @throws OutOfReachError when it does not answer, is older than 7, or may drop keys when memory is short
 */
export async function connectRedis({
  address,
  prefix = 'skewflow',
  patienceMs = 5000,
  log,
}: ConnectOptions): Promise<Connected> {
  if (!isPrefix(prefix))
    throw new SkewflowError('UsageError', `--prefix: letters, digits, . _ - (at most 40), got \`${prefix}\``);
  const begun = performance.now();
  const link = await Link.open({ address, keys: new Keys(prefix), patienceMs, log });
  try {
    const facts = await link.facts();
    checkServer(facts, log);
    if (performance.now() - begun < promptMs) link.wasReachable(1000 * facts.uptimeSeconds);
    const hints = new Hints(link);
    const exchange = redisExchange(link, hints);
    const register = redisRegister(link, hints);
    return {
      exchange,
      register,
      vitals: vitalsOf(link),
      [Symbol.asyncDispose]: async () => {
        await Promise.all([exchange[Symbol.asyncDispose](), register[Symbol.asyncDispose]()]);
        await link[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await link[Symbol.asyncDispose]();
    throw error;
  }
}

function checkServer({ version, policy, appendOnly }: ServerFacts, log: Log): void {
  if (Number.parseInt(version, 10) < 7)
    throw new SkewflowError('OutOfReachError', `Redis ${version}: version 7 or newer is needed`);
  if (policy !== '' && policy !== 'noeviction') {
    throw new SkewflowError(
      'OutOfReachError',
      `Redis drops keys when memory is short (maxmemory-policy ${policy}): set maxmemory-policy noeviction`,
      { policy },
    );
  }
  if (!appendOnly) {
    log.warn(
      {},
      'Redis keeps no append-only file: after a restart runs go on from their checkpoints (appendonly yes)',
    );
  }
}
