/**
 * How is a run carried through? Listens to its seats and to the clock; `office.ts` performs what `run-state.ts` decides:
 * publishes iterations, assigns leaves, keeps the first answer of each, adds them in the fixed order, asks on with the sums,
 * and goes where the run's course leads.
 */
import type { Desk, DeskEvent } from '../exchange/exchange.ts';
import type { Grid, ProgramOutline } from '../kernels/sweep/program.ts';
import type { Log } from '../log.ts';
import type { ShardRange } from '../partition/plan.ts';
import type { Join, Phase, RowsWanted } from '../protocol.ts';
import type { Checkpoint, Counts } from './checkpoint.ts';
import type { Course } from './course.ts';
import type { Progress } from './ledger.ts';
import type { Notice } from './notice.ts';
import { Office } from './office.ts';
import { patient, type Rules } from './rules.ts';
import type { RunShape } from './stage.ts';

export type { Progress } from './ledger.ts';

/** What a run is made of. */
export interface Coordination {
  readonly desk: Desk;
  /** Opens the run anew in a store that has forgotten it, under a later epoch; null: nothing can. */
  readonly reopen: ((epochMin: number) => Promise<Desk>) | null;
  readonly program: ProgramOutline;
  readonly grid: Grid;
  /** The steps the sources accepted; null when the job fixes the grid. */
  readonly times: Float64Array | null;
  /** Where the run is evaluated: at one point, or where an optimiser leads. Of a run that is taken up: as it was kept. */
  readonly course: Course;
  readonly shards: readonly ShardRange[];
  /** N-sized results and states of the sources that the last evaluation leaves. */
  readonly rows: RowsWanted;
  readonly rules: Rules;
  /** Where the run was when a coordinator kept it last; null: it begins. */
  readonly resume: Checkpoint | null;
  /**
   * Called with what the run can be taken up from: after every commit where that is small, else every so often, and at the
   * end of a coordinator. The run goes on meanwhile, but not beyond the next. It rejects with AbortedError where another
   * coordinator has kept one of a later epoch, or of the same: then this one is fenced. Null: nobody keeps anything.
   */
  readonly keep: ((checkpoint: Checkpoint) => Promise<void>) | null;
  /**
   * Whether the answers of a stage are held one by one until it is over, as checkpoints and second opinions need it;
   * otherwise the memory of a stage is that of one answer a level of the tree.
   */
  readonly retain: boolean;
  /**
   * Called with the result before seats hear that the run is over: whoever takes over a run that has ended finds its
   * result there, or the run goes on. A rejection rejects the coordination.
   */
  readonly finish: (evaluated: Evaluated) => Promise<void>;
  readonly log: Log;
  readonly onProgress: (progress: Progress) => void;
  /** An iteration is over. */
  readonly onCommit: (commit: Commit) => void;
  readonly onNotice: (line: Line) => void;
  /** A part of an iteration is over. */
  readonly onTimed: (timing: Timing) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Aborting cancels the run. */
  readonly signal: AbortSignal;
  /** Aborting leaves the run to another coordinator, with a checkpoint. */
  readonly handOver: AbortSignal;
}

/** A run that begins and ends with its process, on one worker. */
export const inOneProcess: Pick<
  Coordination,
  | 'finish'
  | 'handOver'
  | 'keep'
  | 'now'
  | 'onCommit'
  | 'onNotice'
  | 'onTimed'
  | 'reopen'
  | 'resume'
  | 'retain'
  | 'rules'
> = {
  reopen: null,
  rules: patient,
  resume: null,
  keep: null,
  retain: false,
  finish: async () => {},
  onCommit: () => {},
  onNotice: () => {},
  onTimed: () => {},
  now: () => performance.now(),
  handOver: new AbortController().signal,
};

/** One evaluation is made. */
export interface Commit {
  /** From 1. */
  readonly iteration: number;
  /** L; null when the job has none, or it is not finite. */
  readonly loss: number | null;
  readonly seats: number;
  readonly counts: Counts;
}

/** Something that people who watch the run should see. */
export interface Line {
  readonly level: 'error' | 'info' | 'warn';
  readonly text: string;
  readonly notice: Notice;
  /** Held now. */
  readonly seats: number;
  readonly counts: Counts;
}

/** How long a part of an iteration took, on the run's clock. */
export interface Timing {
  /** A phase from when it was published to its last answer, or from there to the next phase published. */
  readonly part: Phase | 'all-reduce';
  /** From 1. */
  readonly iteration: number;
  readonly begunMs: number;
  readonly endedMs: number;
}

/** The last evaluation of the loss and its gradient, and what the run took. */
export interface Evaluated {
  /** L; null when the job has no loss. */
  readonly loss: number | null;
  /** In the order of `program.layout.gradient`; empty when no gradient is wanted. */
  readonly gradient: Float64Array;
  /** One M × e block a wanted state of the sources, the end time first; null when none is wanted. */
  readonly sourceStates: Float64Array | null;
  /** Evaluations of the whole run, those before it was taken up again included. */
  readonly iterations: number;
  /** Who computed, as far as this coordinator knows. */
  readonly joins: readonly Join[];
  /** Numerics classes that took part; more than one: the result is equal to others within tolerance only. */
  readonly numerics: readonly string[];
  /** Most seats at once. */
  readonly seats: number;
  readonly workersLost: number;
  /** Leaves assigned again after their seat was lost. */
  readonly redone: number;
  /** Own row × bound row visits. */
  readonly pairs: number;
  /** Bytes that leaves were given and answered with, an iteration. */
  readonly bytesPerIteration: number;
}

/**
 * Carry one run through.
 *
 * @throws NonFiniteError naming the first step, time, group and row where a value stopped being finite
 * @throws AbortedError when the signal aborted, a later coordinator took the run over, or it was handed over; `details.why`
 *   says which: `cancelled`, `fenced`, `handed-over`
 * @throws what a worker could not go on for, under its own tag
 */
export async function coordinate(run: Coordination): Promise<Evaluated> {
  const office = new Office(run, { ...shapeOf(run), run: run.desk.run, rules: run.rules });
  const inbox = new Inbox(AbortSignal.any([run.signal, run.handOver]), run.rules.tickMs);
  await office.begin();
  while (office.going) {
    const events = await inbox.next(office.desk, office.planDueMs);
    if (run.signal.aborted) await office.cancel();
    else if (run.handOver.aborted) await office.handOver();
    await office.tick();
    await office.receive(events);
  }
  return office.result();
}

/** What seats say, or nothing when it is time to look at the clock. */
class Inbox {
  readonly #signal: AbortSignal;
  readonly #tickMs: number;
  #desk: Desk | null = null;
  #pending: Promise<readonly DeskEvent[]> | null = null;

  constructor(signal: AbortSignal, tickMs: number) {
    this.#signal = signal;
    this.#tickMs = tickMs;
  }

  /**
   * The next events; none after a while, or when the signal aborted. A wait goes on over several calls: it loses nothing.
   *
   * @param mostMs - how long to wait at most
   */
  async next(desk: Desk, mostMs: number): Promise<readonly DeskEvent[]> {
    if (desk !== this.#desk) this.#pending = null;
    this.#desk = desk;
    this.#pending ??= this.#events(desk);
    const pending = this.#pending;
    const waitMs = Math.min(this.#tickMs, mostMs);
    const events = waitMs === Infinity ? await pending : await atMost(pending, Math.max(0, waitMs));
    if (events === null) return [];
    this.#pending = null;
    return events;
  }

  async #events(desk: Desk): Promise<readonly DeskEvent[]> {
    try {
      return await desk.events(this.#signal);
    } catch (error) {
      if (!this.#signal.aborted) throw error;
      return [];
    }
  }
}

/** What a promise comes to, or null if that takes longer. */
async function atMost<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  try {
    return await Promise.race([
      promise,
      new Promise<null>((resolve) => {
        timer = setTimeout(resolve, ms, null);
      }),
    ]);
  } finally {
    clearTimeout(timer);
  }
}

/** What kind of run this is, as far as deciding goes. */
export function shapeOf({
  program,
  rows,
  shards,
}: Pick<Coordination, 'program' | 'rows' | 'shards'>): Omit<RunShape, 'rules' | 'run'> {
  const states = (rows.final || rows.trajectory.length > 0) && (program.sources?.stateComponents ?? 0) > 0;
  return {
    shards: shards.length,
    sourcesLeaf: states || shards.length === 0 || program.terms.some((term) => term.scalar !== null),
    // Without tracers there is no S: whatever h is, one phase evaluates it.
    phases: shards.length === 0 ? 1 : program.phases,
    gradient: program.wants.any,
  };
}
