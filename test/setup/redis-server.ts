/**
 * Where do tests get a Redis? Each starts a real redis-server of its own: a random port, a temporary folder, real signals.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Found, installed } from './packages.ts';

/** The oldest Redis the project supports. */
const oldest = 7;

/** The redis-server of this machine. */
export function findRedisServer(): Found {
  try {
    const text = execFileSync('redis-server', ['--version'], { encoding: 'utf8' });
    const version = /v=(\d+)([\d.]*)/.exec(text);
    if (version !== null && Number(version[1]) >= oldest)
      return { present: true, path: 'redis-server', version: `${version[1]}${version[2]}` };
    return { present: false, reason: `redis-server ${oldest} or newer is needed, found: ${text.trim()}` };
  } catch {
    return {
      present: false,
      reason: `no redis-server ${oldest} or newer; ask for it: apt-get install redis-server`,
    };
  }
}

/** Make sure there is one, installing Debian's package where that is allowed. */
export async function ensureRedisServer(say: (line: string) => void): Promise<Found> {
  const found = findRedisServer();
  return found.present ? found : await installed({ name: 'redis-server', suite: null }, say, findRedisServer);
}

export interface RedisOptions {
  /** Append-only file with every write synced: what was acknowledged survives `kill('SIGKILL')` and `restart()`. Default false. */
  readonly aof?: boolean;
  /** Lines of an ACL file, e.g. `user default on >secret ~* &* +@all`. Default: the default user, no password. */
  readonly acl?: readonly string[];
  /** Default: a free one. */
  readonly port?: number;
  /** Further settings of redis.conf by name. */
  readonly config?: Readonly<Record<string, string>>;
}

export interface RedisServer extends AsyncDisposable {
  /** Without credentials. */
  readonly url: string;
  readonly port: number;
  /** Of the process that runs now; changes with `restart`. */
  readonly pid: number;
  /** Its working directory, removed by `stop`. */
  readonly folder: string;
  /** End it, remove its folder. */
  readonly stop: () => Promise<void>;
  /** Send a signal, SIGKILL unless another is named; resolves once the process has ended when it is one that ends it. */
  readonly kill: (signal?: NodeJS.Signals) => Promise<void>;
  /** Start it again on the same port and folder; ends it (SIGKILL) first if it runs. */
  readonly restart: () => Promise<void>;
}

/**
 * Start a redis-server on 127.0.0.1. Nothing is kept across `restart` unless `aof` is set.
 *
 * It ends with this process at the latest.
 */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'skewflow-redis-'));
  if (options.acl !== undefined) await writeFile(join(folder, 'users.acl'), `${options.acl.join('\n')}\n`);
  let [running, port] = await startOnFreePort(folder, options);

  const atExit = (): void => {
    running.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', atExit);

  const server: RedisServer = {
    url: `redis://127.0.0.1:${port}`,
    port,
    folder,
    get pid() {
      return running.pid as number; // set for a process that has answered
    },
    kill: async (signal = 'SIGKILL') => {
      const ended = new Promise<void>((resolve) => running.once('exit', () => resolve()));
      if (hasEnded(running)) return;
      running.kill(signal);
      if (ending.has(signal)) await ended;
    },
    restart: async () => {
      await server.kill();
      running = await started(folder, port, options);
    },
    stop: async () => {
      await server.kill();
      process.removeListener('exit', atExit);
      await rm(folder, { recursive: true, force: true });
    },
    [Symbol.asyncDispose]: () => server.stop(),
  };
  return server;
}

const ending: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGKILL', 'SIGQUIT', 'SIGTERM']);

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

/** A port is free when it is looked for, and may be taken before Redis listens: look again. */
async function startOnFreePort(
  folder: string,
  options: RedisOptions,
): Promise<readonly [ChildProcess, number]> {
  if (options.port !== undefined) return [await started(folder, options.port, options), options.port];
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    try {
      return [await started(folder, port, options), port];
    } catch (error) {
      if (attempt === 5 || !String(error).includes('in use')) throw error;
    }
  }
}

function started(
  folder: string,
  port: number,
  { aof = false, acl, config = {} }: RedisOptions,
): Promise<ChildProcess> {
  const settings: Readonly<Record<string, string>> = {
    bind: '127.0.0.1',
    port: String(port),
    dir: folder,
    save: '',
    appendonly: aof ? 'yes' : 'no',
    appendfsync: 'always',
    ...(acl === undefined ? {} : { aclfile: join(folder, 'users.acl') }),
    ...config,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    let said = '';
    const listen = (data: Buffer): void => {
      said += data.toString();
      if (said.includes('Ready to accept connections')) ready();
    };
    const failed = (): void => reject(new Error(`redis-server did not start on port ${port}:\n${said}`));
    const ready = (): void => {
      for (const stream of [child.stdout, child.stderr]) stream.removeListener('data', listen).resume();
      child.removeListener('exit', failed);
      resolve(child);
    };
    for (const stream of [child.stdout, child.stderr]) stream.on('data', listen);
    child.once('exit', failed);
    child.once('error', reject);
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
