/**
 * How is Redis spoken to? Over two connections, one that answers and one that waits, which come back by themselves; whoever
 * waits for an answer waits no longer than was agreed.
 *
 * A command in flight when a connection breaks is sent again on the next one (with `autoResendUnfulfilledCommands: false` its
 * promise would never settle: ioredis 6.0.0). A link that is cut without a word is noticed by the watchdog: no byte for
 * 3 s while an answer is due.
 */
import { randomUUID } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import { codeOf, isSkewflowError, SkewflowError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Traffic } from '../exchange.ts';
import type { RedisAddress } from './address.ts';
import { Redis } from './clients.ts';
import type { Keys } from './keys.ts';
import type { Argument, Reply, Script } from './script.ts';

/** Longest wait of an XREAD, in milliseconds. */
export const blockMs = 2000;
/** No byte for so long while an answer is due: the connection is dead. */
const watchdogMs = 3000;
/** Longest pause between two tries to connect; ioredis’ own 5 s would be most of the time until work goes on. */
const reconnectMs = 1000;
/** An outage is told of after so long, and again whenever it has lasted twice as long, at least every `toldMsMax`. */
const toldMs = 2000;
const toldMsMax = 30_000;
/** Longest wait for the other side to take a connection. */
const connectMs = 2000;
/** Longest wait for anything while closing. */
export const closeMs = 2000;

export interface LinkOptions {
  readonly address: RedisAddress;
  readonly keys: Keys;
  /** How long an answer is waited for through an outage; Infinity: until the link is closed. */
  readonly patienceMs: number;
  readonly log: Log;
}

/** What the server says of itself. */
export interface ServerFacts {
  readonly version: string;
  /** Another one after every start. */
  readonly runId: string;
  readonly uptimeSeconds: number;
  readonly policy: string;
  readonly appendOnly: boolean;
}

export class Link implements AsyncDisposable {
  readonly id: string = randomUUID();
  readonly keys: Keys;
  readonly log: Log;
  /** For everything that answers at once; BullMQ shares it. */
  readonly commands: Redis;
  /** For what waits on the server. */
  readonly waiting: Redis;
  readonly #patienceMs: number;
  readonly #tls: boolean;
  readonly #connections: Redis[] = [];
  readonly #rejects = new Set<(error: SkewflowError) => void>();
  #downSince: number | null = performance.now();
  /** What the last try to connect came to; null: it is connected, or there was none. */
  #refusal: Error | null = null;
  /** When the connection last came back after an outage. */
  #upSince = Number.NEGATIVE_INFINITY;
  #closed = false;
  #traffic: Traffic = { receivedBytes: 0, sentBytes: 0 };
  #gathering = false;
  readonly #outage: NodeJS.Timeout;
  #tellAtMs = toldMs;

  private constructor({ address, keys, patienceMs, log }: LinkOptions) {
    this.keys = keys;
    this.log = log;
    this.#patienceMs = patienceMs;
    this.#tls = address.tls;
    this.commands = new Redis({
      host: address.host,
      port: address.port,
      db: address.database,
      ...(address.username === null ? {} : { username: address.username }),
      ...(address.password === null ? {} : { password: address.password }),
      // The name of a server is never a number (RFC 6066).
      ...(address.tls ? { tls: isIP(address.host) === 0 ? { servername: address.host } : {} } : {}),
      // XREAD's answers as lists: RESP3 has them as maps.
      protocol: 2,
      maxRetriesPerRequest: null,
      retryStrategy: (tries) => Math.min(50 * 2 ** tries, reconnectMs),
      connectTimeout: connectMs,
      socketTimeout: watchdogMs,
      disableClientInfo: true,
    });
    // BullMQ makes connections of its own from this one, and cannot close them while Redis is away: they end with the link.
    const duplicate = this.commands.duplicate.bind(this.commands);
    this.commands.duplicate = (options) => {
      const copy = duplicate(options);
      this.#connections.push(copy);
      return copy;
    };
    this.#connections.push(this.commands);
    this.waiting = this.commands.duplicate();
    for (const connection of [this.commands, this.waiting]) {
      connection.on('error', (error: Error) => log.debug({}, `Redis: ${error.message}`));
    }
    this.commands.on('error', (error: Error) => {
      this.#refusal = error;
    });
    this.commands.on('close', () => {
      this.#downSince ??= performance.now();
    });
    this.commands.on('ready', () => {
      const downMs = this.unreachableMs;
      if (downMs > 0) this.#upSince = performance.now();
      if (downMs > 1000) log.warn({ seconds: Math.round(downMs / 1000) }, 'Redis answers again');
      this.#downSince = null;
      this.#refusal = null;
      this.#tellAtMs = toldMs;
    });
    this.#outage = setInterval(() => this.#tellOutage(), 500).unref();
  }

  /**
   * Connect.
   *
   * @throws OutOfReachError when nothing answers in time, or not as Redis 7 does
   */
  static async open(options: LinkOptions): Promise<Link> {
    const link = new Link(options);
    const { host, port } = options.address;
    try {
      await link.#connected();
      return link;
    } catch (error) {
      await link[Symbol.asyncDispose]();
      const why = error instanceof Error ? error.message : String(error);
      throw new SkewflowError('OutOfReachError', `Redis at ${host}:${port}: ${why}`, {}, { cause: error });
    }
  }

  /** How long the server has been out of reach; 0: it is not. */
  get unreachableMs(): number {
    return this.#downSince === null ? 0 : Math.max(1, performance.now() - this.#downSince);
  }

  /** How long it has been in reach without a break. */
  get reachableMs(): number {
    return this.#downSince === null ? performance.now() - this.#upSince : 0;
  }

  /** The server was in reach for so long, though this process has only just come. */
  wasReachable(ms: number): void {
    this.#upSince = Math.min(this.#upSince, performance.now() - ms);
  }

  /** Iterations, plans and answers that went over this link. */
  get traffic(): Traffic {
    return this.#traffic;
  }

  /** More of them did. */
  carried({ receivedBytes = 0, sentBytes = 0 }: Partial<Traffic>): void {
    const before = this.#traffic;
    this.#traffic = {
      receivedBytes: before.receivedBytes + receivedBytes,
      sentBytes: before.sentBytes + sentBytes,
    };
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Run a script; sent by its digest, and by its text where the server does not know it (it forgets at every start). */
  async run(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<Reply> {
    try {
      return await this.call('EVALSHA', script.sha, keys.length, ...keys, ...args);
    } catch (error) {
      if (!String(error).includes('NOSCRIPT')) throw error;
      return this.call('EVAL', script.lua, keys.length, ...keys, ...args);
    }
  }

  /** One command. */
  call(name: string, ...args: readonly Argument[]): Promise<Reply> {
    this.#gatherWrites();
    return this.within(this.commands.callBuffer(name, ...args) as Promise<Reply>);
  }

  /**
   * What `work` gives, or an error when that takes longer than is waited for, or the link is closed meanwhile.
   *
   * @throws OutOfReachError when the time is up; AbortedError when the link was closed
   */
  within<T>(work: Promise<T>, patienceMs = this.#patienceMs): Promise<T> {
    if (this.#closed) {
      work.catch(() => {});
      return Promise.reject(closedError());
    }
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | null = null;
      const settle = (): void => {
        this.#rejects.delete(refuse);
        if (timer !== null) clearTimeout(timer);
      };
      const refuse = (error: unknown): void => {
        settle();
        reject(asOurs(error));
      };
      this.#rejects.add(refuse);
      if (patienceMs !== Number.POSITIVE_INFINITY) {
        const text = `Redis has not answered for ${Math.round(patienceMs / 1000)} s`;
        const refuseLate = (): void =>
          refuse(new SkewflowError('OutOfReachError', `${text}${refusalText(this.#refusal, this.#tls)}`));
        timer = setTimeout(refuseLate, patienceMs);
      }
      work.then((value) => {
        settle();
        resolve(value);
      }, refuse);
    });
  }

  /** What the server says of itself. */
  async facts(): Promise<ServerFacts> {
    const text = String(await this.call('INFO', 'everything'));
    const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(text)?.[1] ?? '';
    return {
      version: field('redis_version'),
      runId: field('run_id'),
      uptimeSeconds: Number(field('uptime_in_seconds')),
      policy: field('maxmemory_policy'),
      appendOnly: field('aof_enabled') === '1',
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#outage);
    for (const refuse of this.#rejects) refuse(closedError());
    for (const connection of this.#connections) connection.disconnect();
  }

  /** Whoever waits without limit says so while it waits: everything else it would say waits, too. */
  #tellOutage(): void {
    const downMs = this.unreachableMs;
    if (downMs < this.#tellAtMs || this.#patienceMs !== Number.POSITIVE_INFINITY) return;
    this.#tellAtMs = downMs + Math.min(downMs, toldMsMax);
    this.log.warn({ code: 'UNREACHABLE' }, `Redis unreachable ${Math.round(downMs / 1000)} s, retrying`);
  }

  /** What is sent before the event loop turns goes out in one write: a desk and its seats speak in bursts. */
  #gatherWrites(): void {
    const { stream } = this.commands as unknown as { readonly stream?: Socket };
    if (this.#gathering || stream === undefined) return;
    this.#gathering = true;
    stream.cork();
    process.nextTick(() => {
      this.#gathering = false;
      stream.uncork();
    });
  }

  /** Resolves at the first answer; a refused password, name or database is told at once instead of being tried again. */
  #connected(): Promise<unknown> {
    const never = new Promise<never>((_, reject) => {
      this.commands.on('error', (error: Error) => {
        if (isRefused(error)) reject(refused(error));
      });
    });
    const ping = this.commands.ping().catch((error: Error) => {
      throw isRefused(error) ? refused(error) : error;
    });
    return this.within(Promise.race([ping, never]));
  }
}

/** What a connection that never came to be was refused with, in words; nothing where nobody knows. */
function refusalText(refusal: Error | null, tls: boolean): string {
  if (refusal === null) return '';
  const words: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'nothing listens there',
    ENOTFOUND: 'there is no such host',
    ETIMEDOUT: tls ? 'no connection by TLS (rediss://) came to be' : 'no connection came to be',
  };
  return `: ${words[codeOf(refusal) ?? ''] ?? refusal.message}`;
}

/** Whether Redis itself does not want who comes, however often. */
function isRefused({ message }: Error): boolean {
  return /WRONGPASS|NOAUTH|NOPERM|DB index/.test(message);
}

/** What Redis says of who comes, or of the database that is wanted, and where either is named. */
function refused(error: Error): SkewflowError {
  const where = error.message.includes('DB index')
    ? 'the number at the end of its URL'
    : 'REDIS_URL, or the file that SKEWFLOW_REDIS_PASSWORD_FILE names';
  return new SkewflowError('OutOfReachError', `${error.message} (${where})`, {}, { cause: error });
}

/** Redis' own errors, and the driver's, under our tag. */
function asOurs(error: unknown): unknown {
  if (isSkewflowError(error) || !(error instanceof Error) || error.message.startsWith('NOSCRIPT'))
    return error;
  if (error.message.startsWith('OOM')) {
    const text = 'Redis has no memory left: raise its `maxmemory`';
    return new SkewflowError('OutOfReachError', text, {}, { cause: error });
  }
  return new SkewflowError('OutOfReachError', `Redis: ${error.message}`, {}, { cause: error });
}

function closedError(): SkewflowError {
  return new SkewflowError('AbortedError', 'the connection to Redis was closed');
}
