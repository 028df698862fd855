/**
 * How does a worker earn its keep? Leases a seat, answers what is asked of it, writes the N-sized results of its rows in
 * place. Performs what `seat-state.ts` decides; `workbench.ts` computes.
 *
 *   lease ─▶ open the job, start the engine ─▶ join ─▶ views of the run ─▶ waves of leaves ─▶ rows, beats, postings ─▶ leave
 */
import { invariant, isSkewflowError, SkewflowError } from '../errors.ts';
import { errorOf, reportOf } from '../exchange/error-report.ts';
import type { Exchange, Receipt, RunView, Seat } from '../exchange/exchange.ts';
import type { Log } from '../log.ts';
import { leavesFrom } from '../partition/seats.ts';
import {
  type Iteration,
  type LeafName,
  type Phase,
  type Posting,
  protocolVersion,
  type RunSheet,
  type WorkerId,
} from '../protocol.ts';
import { version } from '../version.ts';
import { type Combined, combine } from './combine.ts';
import type { Engine, Partial } from './engine/engine.ts';
import {
  decideSeat,
  type Question,
  questionOf,
  type SeatEffect,
  type SeatEvent,
  type SeatLimits,
  type SeatState,
  seated,
  type Task,
} from './seat-state.ts';
import { type Assignment, type Done, Workbench } from './workbench.ts';

export type { Assignment } from './workbench.ts';

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
  /** How long a drain waits for what was begun. Default 20 000. */
  readonly drainMs?: number;
  /**
   * How long the leaves of one wave may take together, about: leaves that are not in it may go to another seat.
   * Default: no limit, which is as fast as it gets where nobody else is.
   */
  readonly waveMs?: number;
  /** Shortest time between two beats that say how far the work is. Default 100. */
  readonly beatMs?: number;
  /** What the work waits for until somebody mends it; null: nothing. Default: nothing. */
  readonly waits?: () => string | null;
  /** Told what was done, for whoever measures. Default: nobody. */
  readonly onWork?: (work: Work) => void;
  /** Told of every answer that the coordinator took. Default: nobody. */
  readonly onAnswered?: (answered: Answered) => void;
}

/** What a seat has done since it was taken, and what it holds. */
export interface Work extends Done {
  /** Bytes of the rows that are on the device. */
  readonly residentBytes: number;
}

/** A leaf from when its wave began, on the clock of `performance`, until its answer was taken. */
export interface Answered {
  readonly number: number;
  readonly phase: Phase;
  readonly leaf: LeafName;
  readonly begunMs: number;
  readonly endedMs: number;
}

type Doing = 'compute' | 'idle' | 'post' | 'posted' | 'read';

/** A seat that says nothing is taken for dead; this one speaks at least so often, whatever it does. */
const aliveMs = 1000;
/** Silence of the store after which a seat has lapsed: three beats, as its key lives. */
const leaseMs = 3000;
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
    const lost = isSkewflowError(error) && error.details['code'] === seatLostCode;
    if (!signal.aborted) log[lost ? 'warn' : 'error'](facts, String(error));
    // Where the store is away nobody hears it: the lease ends by itself.
    await seat
      .leave(reportOf(error))
      .catch((cause: unknown) => log.warn(facts, `not told: ${String(cause)}`));
    return error;
  }
}

/** Who answers, as said on joining and with every answer. */
type Who = Pick<Posting, 'numerics' | 'protocolVersion' | 'seat' | 'worker'>;

/** What one seat does, from joining to leaving. */
class Service implements AsyncDisposable {
  readonly #seat: Seat;
  readonly #who: Who;
  readonly #options: WorkerOptions;
  readonly #limits: SeatLimits;
  readonly #bench: Workbench;
  readonly #alive: NodeJS.Timeout;
  readonly #stop = new AbortController();
  readonly #gone = settled();
  #state: SeatState = seated;
  /** The newest iteration that was seen: what a question is about. */
  #iteration: Iteration | null = null;
  #halt = new AbortController();
  #evaluating: Promise<void> = Promise.resolve();

  private constructor(seat: Seat, who: Who, options: WorkerOptions, bench: Workbench) {
    const { threads, waveMs = Number.POSITIVE_INFINITY, drainMs = 20_000 } = options;
    this.#seat = seat;
    this.#who = who;
    this.#options = options;
    this.#limits = { threads, waveMs, leaseMs, drainMs };
    this.#bench = bench;
    this.#alive = setInterval(() => {
      this.#feed({ kind: 'tick', now: performance.now() });
      this.#beat().catch(() => {});
    }, aliveMs).unref();
  }

  /** Read the job and start the engine, then take the seat. */
  static async begin(seat: Seat, options: WorkerOptions): Promise<Service> {
    const { worker, threads, beatMs = 100 } = options;
    const work = await options.open(seat.sheet);
    const engine = await options.engine(work);
    const { name, numerics } = engine;
    const who: Who = { protocolVersion, seat: seat.id, worker, numerics };
    await seat.join({ ...who, version, engine: name, threads });
    return new Service(seat, who, options, new Workbench(work, engine, beatMs));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#alive);
    this.#stop.abort();
    this.#halt.abort();
    await this.#evaluating;
    await this.#bench[Symbol.asyncDispose]();
  }

  /** Answer whatever is asked until nothing will be any more; rejects with why the worker could not go on. */
  async work(): Promise<void> {
    const { drain = never } = this.#options;
    const onDrain = (): void => this.#feed({ kind: 'drain', now: performance.now() });
    if (drain.aborted) onDrain();
    drain.addEventListener('abort', onDrain);
    const looking = this.#look(AbortSignal.any([this.#options.signal, this.#stop.signal]));
    try {
      await this.#gone.promise;
      await this.#evaluating;
    } finally {
      drain.removeEventListener('abort', onDrain);
      this.#stop.abort();
      await looking;
    }
  }

  /** See the run as it changes. */
  async #look(signal: AbortSignal): Promise<void> {
    try {
      for (let stamp = -1; ; ) {
        // It may be aborted before the first look: while the engine was opened.
        signal.throwIfAborted();
        const view = await this.#seat.watch(stamp, signal);
        stamp = view.stamp;
        this.#iteration = view.iteration;
        this.#feed(this.#seen(view));
      }
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#halt.abort();
      this.#gone.reject(error);
    }
  }

  #seen({ iteration, plan, end, dismissed }: RunView): SeatEvent {
    const alone = new Set(plan?.alone ?? []);
    const first = (plan?.leaves.get(this.#seat.id) ?? []).map(
      (leaf): Task => ({ leaf, copy: 0, rows: true, alone: alone.has(leaf) }),
    );
    const again = (plan?.again.get(this.#seat.id) ?? []).map((task): Task => ({ ...task, alone: true }));
    const question = iteration === null ? null : questionOf(iteration);
    return { kind: 'view', question, tasks: [...first, ...again], ended: end !== null, dismissed };
  }

  // --- decisions and effects ------------------------------------------------------------------------------

  #feed(event: SeatEvent): void {
    const { state, effects } = decideSeat(this.#limits, this.#state, event);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: SeatEffect): void {
    switch (effect.kind) {
      case 'evaluate':
        this.#evaluating = this.#evaluate(effect.question, effect.tasks);
        return;
      case 'fence':
        this.#gone.reject(seatLost());
        return;
      case 'halt':
        this.#halt.abort(halted);
        return;
      case 'leave':
        if (effect.error === null) this.#gone.resolve();
        else this.#gone.reject(errorOf(effect.error));
    }
  }

  /** One wave, from its first shard to the last posting; what went wrong is an event. */
  async #evaluate(question: Question, tasks: readonly Task[]): Promise<void> {
    const iteration = this.#iteration;
    invariant(
      iteration !== null && questionOf(iteration).key === question.key,
      'what is asked is what the newest view says: both are set together',
    );
    this.#halt = new AbortController();
    const { signal } = this.#halt;
    const begun = performance.now();
    const byLeaf = new Map(tasks.map((task) => [task.leaf, task]));
    try {
      await this.#bench.evaluate(
        iteration,
        tasks.map(({ leaf }) => leaf),
        tasks[0]?.rows ?? false,
        {
          post: (partials, tookMs) => this.#post(iteration, { partials, tookMs }, byLeaf, begun),
          beat: () => this.#beat(),
          doing: (what, leaves) => this.#debug(iteration, what, leaves),
        },
        AbortSignal.any([this.#options.signal, signal]),
      );
    } catch (error) {
      if (signal.reason !== halted) {
        this.#fail(error);
        return;
      }
    }
    this.#debug(iteration, 'idle', []);
    this.#feed({ kind: 'waved', tookMs: performance.now() - begun });
  }

  #fail(error: unknown): void {
    if (isSkewflowError(error) && error.details['code'] === seatLostCode) this.#feed({ kind: 'fenced' });
    else this.#feed({ kind: 'failed', error: reportOf(error) });
  }

  /** Where this worker is: whoever reads the log of one that died, or hangs, sees what it was at. */
  #debug({ number, phase }: Iteration, doing: Doing, leaves: readonly LeafName[]): void {
    const { log } = this.#options;
    const { run } = this.#seat.sheet;
    const shards = leaves.join(' ');
    log.debug(
      { run, seat: this.#seat.id, iteration: number + 1, phase, doing, shards },
      `${doing} shards ${shards}`,
    );
  }

  async #beat(): Promise<void> {
    this.#options.onWork?.({ ...this.#bench.done, residentBytes: this.#bench.residentBytes });
    const waits = this.#options.waits?.() ?? null;
    const why = waits === null ? {} : { waits: waits.slice(0, 1000) };
    await this.#seat.beat({ protocolVersion, seat: this.#seat.id, ...this.#bench.done, ...why });
  }

  async #post(
    iteration: Iteration,
    { partials, tookMs }: { readonly partials: readonly Partial[]; readonly tookMs: number },
    tasks: ReadonlyMap<Task['leaf'], Task>,
    begunMs: number,
  ): Promise<void> {
    // Threads are at leaves side by side.
    const leafMs = (tookMs * Math.min(this.#limits.threads, partials.length)) / partials.length;
    const leaves = partials.map(({ leaf }) => leaf);
    const answered = leaves.flatMap((leaf) => tasks.get(leaf) ?? []);
    this.#feed({ kind: 'answered', key: questionOf(iteration).key, tasks: answered });
    this.#debug(iteration, 'post', leaves);
    const isAlone = (leaf: LeafName): boolean => !this.#seat.combines || (tasks.get(leaf)?.alone ?? true);
    const combined = combine(this.#bench.entries, partials, isAlone);
    const receipts = await this.#send(iteration, combined, tasks, leafMs);
    // Another seat has answered one of these leaves: what the others answer is taken for itself.
    const apart = combined.filter(({ count }, n) => count > 1 && receipts[n] === 'twice');
    const parts = apart.flatMap((each) => combine(this.#bench.entries, each.parts, () => true));
    const later = parts.length === 0 ? [] : await this.#send(iteration, parts, tasks, leafMs);
    this.#debug(iteration, 'posted', leaves);
    const endedMs = performance.now();
    const { number, phase } = iteration;
    for (const [n, { leaf: first, count }] of [...combined, ...parts].entries()) {
      if ([...receipts, ...later][n] !== 'accepted') continue;
      for (const leaf of leavesFrom(first, count))
        this.#options.onAnswered?.({ number, phase, leaf, begunMs, endedMs });
    }
  }

  async #send(
    iteration: Iteration,
    answers: readonly Combined[],
    tasks: ReadonlyMap<Task['leaf'], Task>,
    leafMs: number,
  ): Promise<readonly Receipt[]> {
    const { run, number, phase, parameterDigest } = iteration;
    const question = { run, number, phase, parameterDigest };
    const postings = answers.map(({ leaf, count, answer }): Posting => {
      const copy = tasks.get(leaf)?.copy ?? 0;
      return { leaf, count, copy, tookMs: count * leafMs, answer, ...this.#who, ...question };
    });
    const receipts = await this.#seat.post(postings);
    if (receipts.includes('fenced')) throw seatLost();
    return receipts;
  }
}

/** A promise with what settles it; nobody need wait for it. */
function settled(): {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
} {
  let [resolve, reject]: [() => void, (error: unknown) => void] = [() => {}, () => {}];
  const promise = new Promise<void>((yes, no) => {
    [resolve, reject] = [yes, no];
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}

/** Why an evaluation stops that nobody wants any more. */
const halted = Symbol('halted');

/** `details.code` of an error that says that the seat is held no more, whoever found it. */
export const seatLostCode = 'SEAT_LOST';

/** This worker was silent for so long that its leaves went to others: it stops, and may take a seat anew. */
function seatLost(): SkewflowError {
  return new SkewflowError('AbortedError', 'the seat was lost while this worker was silent', {
    code: seatLostCode,
  });
}
