/** A fleet for tests: real coordinators and workers as a user starts them, over a Redis of the test's own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '../src/index.ts';
import { type Outcome, skewflow } from './cli/skewflow.ts';
import { type RedisOptions, type RedisServer, startRedis } from './setup/redis-server.ts';

const script = fileURLToPath(new URL('../bin/skewflow.js', import.meta.url));

/** A long-running process of the fleet. */
export interface Service {
  readonly pid: number;
  /** Everything it logged so far. */
  readonly log: () => string;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Its exit code; null when a signal ended it. */
  readonly ended: Promise<number | null>;
  /** Resolves when it logged something that matches. */
  readonly says: (pattern: RegExp) => Promise<void>;
  /** Call with what it logs from now on, as it comes. */
  readonly hear: (listener: (text: string) => void) => void;
  /** It and whoever shares its log have ended, and everything they logged has been heard. */
  readonly silent: Promise<void>;
}

export interface Fleet extends AsyncDisposable {
  readonly redis: RedisServer;
  /** Where commands run and results go. */
  readonly folder: string;
  readonly storage: string;
  /** A client in this process, where a test is not about the commands: a look costs no process. */
  readonly client: Client;
  /**
   * Start a command that stays; `environment` goes over the fleet's own, `script` stands for the command's, `under` is a command
   * that runs it in its own place.
   */
  readonly start: (
    args: readonly string[],
    environment?: NodeJS.ProcessEnv,
    script?: string,
    under?: readonly string[],
  ) => Service;
  readonly coordinator: (...args: readonly string[]) => Service;
  readonly worker: (...args: readonly string[]) => Service;
  /** Run a command to its end. */
  readonly run: (...args: readonly string[]) => Promise<Outcome>;
  /** Write a job file into the folder; its name. */
  readonly job: (name: string, text: string) => Promise<string>;
  readonly file: (...parts: readonly string[]) => Promise<Buffer>;
}

/** Start a Redis; processes are started by the test, and all of them end with the fleet. */
export async function startFleet(
  options: RedisOptions & { readonly storage?: string; readonly environment?: NodeJS.ProcessEnv } = {},
): Promise<Fleet> {
  const redis = await startRedis(options);
  const folder = await mkdtemp(join(tmpdir(), 'skewflow-fleet-'));
  const storage = options.storage ?? join(folder, 'storage');
  const environment = {
    REDIS_URL: redis.url,
    SKEWFLOW_STORAGE: storage,
    SKEWFLOW_LOG: '',
    ...options.environment,
  };
  const client = new Client({ redis: redis.url, storage, log: unheard });
  const services = new Set<Service & { readonly child: ChildProcess }>();

  const start: Fleet['start'] = (args, more = {}, entry = script, under = []) => {
    const [command = '', ...rest] = [...under, process.execPath, entry, ...args];
    const child = spawn(command, rest, {
      cwd: folder,
      env: { ...process.env, ...environment, ...more },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let text = '';
    const listeners = new Set<() => void>();
    const hearers: ((text: string) => void)[] = [];
    child.stderr.on('data', (data: Buffer) => {
      const more = data.toString();
      text += more;
      for (const hear of hearers) hear(more);
      for (const listener of listeners) listener();
    });
    const ended = new Promise<number | null>((resolve) => child.on('exit', (code) => resolve(code)));
    const silent = new Promise<void>((resolve) => child.on('close', () => resolve()));
    const service = {
      child,
      pid: child.pid ?? 0,
      log: () => text,
      kill: (signal: NodeJS.Signals) => void child.kill(signal),
      ended,
      silent,
      hear: (listener: (text: string) => void) => void hearers.push(listener),
      says: (pattern: RegExp): Promise<void> =>
        new Promise((resolve, reject) => {
          const look = (): void => {
            if (!pattern.test(text)) return;
            listeners.delete(look);
            resolve();
          };
          const late = (): void => reject(new Error(`it did not say ${pattern} within a minute:\n${text}`));
          setTimeout(late, 60_000).unref();
          listeners.add(look);
          look();
          void ended.then(() => {
            if (listeners.delete(look)) reject(new Error(`it ended without saying ${pattern}:\n${text}`));
          });
        }),
    };
    services.add(service);
    return service;
  };

  return {
    redis,
    folder,
    storage,
    client,
    start,
    coordinator: (...args) => start(['coordinator', ...args]),
    worker: (...args) => start(['worker', '--threads', '1', '--engine', 'wasm', ...args]),
    run: (...args) => skewflow(args, folder, environment),
    job: async (name, text) => {
      await writeFile(join(folder, name), text);
      return name;
    },
    file: (...parts) => readFile(join(folder, ...parts)),
    [Symbol.asyncDispose]: async () => {
      for (const { child } of services) {
        child.kill('SIGCONT');
        child.kill('SIGKILL');
      }
      await Promise.all([...services].map(({ ended }) => ended));
      await client[Symbol.asyncDispose]();
      await redis.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const ignore = (): void => {};
const unheard = { error: ignore, warn: ignore, info: ignore, debug: ignore };
