/** How are the two long-running processes started from a program? What they are made of is loaded when they start. */
import { readConfig } from './config.ts';
import type { RedisOptions } from './connect.ts';
import type { CoordinatorService } from './coordinator/service.ts';
import { SkewflowError } from './errors.ts';
import { type Log, logTo } from './log.ts';
import type { EngineChoice } from './worker/engine/discover.ts';
import type { WorkerService } from './worker/service.ts';

/** What coordinators and workers share. */
export interface ProcessOptions extends RedisOptions {
  /** The root that all of them see: `file:///path`, or a path. Default: `SKEWFLOW_STORAGE`; there must be one. */
  readonly storage?: string;
  /** Folders whose files a submitted job may name. Default: none. */
  readonly roots?: readonly string[];
  /** Default: stderr, from the level that `SKEWFLOW_LOG` names. */
  readonly log?: Log;
}

/** How a coordinator goes about it. */
export interface CoordinatorOptions extends ProcessOptions {
  /** Runs that are carried at once; others wait in the queue. Default 32. */
  readonly runsMax?: number;
}

/** How a worker goes about it. Nothing here reaches the numbers. */
export interface WorkerOptions extends ProcessOptions {
  /** What computes. Default `auto`: every hardware GPU, else WASM. */
  readonly engine?: EngineChoice;
  /** Numbers of the GPUs to use, as `devices` lists them. Default: every hardware GPU. */
  readonly devices?: readonly number[];
  /** Threads to compute with, over all devices. Default: `SKEWFLOW_THREADS`, else one per core. */
  readonly threads?: number;
  /** Bytes that jobs may take. Default: three quarters of the machine's memory. */
  readonly memoryBytes?: number;
}

/**
 * A coordinator: carries submitted runs, several at once. Several coordinators may share a Redis and a root; each run has
 * one at a time, and another takes it over when that one falls silent.
 *
 * Disposing of it hands its runs over, with a checkpoint each, within 20 seconds even when Redis is away.
 *
 * @example
 * await using coordinator = await Coordinator.start({ storage: 'file:///mnt/skewflow' });
 */
export class Coordinator implements AsyncDisposable {
  readonly #service: CoordinatorService;

  private constructor(service: CoordinatorService) {
    this.#service = service;
  }

  /**
   * Connect and begin.
   *
   * @throws UsageError, OutOfReachError when Redis or the root cannot be used
   */
  static async start(options: CoordinatorOptions = {}): Promise<Coordinator> {
    const service = await import('./coordinator/service.ts');
    return new Coordinator(await service.CoordinatorService.start(settled(options)));
  }

  /** Ids of the runs that are carried now. */
  get runs(): readonly string[] {
    return this.#service.runs;
  }

  /** Hands its runs over to another coordinator and ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#service[Symbol.asyncDispose]();
  }
}

/**
 * A worker: computes for whichever runs have a seat free, one run after another on each device.
 *
 * Disposing of it drains: what was begun is finished and posted, seats are given back, within 20 seconds.
 *
 * @example
 * await using worker = await Worker.start({ storage: 'file:///mnt/skewflow', threads: 4 });
 * await worker.ended;
 */
export class Worker implements AsyncDisposable {
  readonly #service: WorkerService;

  private constructor(service: WorkerService) {
    this.#service = service;
  }

  /**
   * Connect and begin.
   *
   * @throws UsageError, OutOfReachError when Redis or the root cannot be used; NoDeviceError when nothing can compute here
   */
  static async start(options: WorkerOptions = {}): Promise<Worker> {
    const service = await import('./worker/service.ts');
    return new Worker(await service.WorkerService.start(settled(options)));
  }

  /** Resolves when no device is served any more: drained, or each of them failed too often. */
  get ended(): Promise<'drained' | 'quarantined'> {
    return this.#service.ended;
  }

  /** Stop at once: what is being computed is given up, and other workers do it again. */
  abort(): void {
    this.#service.abort();
  }

  /** Finishes the leaf it is at, gives its seat back and ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#service[Symbol.asyncDispose]();
  }
}

/** With the environment's root and log where the options name none. */
function settled<O extends ProcessOptions>(options: O): O & { readonly storage: string; readonly log: Log } {
  const config = readConfig(process.env);
  const storage = options.storage ?? config.storage;
  if (storage === null) {
    throw new SkewflowError(
      'UsageError',
      'which storage root? Give `--storage file:///path` (or SKEWFLOW_STORAGE) that coordinators and workers all see',
    );
  }
  return { ...options, storage, log: options.log ?? logTo(config.logLevel) };
}
