/**
 * How do they meet in one process? The exchange as plain objects: what Redis keeps in keys and streams is kept in maps.
 */
import { randomUUID } from 'node:crypto';
import { leavesFrom } from '../partition/seats.ts';
import {
  type ErrorReport,
  type Iteration,
  type Join,
  type Posting,
  type RunEnd,
  type RunId,
  type RunSheet,
  SeatId,
  type SeatPlan,
} from '../protocol.ts';
import { Bell } from './bell.ts';
import type { Desk, DeskEvent, Exchange, Receipt, RunView, Seat } from './exchange.ts';

export interface InProcessOptions {
  /**
   * Whether postings are kept for a desk that takes a run over. Default false: nobody takes over what ends with the
   * process, and the answers of thousands of shards would be held twice.
   */
  readonly retain?: boolean;
}

/** An exchange for coordinators and workers of one process; nothing outlives it. */
export function inProcessExchange({ retain = false }: InProcessOptions = {}): Exchange {
  const runs = new Map<RunId, Run>();
  const offers: Run[] = [];
  const offered = new Bell();

  return {
    open: async (sheet, epochMin = 0) => {
      let run = runs.get(sheet.run);
      if (run === undefined) {
        run = newRun(sheet, retain);
        runs.set(sheet.run, run);
        for (let s = 0; s < sheet.seats.max; s++) offers.push(run);
        offered.ring();
      }
      run.epoch = Math.max(run.epoch, epochMin) + 1;
      return deskOf(run, run.epoch);
    },
    lease: async (signal) => {
      for (;;) {
        signal.throwIfAborted();
        const run = offers.shift();
        if (run === undefined) await offered.wait(signal);
        else if (run.end === null) return takeSeat(run, () => offerAgain(run));
      }
    },
    [Symbol.asyncDispose]: async () => {
      runs.clear();
      offers.length = 0;
    },
  };

  /** A seat given up while the run goes on is to be had again. */
  function offerAgain(run: Run): void {
    if (run.end !== null) return;
    offers.push(run);
    offered.ring();
  }
}

// --- one run ----------------------------------------------------------------------------------------------

interface Run {
  readonly sheet: RunSheet;
  epoch: number;
  stamp: number;
  iteration: Iteration | null;
  plan: SeatPlan | null;
  end: RunEnd | null;
  /** Copies of leaves (`17 0`) of the current phase that are answered; the answer itself only where it is retained. */
  readonly answered: Map<string, Posting | null>;
  readonly retain: boolean;
  /** Seats that are held. */
  readonly seats: Map<SeatId, Holder>;
  readonly events: DeskEvent[];
  readonly changed: Bell;
  readonly happened: Bell;
}

/** Who holds a seat: what it joined with, and why it was dismissed. */
interface Holder {
  join: Join | null;
  dismissed: ErrorReport | null;
}

function newRun(sheet: RunSheet, retain: boolean): Run {
  return {
    sheet,
    retain,
    seats: new Map(),
    epoch: 0,
    stamp: 0,
    iteration: null,
    plan: null,
    end: null,
    answered: new Map(),
    events: [],
    changed: new Bell(),
    happened: new Bell(),
  };
}

function deskOf(run: Run, epoch: number): Desk {
  /** Change the run's state unless a later desk holds it. */
  const commit = (change: () => void): Receipt => {
    if (run.epoch !== epoch) return 'fenced';
    change();
    run.stamp += 1;
    run.changed.ring();
    return 'accepted';
  };
  return {
    run: run.sheet.run,
    epoch,
    publish: async (iteration, plan) =>
      commit(() => {
        if (!answers(iteration, run.iteration)) run.answered.clear();
        run.iteration = iteration;
        run.plan = plan ?? null;
      }),
    assign: async (plan) => commit(() => (run.plan = plan)),
    standing: async () => ({
      iteration: run.iteration,
      plan: run.plan,
      end: run.end,
      joins: [...run.seats.values()].flatMap(({ join }) => (join === null ? [] : [join])),
      quiet: new Map(),
      postings: [...run.answered.values()].flatMap((posting) => (posting === null ? [] : [posting])),
    }),
    dismiss: async (seat, error) =>
      commit(() => {
        const holder = run.seats.get(seat);
        if (holder !== undefined) holder.dismissed ??= error;
      }),
    events: async (signal) => {
      while (run.events.length === 0) await run.happened.wait(signal);
      signal.throwIfAborted();
      return run.events.splice(0);
    },
    end: async (end) => commit(() => (run.end ??= end)),
  };
}

function takeSeat(run: Run, giveBack: () => void): Seat {
  const id = SeatId.parse(randomUUID());
  const holder: Holder = { join: null, dismissed: null };
  run.seats.set(id, holder);
  /** Whether what this seat sends counts. */
  const holds = (): boolean => run.seats.has(id) && holder.dismissed === null;
  const tell = (event: DeskEvent): void => {
    run.events.push(event);
    run.happened.ring();
  };
  const traffic = { receivedBytes: 0, sentBytes: 0 };
  let shown: Iteration | null = null;
  const receive = (posting: Posting): Receipt => {
    traffic.sentBytes += arrayBytes(posting.answer);
    if (!holds()) return 'fenced';
    if (run.end !== null || !answers(posting, run.iteration)) return 'late';
    const keys = leavesFrom(posting.leaf, posting.count).map((leaf) => `${leaf} ${posting.copy}`);
    if (keys.some((key) => run.answered.has(key))) return 'twice';
    // The answer stands at the first of its leaves.
    for (const [n, key] of keys.entries()) run.answered.set(key, run.retain && n === 0 ? posting : null);
    tell({ kind: 'posted', posting });
    return 'accepted';
  };
  return {
    id,
    sheet: run.sheet,
    // Nothing travels: one by one, the bytes that are counted are those that `explain` foretells.
    combines: false,
    join: async (join) => {
      if (!holds()) return;
      holder.join = join;
      tell({ kind: 'joined', join });
    },
    watch: async (seen, signal): Promise<RunView> => {
      while (run.stamp === seen) await run.changed.wait(signal);
      signal.throwIfAborted();
      const { stamp, iteration, plan, end } = run;
      if (iteration !== shown) traffic.receivedBytes += arrayBytes(iteration);
      shown = iteration;
      return { stamp, iteration, plan, end, dismissed: holder.dismissed };
    },
    post: async (postings) => postings.map(receive),
    beat: async (beat) => {
      if (holds()) tell({ kind: 'beat', beat });
    },
    leave: async (error) => {
      if (!run.seats.delete(id)) return;
      tell(error === null ? { kind: 'left', seat: id, lost: false } : { kind: 'broke', seat: id, error });
      giveBack();
    },
    traffic: () => ({ ...traffic }),
  };
}

/** Whether number, phase and parameters are those of the current iteration. */
function answers(
  asked: Pick<Iteration, 'number' | 'parameterDigest' | 'phase'>,
  current: Iteration | null,
): boolean {
  return (
    current !== null &&
    asked.number === current.number &&
    asked.phase === current.phase &&
    asked.parameterDigest === current.parameterDigest
  );
}

/** Bytes of the arrays in a message, however deep. */
function arrayBytes(message: unknown): number {
  if (message instanceof Float64Array) return message.byteLength;
  if (typeof message !== 'object' || message === null) return 0;
  const parts = message instanceof Map ? [...message.values()] : Object.values(message);
  return parts.reduce((bytes: number, part) => bytes + arrayBytes(part), 0);
}
