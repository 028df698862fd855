/**
 * How does a program hand jobs to a fleet and get results back? Runs by id: submitted, followed, fetched, cancelled.
 *
 * Redis and everything that reads jobs is loaded when it is first needed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { readConfig } from '../config.ts';
import { connect, type RedisOptions } from '../connect.ts';
import type { Connected } from '../exchange/redis/connect.ts';
import type { BatchId, Cancelled, RunFilter, RunNews, RunStatus } from '../exchange/register.ts';
import type { JobObject } from '../job/schema.ts';
import { type Log, logTo } from '../log.ts';
import type { RunId } from '../protocol.ts';
import type { Root } from '../storage/root.ts';
import type { EngineChoice } from '../worker/engine/discover.ts';
import { RunHandle } from './handle.ts';

/** Which fleet. */
export interface ClientOptions extends RedisOptions {
  /**
   * The storage root of the fleet, where this machine sees it: results are read from there, and files beyond 1 MB copied to
   * it. Default: `SKEWFLOW_STORAGE`, else none.
   */
  readonly storage?: string;
  /** Folders that workers read, too (`worker --root`): files below them are not copied. Default: none. */
  readonly roots?: readonly string[];
  /** Default: stderr, from the level that `SKEWFLOW_LOG` names. */
  readonly log?: Log;
}

/** What a run is wanted with. Nothing here reaches the numbers, except `set`. */
export interface SubmitOptions {
  /** Changes to the job, as `--set`. */
  readonly set?: readonly string[];
  /** The same job under another key is another run. Default: none, and submitting a job again finds its run again. */
  readonly key?: string;
  /** 0 to 1000; runs of higher priority get free workers first. Default 0. */
  readonly priority?: number;
  /** Workers it may have at once. Default: from 1 to half as many as the job has shards. */
  readonly workers?: {
    /** With fewer the run waits. */
    readonly min: number;
    /** More it never takes. */
    readonly max: number;
  };
  /** What computes it. Default `auto`: whatever a worker has. */
  readonly engine?: EngineChoice;
  /** Whether workers of several numerics classes may compute it together; the result is then equal within tolerance only. */
  readonly allowMixed?: boolean;
  /**
   * Hosts its inputs may lie on although they are private or plain http: `host` or `host:port`. The workers read no URL on a
   * host that they were not told to allow. Default: none.
   */
  readonly allowHosts?: readonly string[];
}

/** One job of a batch: a file or an object, and what is changed in it. */
export interface BatchJob {
  /** Path of a job file, or the same document as an object. */
  readonly job: JobObject | string;
  /** Changes to it, as `--set`, over those of all jobs. Default: none. */
  readonly set?: readonly string[];
}

/** Jobs that were submitted together. */
export interface SubmittedBatch {
  /** What `ls --batch` and `fetch --batch` know it by. */
  readonly batch: string;
  /** In the order of the jobs. */
  readonly runs: readonly RunHandle[];
}

/** Something that happened to a run. */
export type RunEvent = RunNews & {
  /** Where to go on following from. */
  readonly cursor: string;
  /** Milliseconds since 1970, by the store's clock. */
  readonly at: number;
};

export type { Cancelled, RunFilter, RunStatus } from '../exchange/register.ts';

/** How long an answer of Redis is waited for. */
const patienceMs = 5000;

/**
 * A client of a fleet of coordinators and workers that meet over one Redis.
 *
 * Every method throws OutOfReachError when Redis does not answer within 5 seconds.
 *
 * @example
 * await using client = new Client({ redis: 'redis://127.0.0.1', storage: 'file:///mnt/skewflow' });
 * const handle = await client.submit('job.yaml');
 * for await (const event of handle.events()) if (event.kind === 'progress') console.log(event.iteration, event.loss);
 * const { loss } = await handle.result();
 */
export class Client implements AsyncDisposable {
  readonly #options: ClientOptions;
  readonly #log: Log;
  #connected: Promise<Connected> | null = null;
  #root: Promise<Root> | null = null;

  /** @param options - which fleet; nothing is connected before the first call */
  constructor(options: ClientOptions = {}) {
    this.#options = options;
    this.#log = options.log ?? logTo(readConfig(process.env).logLevel);
  }

  /** Closes the connections to Redis; runs go on. */
  async [Symbol.asyncDispose](): Promise<void> {
    const connected = await this.#connected?.catch(() => null);
    await connected?.[Symbol.asyncDispose]();
  }

  /**
   * Check a job completely, send it, and hold its run. Nothing is sent of a job that `run` would refuse.
   *
   * @param job - path of a job file, or the same document as an object, with arrays in place of paths
   * @throws what `run` throws for a job that is wrong; InputError for an array that cannot travel, with the remedy
   */
  async submit(job: JobObject | string, options: SubmitOptions = {}): Promise<RunHandle> {
    const [handle] = await this.#send([{ job }], null, options);
    return handle as RunHandle;
  }

  /**
   * Several jobs as one batch: each is checked before any is sent.
   *
   * @param options - for each of them
   */
  async submitBatch(jobs: readonly BatchJob[], options: SubmitOptions = {}): Promise<SubmittedBatch> {
    const { randomUUID } = await import('node:crypto');
    const batch = randomUUID().slice(0, 13).replace('-', '') as BatchId;
    return { batch, runs: await this.#send(jobs, batch, options) };
  }

  /** The run of this id, known or not. */
  run(id: string): RunHandle {
    const parts = { register: async () => (await this.#connect()).register, root: () => this.#storage() };
    return new RunHandle(id as RunId, null, parts);
  }

  /** Runs, newest first. */
  async list(filter: RunFilter = {}): Promise<readonly RunStatus[]> {
    return (await this.#connect()).register.list(filter);
  }

  /**
   * Cancel a run.
   *
   * @returns `asked`: its coordinator sees it within a second; `cancelled`: it was queued only; `over` or `unknown`: nothing changes
   * @throws OutOfReachError when Redis does not answer
   */
  async cancel(id: string): Promise<Cancelled> {
    return (await this.#connect()).register.cancel(id as RunId);
  }

  /**
   * Forget runs that were over for so long, and remove what the storage root holds of them.
   *
   * @returns their ids
   */
  async prune(olderThanMs: number): Promise<readonly string[]> {
    const ids = await (await this.#connect()).register.prune(olderThanMs);
    const root = await this.#storage();
    if (root === null) return ids;
    const { pruneRoot } = await import('./prune.ts');
    return [...new Set([...ids, ...(await pruneRoot(root, ids, olderThanMs))])];
  }

  async #send(
    jobs: readonly BatchJob[],
    batch: BatchId | null,
    options: SubmitOptions,
  ): Promise<readonly RunHandle[]> {
    const { draft } = await import('./draft.ts');
    const {
      set: everywhere = [],
      key = '',
      priority = 0,
      workers = null,
      engine = 'auto',
      allowMixed = false,
      allowHosts = [],
    } = options;
    const root = await this.#storage();
    const wanted = {
      key,
      priority,
      seats: workers,
      engine,
      allowMixed,
      batch,
      root,
      roots: this.#options.roots ?? [],
      allowHosts,
      s3: readConfig(process.env).s3,
    };
    const drafts = [];
    for (const { job, set: own = [] } of jobs) {
      const set = [...everywhere, ...own];
      drafts.push({ ...(await draft(job, { ...wanted, set })), set });
    }
    const { register } = await this.#connect();
    const handles: RunHandle[] = [];
    for (const { order, inputs, set } of drafts) {
      const known = await register.submit(order, inputs);
      const parts = { register: async () => register, root: () => this.#storage() };
      handles.push(new RunHandle(order.run, { name: order.name, known: known === 'known', set }, parts));
    }
    return handles;
  }

  #connect(): Promise<Connected> {
    this.#connected ??= connect(this.#options, patienceMs, this.#log);
    // A Redis that was away is asked again by the next call.
    this.#connected.catch(() => (this.#connected = null));
    return this.#connected;
  }

  async #storage(): Promise<Root | null> {
    const text = this.#options.storage ?? readConfig(process.env).storage;
    if (text === null) return null;
    const { openRoot } = await import('../storage/root.ts');
    this.#root ??= openRoot(text, readConfig(process.env).s3);
    this.#root.catch(() => (this.#root = null));
    return this.#root;
  }
}

/**
 * Wait for runs to be accepted, so long at most: a coordinator has them on its disk, and nothing loses them.
 *
 * @param withinMs - milliseconds
 * @returns how many of them are
 * @throws OutOfReachError when Redis does not answer
 *
 * @example
 * const handle = await client.submit('job.yaml');
 * if ((await acceptedOf([handle], 5000)) === 0) console.log('queued: no coordinator has taken it so far');
 */
export async function acceptedOf(runs: readonly RunHandle[], withinMs: number): Promise<number> {
  const until = performance.now() + withinMs;
  for (;;) {
    const states = await Promise.all(runs.map((run) => run.status()));
    const accepted = states.filter((status) => status !== null && status.state !== 'queued').length;
    if (accepted === runs.length || performance.now() >= until) return accepted;
    await sleep(100);
  }
}
