/**
 * How does a worker earn its keep? Leases a seat, reads its shards' rows, answers what is asked of them, and writes the
 * N-sized results of its rows in place.
 *
 *   lease ─▶ join ─▶ look ─▶ (assigned and unanswered leaves) ─▶ a wave of them: bind ─▶ evaluate ─▶ rows, post ─▶ look …
 *                      ├─▶ (draining, or the run has ended) ─▶ leave
 *                      └─▶ (dismissed, or the seat is lost) ─▶ leave
 *
 * Between two waves the plan is read again, so a leaf that was not begun may go to another seat at any time.
 */
import { invariant, SkewflowError } from '../errors.ts';
import { errorOf, reportOf } from '../exchange/error-report.ts';
import type { Exchange, RunView, Seat } from '../exchange/exchange.ts';
import type { Grid, Program } from '../kernels/sweep/program.ts';
import type { Log } from '../log.ts';
import type { ShardRange } from '../partition/plan.ts';
import {
  type Iteration,
  type LeafName,
  type Posting,
  protocolVersion,
  type RunSheet,
  type WorkerId,
} from '../protocol.ts';
import { version } from '../version.ts';
import type {
  Engine,
  Evaluation,
  EvaluationPlan,
  EvaluationSink,
  Partial,
  Reals,
  Session,
} from './engine/engine.ts';
import { Outbox } from './outbox.ts';
import { keyOf, Outlook, superseded } from './outlook.ts';
import { Pace } from './pace.ts';
import type { RowStore } from './rows.ts';

/** A run as a worker holds it: the job read, compiled and cut into shards, the same on every worker. */
export interface Assignment {
  readonly program: Program;
  readonly shards: readonly ShardRange[];
  /** Where everything happens in time: the job's own grid, or that of the steps the sources accepted. */
  readonly gridOf: (times: Float64Array | null) => Grid;
  readonly planOf: (grid: Grid) => EvaluationPlan;
  /** Every tracer field and tracer `with` array of these rows, as `Session.bind` wants them. */
  readonly readRows: (shard: ShardRange) => Promise<ReadonlyMap<string, Reals>>;
  /** Bytes of one row of them. */
  readonly rowBytes: number;
  /** Bytes of rows that may be resident at once; more is read again every iteration. */
  readonly residentBytesMax: number | ((grid: Grid) => number);
  readonly rows: RowStore;
}

export interface WorkerOptions {
  readonly exchange: Exchange;
  readonly engine: (work: Assignment) => Promise<Engine>;
  readonly open: (sheet: RunSheet) => Promise<Assignment>;
  readonly worker: WorkerId;
  readonly threads: number;
  readonly log: Log;
  /** Aborting stops the work at once and gives the seat up. */
  readonly signal: AbortSignal;
  /** Aborting ends the work after the leaves that were begun: they are posted, and the seat is given up. Default: never. */
  readonly drain?: AbortSignal;
  /**
   * How long the leaves of one wave may take together, about: leaves that are not in it may go to another seat.
   * Default: no limit, which is as fast as it gets where nobody else is.
   */
  readonly waveMs?: number;
  /** Shortest time between two beats that say how far the work is. Default 100. */
  readonly beatMs?: number;
}

/** A seat that says nothing is taken for dead; this one speaks at least so often, whatever it does. */
const aliveMs = 1000;
const never = new AbortController().signal;

/**
 * Serve one run, from lease to end.
 *
 * @returns what the worker could not go on for: it goes to the coordinator too, and the seat is given up; null: nothing
 */
export async function serveOneRun(options: WorkerOptions): Promise<unknown> {
  const { exchange, signal, drain = never } = options;
  return serve(await exchange.lease(AbortSignal.any([signal, drain])), options);
}

/** Serve the run of a seat that was leased; as `serveOneRun`. */
export async function serve(seat: Seat, options: WorkerOptions): Promise<unknown> {
  const facts = { run: seat.sheet.run, seat: seat.id };
  const { log, signal } = options;
  try {
    await using service = await Service.begin(seat, options);
    await service.work();
    await seat.leave(null);
    return null;
  } catch (error) {
    if (!signal.aborted) log.error(facts, String(error));
    // Where the store is away nobody hears it: the lease ends by itself.
    await seat
      .leave(reportOf(error))
      .catch((cause: unknown) => log.warn(facts, `not told: ${String(cause)}`));
    return error;
  }
}

/** One seat at work: the engine, the program on it, and which shards are resident. */
class Service implements AsyncDisposable {
  readonly #seat: Seat;
  readonly #options: WorkerOptions;
  readonly #work: Assignment;
  readonly #engine: Engine;
  readonly #pace: Pace;
  readonly #alive: NodeJS.Timeout;
  readonly #resident = new Set<number>();
  /** Leaves answered in the phase that `#asked` names. */
  readonly #answered = new Set<LeafName>();
  #asked = '';
  #loaded: Loaded | null = null;
  #blocks = 0;

  private constructor(seat: Seat, options: WorkerOptions, work: Assignment, engine: Engine) {
    this.#seat = seat;
    this.#options = options;
    this.#work = work;
    this.#engine = engine;
    this.#pace = new Pace(options.waveMs ?? Number.POSITIVE_INFINITY, options.threads);
    this.#alive = setInterval(() => void this.#beat().catch(() => {}), aliveMs).unref();
  }

  /** Read the job and start the engine, then take the seat. */
  static async begin(seat: Seat, options: WorkerOptions): Promise<Service> {
    const work = await options.open(seat.sheet);
    const engine = await options.engine(work);
    const { name, numerics } = engine;
    const { worker, threads } = options;
    await seat.join({ protocolVersion, seat: seat.id, worker, version, engine: name, numerics, threads });
    return new Service(seat, options, work, engine);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#alive);
    await this.#loaded?.session[Symbol.asyncDispose]();
    await this.#engine[Symbol.asyncDispose]();
  }

  /** Answer whatever is asked, until nothing will be any more. */
  async work(): Promise<void> {
    const { signal, drain = never } = this.#options;
    await using outlook = await Outlook.of(this.#seat, signal);
    for (let view = outlook.view; ; view = outlook.view) {
      if (view.dismissed !== null) throw errorOf(view.dismissed);
      if (view.end !== null || drain.aborted) return;
      const wave = this.#wave(view);
      if (view.iteration !== null && wave.length > 0) await this.#answer(view.iteration, wave, outlook);
      else await outlook.after(view, drain);
    }
  }

  /** The next leaves that the plan gives this seat and that it has not answered: as many as the pace and the memory allow. */
  #wave({ iteration, plan }: RunView): readonly LeafName[] {
    if (iteration === null) return [];
    const asked = keyOf(iteration);
    if (asked !== this.#asked) this.#answered.clear();
    this.#asked = asked;
    const open = (plan?.leaves.get(this.#seat.id) ?? []).filter((leaf) => !this.#answered.has(leaf));
    return this.#together(open.slice(0, this.#pace.leaves(iteration.phase)));
  }

  /** The first of these leaves, as many as may be resident together. */
  #together(leaves: readonly LeafName[]): readonly LeafName[] {
    let bytes = 0;
    const beyond = leaves.findIndex((leaf) => {
      const before = bytes;
      bytes += leaf === 'sources' ? 0 : this.#bytesOf(leaf);
      return before > 0 && bytes > this.#residentBytesMax;
    });
    return beyond < 0 ? leaves : leaves.slice(0, beyond);
  }

  /** Answer a wave of leaves; stop when the coordinator wants something else. */
  async #answer(iteration: Iteration, wave: readonly LeafName[], outlook: Outlook): Promise<void> {
    using asked = outlook.asked(iteration);
    const signal = AbortSignal.any([this.#options.signal, asked.signal]);
    try {
      const loaded = await this.#load(iteration);
      await this.#bind(loaded, wave, signal);
      const begun = performance.now();
      await this.#evaluate(loaded, iteration, wave, signal);
      this.#pace.took(iteration.phase, wave.length, performance.now() - begun);
    } catch (error) {
      if (asked.signal.reason !== superseded) throw error;
    }
  }

  /** The program on the device; loaded at the first iteration, because only then the grid is known. */
  async #load({ times }: Iteration): Promise<Loaded> {
    if (this.#loaded !== null) return this.#loaded;
    const grid = this.#work.gridOf(times);
    const session = await this.#engine.load(this.#work.program, this.#work.planOf(grid));
    this.#loaded = { session, grid };
    return this.#loaded;
  }

  get #residentBytesMax(): number {
    const { residentBytesMax: most } = this.#work;
    if (typeof most === 'number') return most;
    // Before the first iteration nothing is resident.
    return this.#loaded === null ? 0 : most(this.#loaded.grid);
  }

  #bytesOf(leaf: number): number {
    const { begin, end } = this.#shard(leaf);
    return (end - begin) * this.#work.rowBytes;
  }

  #shard(leaf: number): ShardRange {
    const shard = this.#work.shards[leaf];
    invariant(shard !== undefined, 'coordinator and worker cut the same job into the same shards');
    return shard;
  }

  /** Make the wave's shards resident; others go when there is no room for both. */
  async #bind({ session }: Loaded, wave: readonly LeafName[], signal: AbortSignal): Promise<void> {
    const wanted = wave.filter((leaf) => leaf !== 'sources');
    const missing = wanted.filter((leaf) => !this.#resident.has(leaf));
    const together = [...this.#resident, ...missing].reduce((bytes, leaf) => bytes + this.#bytesOf(leaf), 0);
    if (together > this.#residentBytesMax) {
      for (const leaf of [...this.#resident].filter((held) => !wanted.includes(held))) {
        await session.release(leaf);
        this.#resident.delete(leaf);
      }
    }
    for (const leaf of missing) {
      signal.throwIfAborted();
      const shard = this.#shard(leaf);
      await session.bind(shard, await this.#work.readRows(shard));
      this.#resident.add(leaf);
    }
  }

  async #evaluate(
    { session, grid }: Loaded,
    iteration: Iteration,
    leaves: readonly LeafName[],
    signal: AbortSignal,
  ): Promise<void> {
    const { fields, sums, seeds, rows, phase } = iteration;
    const halt = new AbortController();
    const outbox = new Outbox(
      this.#work.rows,
      (partials) => this.#post(iteration, partials),
      (error) => halt.abort(error),
    );
    const { beatMs = 100 } = this.#options;
    let beaten = performance.now();
    const request: Evaluation = {
      inputs: { grid, fields },
      leaves,
      want: phase === 'gradient' ? 'gradient' : 'sums',
      seeds,
      sums,
      rows,
    };
    const sink: EvaluationSink = {
      partial: (partial) => outbox.put(partial),
      rows: (data) => outbox.write(data),
      progress: (blocks) => {
        this.#blocks += blocks;
        if (performance.now() - beaten < beatMs) return;
        beaten = performance.now();
        outbox.next(() => this.#beat());
      },
    };
    try {
      await session.evaluate(request, sink, AbortSignal.any([signal, halt.signal]));
    } catch (error) {
      // Rows that could not be written stop the evaluation, and are what the user should hear of.
      halt.signal.throwIfAborted();
      throw error;
    }
    // The last answer goes out after the last count, so that whoever hears that a phase is complete knows its pairs.
    outbox.next(() => this.#beat());
    await outbox.empty();
  }

  async #beat(): Promise<void> {
    const counted = this.#loaded?.session.counters().pairs.values() ?? [];
    const pairs = [...counted].reduce((sum, count) => sum + count, 0);
    await this.#seat.beat({ protocolVersion, seat: this.#seat.id, blocks: this.#blocks, pairs });
  }

  async #post(
    { run, number, phase, parameterDigest }: Iteration,
    partials: readonly Partial[],
  ): Promise<void> {
    const question = { number, phase, parameterDigest, copy: 0 } as const;
    const envelope = { protocolVersion, run, seat: this.#seat.id, ...question } as const;
    for (const { leaf } of partials) this.#answered.add(leaf);
    const receipts = await this.#seat.post(
      partials.map(({ leaf, ...answer }): Posting => ({ ...envelope, leaf, answer })),
    );
    if (receipts.includes('fenced')) throw seatLost();
  }
}

/** The program on the device, and where it happens in time. */
interface Loaded {
  readonly session: Session;
  readonly grid: Grid;
}

/** This worker was silent for so long that its leaves went to others: it stops, and may take a seat anew. */
function seatLost(): SkewflowError {
  return new SkewflowError('AbortedError', 'the seat was lost while this worker was silent', {
    code: 'SEAT_LOST',
  });
}
