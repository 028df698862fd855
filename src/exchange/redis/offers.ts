/**
 * How do free workers find a seat? Each free seat is a job of the `seats` queue; BullMQ hands out the most urgent first.
 *
 * A seat that is lost or given up is offered anew at once, under the next number; the job of an offer that stands no more
 * is dropped by whoever gets it.
 */
import { z } from 'zod';
import { RunId, type RunSheet } from '../../protocol.ts';
import { Bell } from '../bell.ts';
import { type Hints, pollMs } from './hints.ts';
import { queues } from './keys.ts';
import { type Held, Leases } from './leases.ts';
import type { Link } from './link.ts';

/** A seat of a run to be had: its slot, and the how-manieth offer of it this is. */
export interface Offer {
  readonly slot: number;
  readonly offer: number;
}

const SeatJob = z.strictObject({ run: RunId, slot: z.int().nonnegative(), offer: z.int().positive() });
export type SeatJob = z.infer<typeof SeatJob>;

/** Longest wait for a hint before looking again; longer than elsewhere, because every idle worker looks. */
const lookAgainMs = 2 * pollMs;

export class Offers {
  readonly #link: Link;
  readonly #hints: Hints;
  readonly #leases: Leases<SeatJob>;
  /** Offers queued by this process. */
  readonly #known = new Set<string>();

  constructor(link: Link, hints: Hints) {
    this.#link = link;
    this.#hints = hints;
    this.#leases = new Leases(link, queues.seats, SeatJob);
  }

  /** Queue these offers; those that this process has queued before only if `all`. */
  async add(
    { run, priority }: Pick<RunSheet, 'priority' | 'run'>,
    offers: readonly Offer[],
    all: boolean,
  ): Promise<void> {
    const wanted = offers.filter((offer) => all || !this.#known.has(idOf(run, offer)));
    if (wanted.length === 0) return;
    await this.#leases.add(
      wanted.map((offer) => ({
        id: idOf(run, offer),
        data: { run, ...offer },
        priority: priorityOf(priority, offer.slot),
      })),
    );
    for (const offer of wanted) this.#known.add(idOf(run, offer));
    if (this.#known.size > knownMax) this.#known.clear();
    await this.#link.call('XADD', this.#link.keys.offered, 'MAXLEN', 16, '*', 'k', '');
    await this.#link.call('PEXPIRE', this.#link.keys.offered, 3600_000);
  }

  /** These offers stand no more. */
  withdraw(run: RunId, offers: readonly Offer[]): Promise<void> {
    return this.#leases.remove(offers.map((offer) => idOf(run, offer)));
  }

  /** The next offer; rejects with the signal's reason when it aborts. */
  async take(signal: AbortSignal): Promise<Held<SeatJob>> {
    const offered = new Bell();
    const stop = this.#hints.listen(this.#link.keys.offered, () => offered.ring());
    try {
      for (;;) {
        signal.throwIfAborted();
        const held = await this.#leases.next();
        if (held !== null) return held;
        await offered.wait(signal, lookAgainMs * (0.75 + Math.random() / 2));
      }
    } finally {
      stop();
    }
  }

  close(): Promise<void> {
    return this.#leases.close();
  }
}

/** Names of offers remembered, so that not all are queued again at every look. */
const knownMax = 100_000;
/** Slots that differ in urgency; all beyond are alike. */
const ranks = 2048;

function idOf(run: RunId, { slot, offer }: Offer): string {
  return `${run}.${slot}.${offer}`;
}

/**
 * BullMQ's priority, lower first and at most 2²¹: by the run's priority, then by slot. Runs of equal priority fill their
 * first slots before anyone's second ones, so free workers go to the run that has fewest.
 */
export function priorityOf(priority: number, slot: number): number {
  return (1000 - priority) * ranks + Math.min(slot, ranks - 1) + 1;
}
