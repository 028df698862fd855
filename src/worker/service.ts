/**
 * What does a worker do all day? Leases seats, one after another and one a device, serves each run to its end, and gives
 * everything back when it is asked to end.
 *
 *   lane of a device:  lease ─▶ open the job ─▶ serve ─▶ lease …
 *                        └─▶ (drain) ─▶ ended        └─▶ (device failed for the third time) ─▶ quarantined
 */
import { randomUUID } from 'node:crypto';
import { availableParallelism, hostname, totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { readConfig } from '../config.ts';
import { connect, type RedisOptions } from '../connect.ts';
import { isSkewflowError, SkewflowError } from '../errors.ts';
import type { Seat } from '../exchange/exchange.ts';
import type { Connected } from '../exchange/redis/connect.ts';
import { type Log, logAbout } from '../log.ts';
import { type WorkerId, workerIdOf } from '../protocol.ts';
import { openRoot, type Root } from '../storage/root.ts';
import { type Meter, silent } from '../telemetry/meter.ts';
import type { Observed } from '../telemetry/status.ts';
import type { Means } from './assignment.ts';
import { type ChoiceOptions, chooseStations, type EngineChoice, type Station } from './engine/discover.ts';
import { type OpenedJob, openJob } from './opened-job.ts';
import { Programs } from './programs.ts';
import { SeatMeters } from './seat-meter.ts';
import { seatLostCode, serve } from './worker.ts';

/** How a worker goes about it. Nothing here reaches the numbers. */
export interface WorkerServiceOptions extends RedisOptions {
  /** The root that coordinators and workers share: `file:///path`, a path, or `s3://bucket/prefix`. */
  readonly storage: string;
  /** Folders and `s3://` places whose files a submitted job may name. Default: none. */
  readonly roots?: readonly string[];
  /** Hosts that a submitted job's URLs may lie on. Default: none. */
  readonly allowHosts?: readonly string[];
  /** What computes. Default `auto`: every hardware GPU, else WASM. */
  readonly engine?: EngineChoice;
  /** Numbers of the GPUs to use, as `devices` lists them. Default: every hardware GPU. */
  readonly devices?: readonly number[];
  /** Threads to compute with, over all devices. Default: `SKEWFLOW_THREADS`, else one per core. */
  readonly threads?: number;
  /** Bytes that jobs may take. Default: three quarters of the machine's memory. */
  readonly memoryBytes?: number;
  /** End when no seat was held for so long, while Redis answered. Default: never. */
  readonly idleMs?: number;
  /** Tries a device before it takes seats; what is wrong with it, or null. Default: the first run finds out. */
  readonly examine?: (station: Station) => Promise<string | null>;
  /** What is counted, where somebody listens. Default: silent. */
  readonly meter?: Meter;
  readonly log: Log;
}

/** How long leaves of one wave take: what another seat that is idle may wait for. */
const waveMs = 1000;
/** How long a drain waits for what was begun, and then for the connection to close. */
const drainMs = 15_000;
const closeMs = 3000;
/** Failures of a device in a row after which it is left alone. */
const failuresMax = 3;
/** Between two looks at whether anything is held. */
const idleLookMs = 250;
/** After a run that could not be served: this, doubled with each in a row. */
const againMs = 500;
const againMsMax = 30_000;

/**
 * A worker: serves runs on every device it was given.
 *
 * Disposing of it drains: what was begun is finished and posted, seats are given back, within 20 seconds.
 *
 * @example
 * await using worker = await WorkerService.start({ storage: 'file:///mnt/skewflow', log });
 * await worker.ended;
 */
export class WorkerService implements AsyncDisposable {
  /** Resolves when no device is served any more: drained, or each of them quarantined. */
  readonly ended: Promise<'drained' | 'quarantined'>;
  readonly #id: WorkerId;
  readonly #connected: Connected;
  readonly #root: Root;
  readonly #options: WorkerServiceOptions;
  readonly #means: Means;
  readonly #drain = new AbortController();
  readonly #stop = new AbortController();
  readonly #meters: SeatMeters;
  readonly #programs = new Programs();
  /** Numbers of the devices that are served. */
  readonly #serving: Set<number>;

  private constructor(
    connected: Connected,
    root: Root,
    options: WorkerServiceOptions,
    means: Means,
    stations: { readonly all: number; readonly sound: readonly number[] },
  ) {
    this.#id = workerIdOf(hostname(), process.pid, randomUUID().slice(0, 8));
    this.#connected = connected;
    this.#root = root;
    this.#options = options;
    this.#means = means;
    this.#meters = new SeatMeters(options.meter ?? silent);
    this.#serving = new Set(stations.sound);
    this.ended = Promise.all(stations.sound.map((lane) => this.#serveLane(lane, stations.all))).then(
      (ends) => (ends.every((end) => end === 'quarantined') ? 'quarantined' : 'drained'),
    );
    if (options.idleMs !== undefined) void this.#endWhenIdle(options.idleMs);
  }

  /**
   * Connect and begin.
   *
   * @throws UsageError, OutOfReachError when Redis or the root cannot be used; NoDeviceError when nothing can compute here
   */
  static async start(options: WorkerServiceOptions): Promise<WorkerService> {
    const { log } = options;
    const root = await openRoot(options.storage, readConfig(process.env).s3);
    const means: Means = {
      engine: options.engine ?? 'auto',
      threads: options.threads ?? readConfig(process.env).threads ?? availableParallelism(),
      memoryBytes: options.memoryBytes ?? Math.floor(totalmem() * 0.75),
    };
    const stations = await stationsFor('f32', means, options);
    const sound = await soundOf(stations, options);
    const connected = await connect(options, Number.POSITIVE_INFINITY, log);
    const worker = new WorkerService(connected, root, options, means, { all: stations.length, sound });
    const facts = {
      worker: worker.#id,
      root: root.url,
      devices: sound.map((lane) => (stations[lane] as Station).name).join(', '),
    };
    log.info(facts, `worker ready: ${facts.devices}, ${means.threads} threads`);
    return worker;
  }

  /** What is shown of it: alive while a device is served, ready while Redis answers as well and it takes seats. */
  get observed(): Observed {
    const { vitals } = this.#connected;
    return {
      live: () =>
        this.#serving.size > 0 || this.#drain.signal.aborted
          ? { ok: true, detail: `serves ${this.#serving.size} devices` }
          : { ok: false, detail: 'every device is quarantined' },
      ready: () => {
        const awayMs = vitals.unreachableMs();
        if (awayMs > 0) return { ok: false, detail: `redis: unreachable for ${Math.ceil(awayMs / 1000)} s` };
        if (this.#drain.signal.aborted) return { ok: false, detail: 'draining' };
        return this.#serving.size > 0
          ? { ok: true, detail: `redis: answers; devices: ${this.#serving.size}` }
          : { ok: false, detail: 'every device is quarantined' };
      },
      store: vitals,
    };
  }

  /** Stop at once: what is being computed is given up, and other workers do it again. */
  abort(): void {
    this.#drain.abort();
    this.#stop.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { log } = this.#options;
    if (!this.#drain.signal.aborted) log.info({ worker: this.#id }, 'draining');
    this.#drain.abort();
    await Promise.race([this.ended, sleep(drainMs + 1000, undefined, { ref: false })]);
    this.#stop.abort();
    await Promise.race([this.#connected[Symbol.asyncDispose](), sleep(closeMs, undefined, { ref: false })]);
    log.info({ worker: this.#id }, 'worker ended');
  }

  // --- one device -----------------------------------------------------------------------------------------

  /** Serve runs on one device until the end. */
  async #serveLane(lane: number, lanes: number): Promise<'drained' | 'quarantined'> {
    const { log } = this.#options;
    const signal = this.#drain.signal;
    let failures = 0;
    for (let inARow = 0; !signal.aborted; ) {
      const seat = await this.#lease(signal);
      if (seat === null) continue;
      const error = await this.#serveSeat(seat, lane, lanes);
      failures = isSkewflowError(error, 'DeviceError') ? failures + 1 : 0;
      if (failures >= failuresMax) {
        log.error({ worker: this.#id, lane }, `quarantined: the device failed ${failures} times in a row`);
        this.#serving.delete(lane);
        return 'quarantined';
      }
      inARow = error === null || isSeatLost(error) ? 0 : inARow + 1;
      if (inARow > 0)
        await sleep(Math.min(againMsMax, againMs * 2 ** inARow), undefined, { signal }).catch(() => {});
    }
    return 'drained';
  }

  async #lease(signal: AbortSignal): Promise<Seat | null> {
    try {
      return await this.#connected.exchange.lease(signal);
    } catch (error) {
      if (!signal.aborted) {
        this.#options.log.warn({ worker: this.#id }, `no seat leased, retrying: ${String(error)}`);
        await sleep(againMs, undefined, { signal }).catch(() => {});
      }
      return null;
    }
  }

  /** Drain when no seat was held for so long; an outage of Redis is no reason to go. */
  async #endWhenIdle(idleMs: number): Promise<void> {
    const { log } = this.#options;
    const { signal } = this.#drain;
    for (let busyAt = performance.now(); !signal.aborted; ) {
      await sleep(Math.min(idleLookMs, idleMs), undefined, { signal, ref: false }).catch(() => {});
      if (this.#meters.seats > 0 || this.#connected.vitals.unreachableMs() > 0) busyAt = performance.now();
      if (performance.now() - busyAt < idleMs) continue;
      log.info({ worker: this.#id }, `no seat for ${idleMs / 1000} s: draining`);
      this.#drain.abort();
    }
  }

  /** Serve the run of a seat; what went wrong, or null. */
  async #serveSeat(seat: Seat, lane: number, lanes: number): Promise<unknown> {
    const { roots = [], allowHosts = [] } = this.#options;
    const reach = { root: this.#root, roots, allowHosts, s3: readConfig(process.env).s3 };
    const { run } = seat.sheet;
    const log = logAbout(this.#options.log, { run, seat: seat.id });
    const meter = this.#meters.begin(run, seat.id);
    const threads = Math.max(1, Math.floor(this.#means.threads / lanes));
    const memoryBytes = Math.floor(this.#means.memoryBytes / lanes);
    let job: OpenedJob | null = null;
    let outcome: unknown = null;
    log.info({ worker: this.#id }, `serving run ${run}`);
    try {
      outcome = await serve(seat, {
        exchange: this.#connected.exchange,
        worker: this.#id,
        threads,
        log,
        signal: this.#stop.signal,
        drain: this.#drain.signal,
        drainMs,
        waveMs,
        beatMs: 1000,
        waits: () => job?.waits() ?? null,
        onWork: (work) => meter.worked(work),
        onAnswered: (answered) => {
          const { number, phase, leaf } = answered;
          log.debug({ iteration: number + 1, phase, shard: leaf }, `answered ${leaf}`);
          meter.answered(answered);
        },
        open: async ({ jobDigest }) => {
          const order = await this.#connected.register.order(run);
          // A Redis that lost everything is told of the seats again before it is told of the run.
          if (order === null) throw new SkewflowError('OutOfReachError', `run ${run} is not in Redis`);
          if (order.jobDigest !== jobDigest)
            throw new SkewflowError('ProtocolError', `run ${run} is that of another job in the register`);
          const engine = engineFor(order.engine, this.#means.engine);
          const means = { engine, threads, memoryBytes };
          const programs = this.#programs;
          job = await openJob(order, { ...reach, means, programs, log, signal: this.#stop.signal });
          return job.assignment;
        },
        engine: async () => {
          if (job === null) throw new SkewflowError('ProtocolError', 'the job is opened before its engine');
          const options = {
            ...this.#options,
            log,
            onRestart: (code: string) => this.#meters.restarted(code),
          };
          const stations = await stationsFor(job.precision, job.means, options);
          return (stations[lane % stations.length] as Station).open();
        },
      });
      if (isSeatLost(outcome)) log.warn({ worker: this.#id }, 'seat lost while silent: taking one anew');
      return outcome;
    } finally {
      meter.end(outcome);
      await (job as OpenedJob | null)?.close();
    }
  }
}

/** One station a device, each engine in a process of its own: this one keeps talking to Redis. */
function stationsFor(
  precision: 'f32' | 'f64',
  { engine, threads, memoryBytes }: Means,
  { devices, log, onRestart }: Pick<ChoiceOptions, 'onRestart'> & WorkerServiceOptions,
): Promise<readonly Station[]> {
  return chooseStations(engine, {
    precision,
    threads,
    memoryBytes,
    isolated: true,
    log,
    onWarning: (sentence) => log.warn({}, sentence),
    ...(devices === undefined ? {} : { devices }),
    ...(onRestart === undefined ? {} : { onRestart }),
  });
}

/**
 * Numbers of the devices that pass their examination; all of them where there is none.
 *
 * @throws NoDeviceError when none passes
 */
async function soundOf(
  stations: readonly Station[],
  { examine, log }: WorkerServiceOptions,
): Promise<readonly number[]> {
  if (examine === undefined) return stations.map((_, lane) => lane);
  const sound: number[] = [];
  const wrongs: string[] = [];
  // One after another: devices of one machine share its memory and its cores.
  for (const [lane, station] of stations.entries()) {
    const wrong = await examine(station);
    if (wrong === null) sound.push(lane);
    else wrongs.push(`${station.name}: ${wrong}`);
  }
  for (const wrong of wrongs) log.error({}, `not used: ${wrong}`);
  if (sound.length === 0) throw new SkewflowError('NoDeviceError', wrongs.join('; '));
  return sound;
}

/**
 * What a job asks for, where this worker has it.
 *
 * @throws NoDeviceError when the worker was told to use another engine
 */
function engineFor(wanted: EngineChoice, own: EngineChoice): EngineChoice {
  if (wanted === 'auto' || wanted === own) return own;
  if (own === 'auto') return wanted;
  throw new SkewflowError(
    'NoDeviceError',
    `the job asks for ${wanted}, and this worker was started with ${own}`,
  );
}

function isSeatLost(error: unknown): boolean {
  return isSkewflowError(error) && error.details['code'] === seatLostCode;
}
