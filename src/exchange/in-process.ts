/**
 * How do they meet in one process? The exchange as plain objects: what Redis keeps in keys and streams is kept in maps.
 */
import { randomUUID } from 'node:crypto';
import type { Iteration, LeafName, Posting, RunEnd, RunId, RunSheet, SeatPlan } from '../protocol.ts';
import { SeatId } from '../protocol.ts';
import type { Desk, DeskEvent, Exchange, Receipt, RunView, Seat } from './exchange.ts';

export interface InProcessOptions {
  /** Seats offered for each run. */
  readonly seats: number;
}

/** An exchange for coordinators and workers of one process; nothing outlives it. */
export function inProcessExchange({ seats }: InProcessOptions): Exchange {
  const runs = new Map<RunId, Run>();
  const offers: Run[] = [];
  const offered = new Bell();

  return {
    open: async (sheet) => {
      let run = runs.get(sheet.run);
      if (run === undefined) {
        run = newRun(sheet);
        runs.set(sheet.run, run);
        for (let s = 0; s < seats; s++) offers.push(run);
        offered.ring();
      }
      run.epoch += 1;
      return deskOf(run, run.epoch);
    },
    lease: async (signal) => {
      for (;;) {
        signal.throwIfAborted();
        const run = offers.shift();
        if (run === undefined) await offered.wait(signal);
        else if (run.end === null) return seatOf(run, () => offerAgain(run));
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
  /** Leaves of the current phase that have an answer. */
  readonly answered: Set<LeafName>;
  readonly events: DeskEvent[];
  readonly changed: Bell;
  readonly happened: Bell;
}

function newRun(sheet: RunSheet): Run {
  return {
    sheet,
    epoch: 0,
    stamp: 0,
    iteration: null,
    plan: null,
    end: null,
    answered: new Set(),
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
    publish: async (iteration) =>
      commit(() => {
        run.iteration = iteration;
        run.plan = null;
        run.answered.clear();
      }),
    assign: async (plan) => commit(() => (run.plan = plan)),
    events: async (signal) => {
      while (run.events.length === 0) await run.happened.wait(signal);
      signal.throwIfAborted();
      return run.events.splice(0);
    },
    end: async (end) => commit(() => (run.end ??= end)),
  };
}

function seatOf(run: Run, giveBack: () => void): Seat {
  const id = SeatId.parse(randomUUID());
  let held = true;
  const tell = (event: DeskEvent): void => {
    run.events.push(event);
    run.happened.ring();
  };
  const receive = (posting: Posting): Receipt => {
    if (!held) return 'fenced';
    if (run.end !== null || !answers(posting, run.iteration)) return 'late';
    if (run.answered.has(posting.leaf)) return 'twice';
    run.answered.add(posting.leaf);
    tell({ kind: 'posted', posting });
    return 'accepted';
  };
  return {
    id,
    sheet: run.sheet,
    join: async (join) => tell({ kind: 'joined', join }),
    watch: async (seen, signal): Promise<RunView> => {
      while (run.stamp === seen) await run.changed.wait(signal);
      signal.throwIfAborted();
      const { stamp, iteration, plan, end } = run;
      return { stamp, iteration, plan, end };
    },
    post: async (postings) => postings.map(receive),
    beat: async (beat) => {
      if (held) tell({ kind: 'beat', beat });
    },
    leave: async (error) => {
      if (!held) return;
      held = false;
      tell(error === null ? { kind: 'left', seat: id, lost: false } : { kind: 'broke', seat: id, error });
      giveBack();
    },
  };
}

/** Whether a posting answers this iteration: number, phase and parameters are the current ones. */
function answers(posting: Posting, current: Iteration | null): boolean {
  return (
    current !== null &&
    posting.number === current.number &&
    posting.phase === current.phase &&
    posting.parameterDigest === current.parameterDigest
  );
}

/** Something to wait for: `ring` wakes everyone who waits. */
class Bell {
  #waiting: (() => void)[] = [];

  ring(): void {
    const woken = this.#waiting;
    this.#waiting = [];
    for (const wake of woken) wake();
  }

  /** Resolves at the next ring; rejects with the signal's reason when it aborts first. */
  wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const onAbort = (): void => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(() => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      });
    });
  }
}
