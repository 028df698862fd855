/**
 * How do the seats of one process see a run? Together: what changed is fetched once for all of them, the iteration too, and
 * each is shown its part.
 */
import {
  ErrorReport,
  type Iteration,
  RunEnd,
  type RunSheet,
  type SeatId,
  type SeatPlan,
} from '../../protocol.ts';
import type { RunView } from '../exchange.ts';
import { decodeControl } from '../frames/control.ts';
import { decodeIteration } from '../frames/iteration.ts';
import * as frequent from './frequent-scripts.ts';
import type { Hints } from './hints.ts';
import type { Link } from './link.ts';
import { planUnder } from './plan-text.ts';
import { Postbox } from './postbox.ts';
import { bytesOrNull, listOf, numberOf, type Reply, textOf } from './script.ts';

/** A seat that is shown the run. */
export interface Viewer {
  readonly id: SeatId;
  /** @param receivedBytes - of what came for this view, counted once for the seats that it came for */
  readonly show: (view: RunView, receivedBytes: number) => void;
  /** The seat is not held any more. */
  readonly lose: () => void;
}

interface Shown {
  readonly viewer: Viewer;
  /** As it was shown last; undefined: not yet. */
  plan: SeatPlan | null | undefined;
}

/** One run, as far as the seats of this link go. */
export class RunWatch {
  /** Where its seats post. */
  readonly postbox: Postbox;
  readonly #link: Link;
  readonly #sheet: RunSheet;
  readonly #keys: readonly string[];
  readonly #stopListening: () => void;
  readonly #seats = new Map<SeatId, Shown>();
  /** Which iteration and plan were fetched last, as the store counts them. */
  #fetched = { asked: '0', planned: '0' };
  #iteration: Iteration | null = null;
  #looking: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(link: Link, hints: Hints, sheet: RunSheet) {
    this.#link = link;
    this.#sheet = sheet;
    this.postbox = new Postbox(link, sheet.run);
    this.#keys = frequent.lookKeys.map((name) => link.keys.of(sheet.run, name));
    this.#stopListening = hints.listen(link.keys.of(sheet.run, 'wake'), () => this.lookSoon());
  }

  add(viewer: Viewer): void {
    this.#seats.set(viewer.id, { viewer, plan: undefined });
  }

  remove(seat: SeatId): void {
    this.#seats.delete(seat);
  }

  get isEmpty(): boolean {
    return this.#seats.size === 0;
  }

  close(): void {
    this.#seats.clear();
    this.#stopListening();
  }

  /** Look when there is reason to; whoever has to know that it failed asks by `look`. */
  lookSoon(): void {
    if (this.#link.unreachableMs > 0 || this.#link.closed) return;
    this.look().catch((error: unknown) => {
      if (!this.#link.closed) this.#link.log.debug({ run: this.#sheet.run }, `looking: ${String(error)}`);
    });
  }

  /** Look at the run as it is now, or later: what was fetched before this call may be out of date. */
  look(): Promise<void> {
    if (this.#looking === null) {
      this.#looking = this.#lookOnce().finally(() => {
        this.#looking = null;
      });
      return this.#looking;
    }
    const again = (): Promise<void> => {
      this.#next = null;
      return this.look();
    };
    this.#next ??= this.#looking.then(again, again);
    return this.#next;
  }

  async #lookOnce(): Promise<void> {
    const seats = [...this.#seats.values()];
    if (seats.length === 0) return;
    const { asked } = this.#fetched;
    // A seat that has seen no plan wants its part of it, also of a plan that others have seen.
    const planned = seats.some(({ plan }) => plan === undefined) ? '' : this.#fetched.planned;
    const ids = seats.map(({ viewer }) => viewer.id);
    const reply = listOf(await this.#link.run(frequent.look, this.#keys, [asked, planned, ...ids]));
    const [stamp, askedNow, frame, plannedNow, head, over, ...parts] = reply;
    const partOf = (n: number): readonly Reply[] => parts.slice(3 * n, 3 * n + 3);
    const lost = seats.filter((_, n) => partOf(n)[0] !== 1);
    if (lost.length > 0) return this.#lookWithout(lost);
    const isNewPlan = textOf(plannedNow) !== planned;
    const bytes = bytesOrNull(frame);
    if (bytes !== null) this.#iteration = decodeIteration(bytes, this.#sheet.jobDigest);
    this.#fetched = { asked: textOf(askedNow), planned: textOf(plannedNow) };
    const end = bytesOrNull(over);
    const run = {
      stamp: numberOf(stamp),
      iteration: this.#iteration,
      end: end && decodeControl(end, RunEnd),
    };
    const each = (bytes?.length ?? 0) / seats.length;
    for (const [n, shown] of seats.entries()) {
      const [, mine, why] = partOf(n);
      const { viewer } = shown;
      // Given up meanwhile.
      if (this.#seats.get(viewer.id) !== shown) continue;
      const text = bytesOrNull(mine);
      if (isNewPlan) shown.plan = this.#planOf(viewer.id, bytesOrNull(head), text);
      const receivedBytes = each + (text?.length ?? 0);
      this.#link.carried({ receivedBytes });
      viewer.show({ ...run, plan: shown.plan ?? null, dismissed: reportOf(why) }, receivedBytes);
    }
  }

  /** Seats that are not held: they lapsed, or the store forgot everything, and counts anew what it is asked. */
  #lookWithout(lost: readonly Shown[]): Promise<void> {
    for (const { viewer } of lost) {
      this.#seats.delete(viewer.id);
      viewer.lose();
    }
    this.#fetched = { asked: '', planned: '' };
    return this.#lookOnce();
  }

  #planOf(seat: SeatId, head: Buffer | null, mine: Buffer | null): SeatPlan | null {
    if (head === null) return null;
    return planUnder(this.#sheet.run, head.toString(), mine === null ? [] : [[seat, mine.toString()]]);
  }
}

function reportOf(why: Reply | undefined): ErrorReport | null {
  const bytes = bytesOrNull(why);
  return bytes && decodeControl(bytes, ErrorReport);
}
