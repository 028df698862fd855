/** How are the two long-running processes started from a program? What they are made of is loaded when they start. */
import { readConfig } from './config.ts';
import type { RedisOptions } from './connect.ts';
import type { CoordinatorService } from './coordinator/service.ts';
import { SkewflowError } from './errors.ts';
import { type Log, logTo } from './log.ts';
import type { Meter } from './telemetry/meter.ts';
import type { Observed, Status } from './telemetry/status.ts';
import type { EngineChoice } from './worker/engine/discover.ts';
import type { WorkerService } from './worker/service.ts';

/** What coordinators and workers share. */
export interface ProcessOptions extends RedisOptions {
  /**
   * The root that all of them see: `file:///path`, a path, or `s3://bucket/prefix`. Default: `SKEWFLOW_STORAGE`; there must be
   * one.
   */
  readonly storage?: string;
  /** Folders, and places `s3://bucket/prefix`, whose files a submitted job may name. Default: none. */
  readonly roots?: readonly string[];
  /**
   * Hosts that the URLs of a submitted job may lie on: `host` or `host:port`, which may be private or plain http; `*` stands for
   * every public one, over https. Default: none, and a submitted job names no URLs.
   */
  readonly allowHosts?: readonly string[];
  /**
   * Serve `/metrics`, `/livez` and `/readyz` here: `HOST:PORT`, or a port of the loopback. A worker that listens tries its
   * devices before it takes seats. Default: `SKEWFLOW_LISTEN`, else nowhere.
   */
  readonly listen?: string;
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
  /** End when no seat was held for so many seconds. Default: never. */
  readonly exitWhenIdleSeconds?: number;
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
  readonly #status: Status | null;

  private constructor(service: CoordinatorService, status: Status | null) {
    this.#service = service;
    this.#status = status;
  }

  /**
   * Connect and begin.
   *
   * @throws UsageError, OutOfReachError when Redis or the root cannot be used
   */
  static async start(options: CoordinatorOptions = {}): Promise<Coordinator> {
    const chosen = settled(options);
    const { CoordinatorService: Service } = await import('./coordinator/service.ts');
    const [service, status] = await observed('coordinator', chosen, (meter) =>
      Service.start({ ...chosen, ...meter }),
    );
    return new Coordinator(service, status);
  }

  /** Ids of the runs that are carried now. */
  get runs(): readonly string[] {
    return this.#service.runs;
  }

  /** Hands its runs over to another coordinator and ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#service[Symbol.asyncDispose]();
    await this.#status?.[Symbol.asyncDispose]();
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
  readonly #status: Status | null;

  private constructor(service: WorkerService, status: Status | null) {
    this.#service = service;
    this.#status = status;
  }

  /**
   * Connect and begin.
   *
   * @throws UsageError, OutOfReachError when Redis or the root cannot be used; NoDeviceError when nothing can compute here
   */
  static async start(options: WorkerOptions = {}): Promise<Worker> {
    const { exitWhenIdleSeconds: idle, ...chosen } = settled(options);
    const { WorkerService: Service } = await import('./worker/service.ts');
    const [service, status] = await observed('worker', chosen, async (meter) =>
      Service.start({
        ...chosen,
        ...(idle === undefined ? {} : { idleMs: idle * 1000 }),
        ...meter,
        ...(chosen.listen === null ? {} : { examine: (await import('./inspect/devices.ts')).examine }),
      }),
    );
    return new Worker(service, status);
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
    await this.#status?.[Symbol.asyncDispose]();
  }
}

/** Start a process; where it listens its health is shown from before it has connected. What that takes is loaded then. */
async function observed<T extends { readonly observed: Observed }>(
  role: 'coordinator' | 'worker',
  { listen, log }: { readonly listen: string | null; readonly log: Log },
  start: (options: { readonly meter?: Meter }) => Promise<T>,
): Promise<readonly [T, Status | null]> {
  if (listen === null) return [await start({}), null];
  const { openStatus } = await import('./telemetry/status.ts');
  const status = await openStatus(role, listen);
  const { host, port } = status;
  log.info({ host, port }, `status at http://${host.includes(':') ? `[${host}]` : host}:${port}`);
  try {
    const service = await start({ meter: status.meter });
    status.observe(service.observed);
    return [service, status];
  } catch (error) {
    await status[Symbol.asyncDispose]();
    throw error;
  }
}

/** With the environment's root, address and log where the options name none. */
function settled<O extends ProcessOptions>(
  options: O,
): Omit<O, 'listen'> & { readonly storage: string; readonly listen: string | null; readonly log: Log } {
  const config = readConfig(process.env);
  const storage = options.storage ?? config.storage;
  if (storage === null) {
    throw new SkewflowError(
      'UsageError',
      'which storage root? Give `--storage file:///path` or `s3://bucket/prefix` (or SKEWFLOW_STORAGE) that coordinators and workers all see',
    );
  }
  const listen = options.listen ?? config.listen;
  return { ...options, storage, listen, log: options.log ?? logTo(config.logLevel) };
}
