/**
 * What does a coordinator do all day? Takes runs from the queue and those whose coordinator fell silent, carries several at
 * once, gives back to the queue what a Redis forgot, and hands over what it carries when it is asked to end.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type RedisOptions } from '../connect.ts';
import type { Connected } from '../exchange/redis/connect.ts';
import type { Charge } from '../exchange/register.ts';
import { type AdmissionLimits, defaultAdmission } from '../job/admission.ts';
import type { Log } from '../log.ts';
import { openRoot, type Root } from '../storage/root.ts';
import { type Meter, silent } from '../telemetry/meter.ts';
import type { Observed } from '../telemetry/status.ts';
import { carry, type Means } from './carry.ts';
import type { Rules } from './rules.ts';
import { RunMeters } from './run-meter.ts';
import { Spool } from './spool.ts';

/** How a coordinator goes about it. */
export interface CoordinatorServiceOptions extends RedisOptions {
  /** The root that coordinators and workers share: `file:///path`, or a path. */
  readonly storage: string;
  /** Folders whose files a submitted job may name; the workers' `roots`. Default: none. */
  readonly roots?: readonly string[];
  /** Runs that are carried at once; others wait in the queue. Default 32. */
  readonly runsMax?: number;
  /** What a job may ask for. Default: 10¹⁸ pairs and 2⁵⁰ bytes. */
  readonly admission?: AdmissionLimits;
  /** Limits of patience, for drills. */
  readonly rules?: Partial<Rules>;
  readonly log: Log;
  /** What is counted, where somebody listens. Default: silent. */
  readonly meter?: Meter;
}

/** Between two looks at whether the store still knows what was accepted. */
const requeueMs = 5000;
/** Between two tries to take a run from a store that does not answer. */
const againMs = 1000;
/** How long an end waits for runs to be handed over, and then for the connection to close. */
const handOverMs = 15_000;
const closeMs = 3000;
/** Out of reach for so long, Redis is told nothing more by a coordinator that ends. */
const awayMs = 2000;
/** Between two looks at that. */
const awayLookMs = 200;

/**
 * A coordinator. Several may run: each run has one at a time.
 *
 * Disposing of it hands its runs over, with a checkpoint each, and returns within 20 seconds; within 6 or so when Redis is away, as
 * soon as the checkpoints are kept.
 *
 * @example
 * await using coordinator = await CoordinatorService.start({ storage: 'file:///mnt/skewflow', log });
 */
export class CoordinatorService implements AsyncDisposable {
  readonly #connected: Connected;
  readonly #log: Log;
  readonly #meters: RunMeters;
  readonly #stop = new AbortController();
  readonly #carried = new Map<string, Promise<void>>();
  readonly #working: Promise<unknown>;

  private constructor(connected: Connected, root: Root, options: CoordinatorServiceOptions) {
    const { roots = [], admission = defaultAdmission, rules = {}, log, runsMax = 32 } = options;
    const { exchange, register } = connected;
    this.#connected = connected;
    this.#log = log;
    this.#meters = new RunMeters(options.meter ?? silent);
    const means: Means = {
      exchange,
      register,
      root,
      roots,
      admission,
      rules,
      log,
      meters: this.#meters,
      handOver: this.#stop.signal,
      away: () => this.#away(),
    };
    this.#working = Promise.all([this.#takeRuns(means, runsMax), this.#requeue(means)]);
  }

  /**
   * Connect and begin.
   *
   * @throws UsageError, OutOfReachError when Redis or the root cannot be used
   */
  static async start(options: CoordinatorServiceOptions): Promise<CoordinatorService> {
    const root = await openRoot(options.storage);
    const connected = await connect(options, Number.POSITIVE_INFINITY, options.log);
    if (root.nodeLocal !== null) {
      const text = `${root.url}: ${root.nodeLocal}: no takeover by another node`;
      options.log.warn({ root: root.url }, text);
    }
    options.log.info({ root: root.url }, 'coordinator ready');
    return new CoordinatorService(connected, root, options);
  }

  /** Runs that are carried now. */
  get runs(): readonly string[] {
    return [...this.#carried.keys()];
  }

  /** What is shown of it: alive while its event loop turns, ready while Redis answers and it takes runs. */
  get observed(): Observed {
    const { vitals } = this.#connected;
    return {
      live: () => ({ ok: true, detail: `carries ${this.#carried.size} runs` }),
      ready: () => {
        const awayMs = vitals.unreachableMs();
        if (awayMs > 0) return { ok: false, detail: `redis: unreachable for ${Math.ceil(awayMs / 1000)} s` };
        return this.#stop.signal.aborted
          ? { ok: false, detail: 'handing over' }
          : { ok: true, detail: 'redis: answers' };
      },
      store: vitals,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#log.info({ runs: this.#carried.size }, 'handing over');
    this.#stop.abort();
    const idle = Promise.race([this.#working, this.#away()]);
    await Promise.race([Promise.all([idle, ...this.#carried.values()]), sleep(handOverMs)]);
    await Promise.race([this.#connected[Symbol.asyncDispose](), sleep(closeMs)]);
    this.#log.info({}, 'coordinator ended');
  }

  async #away(): Promise<void> {
    const { vitals } = this.#connected;
    while (vitals.unreachableMs() < awayMs) await sleep(awayLookMs, undefined, { ref: false });
  }

  async #takeRuns(means: Means, runsMax: number): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        while (this.#carried.size >= runsMax) await Promise.race(this.#carried.values());
        this.#begin(await means.register.take(signal), means);
      } catch (error) {
        if (signal.aborted) return;
        this.#log.warn({}, `no run taken, retrying: ${String(error)}`);
        await sleep(againMs, undefined, { signal }).catch(() => {});
      }
    }
  }

  #begin(charge: Charge, means: Means): void {
    const { order, epoch, resumed } = charge;
    const facts = { run: order.run, name: order.name, epoch, resumed };
    this.#log.info(facts, `${resumed ? 'taking over' : 'taking'} run ${order.run}`);
    const before = this.#carried.get(order.run) ?? Promise.resolve();
    const carrying = before.then(() => carry(charge, means));
    this.#carried.set(order.run, carrying);
    this.#meters.carried(this.#carried.size);
    void carrying.finally(() => {
      if (this.#carried.get(order.run) === carrying) this.#carried.delete(order.run);
      this.#meters.carried(this.#carried.size);
    });
  }

  /** What was accepted and the store does not know any more is submitted again. */
  async #requeue({ register, root }: Means): Promise<void> {
    const { signal } = this.#stop;
    const spool = new Spool(root);
    while (!signal.aborted) {
      try {
        for (const order of await spool.open()) {
          if (this.#carried.has(order.run) || (await register.status(order.run)) !== null) continue;
          await register.submit(order, null);
          this.#meters.noticed('STATE_LOST');
          this.#log.warn({ run: order.run, code: 'STATE_LOST' }, `re-queued from the spool: ${order.run}`);
        }
      } catch (error) {
        this.#log.debug({}, `spool not compared: ${String(error)}`);
      }
      await sleep(requeueMs, undefined, { signal }).catch(() => {});
    }
  }
}
