/**
 * How does a worker earn its keep? Leases a seat, reads its shards' rows, answers what is asked of them, and writes the
 * N-sized results of its rows in place.
 *
 *   lease ─▶ join ─▶ watch ─▶ (assigned and unanswered leaves) ─▶ bind ─▶ evaluate ─▶ write rows, beat, post ─▶ watch …
 *                      └─▶ (the run has ended) ─▶ leave
 */
import { invariant } from '../errors.ts';
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
  readonly residentBytesMax: number;
  readonly rows: RowStore;
}

export interface WorkerOptions {
  readonly exchange: Exchange;
  readonly engine: () => Promise<Engine>;
  readonly open: (sheet: RunSheet) => Promise<Assignment>;
  readonly worker: WorkerId;
  readonly threads: number;
  readonly log: Log;
  /** Aborting stops the work at once and gives the seat up. */
  readonly signal: AbortSignal;
}

/** Shortest time between two beats: progress, not a torrent. */
const beatMs = 100;

/**
 * Serve one run, from lease to end.
 *
 * An error of the work does not reject: it goes to the coordinator, and the seat is given up.
 */
export async function serveOneRun(options: WorkerOptions): Promise<void> {
  const seat = await options.exchange.lease(options.signal);
  try {
    await using service = await Service.begin(seat, options);
    for (let view = await seat.watch(-1, options.signal); view.end === null; ) {
      if (view.dismissed !== null) throw errorOf(view.dismissed);
      const leaves = service.unanswered(view);
      if (view.iteration !== null && leaves.length > 0) await service.answer(view.iteration, leaves);
      view = await seat.watch(view.stamp, options.signal);
    }
    await seat.leave(null);
  } catch (error) {
    if (!options.signal.aborted) options.log.error({ run: seat.sheet.run, seat: seat.id }, String(error));
    await seat.leave(reportOf(error));
  }
}

/** One seat at work: the engine, the program on it, and which shards are resident. */
class Service implements AsyncDisposable {
  readonly #seat: Seat;
  readonly #options: WorkerOptions;
  readonly #work: Assignment;
  readonly #engine: Engine;
  readonly #resident = new Set<number>();
  /** Leaves answered in the phase that `#asked` names. */
  readonly #answered = new Set<LeafName>();
  #asked = '';
  #loaded: { readonly session: Session; readonly grid: Grid } | null = null;
  #blocks = 0;

  private constructor(seat: Seat, options: WorkerOptions, work: Assignment, engine: Engine) {
    this.#seat = seat;
    this.#options = options;
    this.#work = work;
    this.#engine = engine;
  }

  /** Read the job and start the engine, side by side, then take the seat. */
  static async begin(seat: Seat, options: WorkerOptions): Promise<Service> {
    const [work, engine] = await Promise.all([options.open(seat.sheet), options.engine()]);
    const { name, numerics } = engine;
    const { worker, threads } = options;
    await seat.join({ protocolVersion, seat: seat.id, worker, version, engine: name, numerics, threads });
    return new Service(seat, options, work, engine);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loaded?.session[Symbol.asyncDispose]();
    await this.#engine[Symbol.asyncDispose]();
  }

  /** The leaves that the plan gives this seat and that it has not answered. */
  unanswered({ iteration, plan }: RunView): readonly LeafName[] {
    if (iteration === null) return [];
    const asked = keyOf(iteration);
    if (asked !== this.#asked) this.#answered.clear();
    this.#asked = asked;
    return (plan?.leaves.get(this.#seat.id) ?? []).filter((leaf) => !this.#answered.has(leaf));
  }

  /** Answer these leaves, as many at a time as may be resident; stop when the coordinator wants something else. */
  async answer(iteration: Iteration, leaves: readonly LeafName[]): Promise<void> {
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#options.signal, stop.signal]);
    const watching = this.#stopWhenSuperseded(iteration, stop, signal);
    try {
      const { session, grid } = await this.#load(iteration);
      for (const wave of this.#waves(leaves)) {
        await this.#bind(session, wave, signal);
        await this.#evaluate(session, grid, iteration, wave, signal);
      }
    } catch (error) {
      if (stop.signal.reason !== superseded) throw error;
    } finally {
      stop.abort(null);
      await watching;
    }
  }

  async #stopWhenSuperseded(iteration: Iteration, stop: AbortController, signal: AbortSignal): Promise<void> {
    try {
      for (let stamp = -1; !signal.aborted; ) {
        const view = await this.#seat.watch(stamp, signal);
        stamp = view.stamp;
        const current =
          view.end === null &&
          view.dismissed === null &&
          view.iteration !== null &&
          keyOf(view.iteration) === keyOf(iteration);
        if (!current) stop.abort(superseded);
      }
    } catch (error) {
      if (!signal.aborted) stop.abort(error);
    }
  }

  /** The program on the device; loaded at the first iteration, because only then the grid is known. */
  async #load({ times }: Iteration): Promise<{ readonly session: Session; readonly grid: Grid }> {
    if (this.#loaded !== null) return this.#loaded;
    const grid = this.#work.gridOf(times);
    const session = await this.#engine.load(this.#work.program, this.#work.planOf(grid));
    this.#loaded = { session, grid };
    return this.#loaded;
  }

  /** Consecutive leaves whose rows may be resident together. */
  #waves(leaves: readonly LeafName[]): readonly (readonly LeafName[])[] {
    const waves: LeafName[][] = [[]];
    let bytes = 0;
    for (const leaf of leaves) {
      const more = leaf === 'sources' ? 0 : this.#bytesOf(leaf);
      if (bytes > 0 && bytes + more > this.#work.residentBytesMax) {
        waves.push([]);
        bytes = 0;
      }
      bytes += more;
      waves.at(-1)?.push(leaf);
    }
    return waves;
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
  async #bind(session: Session, wave: readonly LeafName[], signal: AbortSignal): Promise<void> {
    const wanted = wave.filter((leaf) => leaf !== 'sources');
    const missing = wanted.filter((leaf) => !this.#resident.has(leaf));
    const together = [...this.#resident, ...missing].reduce((bytes, leaf) => bytes + this.#bytesOf(leaf), 0);
    if (together > this.#work.residentBytesMax) {
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
    session: Session,
    grid: Grid,
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
        outbox.next(() => this.#beat(session));
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
    outbox.next(() => this.#beat(session));
    await outbox.empty();
  }

  async #beat(session: Session): Promise<void> {
    const pairs = [...session.counters().pairs.values()].reduce((sum, count) => sum + count, 0);
    await this.#seat.beat({ protocolVersion, seat: this.#seat.id, blocks: this.#blocks, pairs });
  }

  async #post(
    { run, number, phase, parameterDigest }: Iteration,
    partials: readonly Partial[],
  ): Promise<void> {
    const question = { number, phase, parameterDigest, copy: 0 } as const;
    const envelope = { protocolVersion, run, seat: this.#seat.id, ...question } as const;
    for (const { leaf } of partials) this.#answered.add(leaf);
    await this.#seat.post(partials.map(({ leaf, ...answer }): Posting => ({ ...envelope, leaf, answer })));
  }
}

/** Why an evaluation stops that nobody wants any more. */
const superseded = Symbol('superseded');

/** One phase of one iteration. */
function keyOf({ number, phase, parameterDigest }: Iteration): string {
  return `${number} ${phase} ${parameterDigest}`;
}
