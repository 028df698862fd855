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
import { type Hints, pollMs } from './hints.ts';
import type { Link } from './link.ts';
import { headOfText, type PlanHead, type PlanPart, partOfText, planUnder } from './plan-text.ts';
import { Postbox } from './postbox.ts';
import { Pulse } from './pulse.ts';
import { bytesOf, bytesOrNull, listOf, numberOf, type Reply, textOf } from './script.ts';

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
  /** Its part of the plan, as read last. */
  part: { readonly bytes: Buffer; readonly read: PlanPart } | null;
}

/** One run, as far as the seats of this link go. */
export class RunWatch {
  /** Where its seats post. */
  readonly postbox: Postbox;
  /** By which they are heard of. */
  readonly pulse: Pulse;
  readonly #link: Link;
  readonly #sheet: RunSheet;
  readonly #keys: readonly string[];
  readonly #stopListening: () => void;
  readonly #polling: NodeJS.Timeout;
  readonly #seats = new Map<SeatId, Shown>();
  /** Which iteration and plan were fetched last, as the store counts them. */
  #fetched = { asked: '0', planned: '0' };
  #iteration: Iteration | null = null;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(link: Link, hints: Hints, sheet: RunSheet) {
    this.#link = link;
    this.#sheet = sheet;
    this.postbox = new Postbox(link, sheet.run, sheet.jobDigest);
    this.pulse = new Pulse(link, sheet.run);
    this.#keys = frequent.lookKeys.map((name) => link.keys.of(sheet.run, name));
    this.#stopListening = hints.listen(link.keys.of(sheet.run, 'wake'), () => this.lookSoon());
    this.#polling = setInterval(() => {
      if (performance.now() - this.#lookedAt >= pollMs / 2) this.lookSoon();
    }, pollMs / 2);
  }

  add(viewer: Viewer): void {
    this.#seats.set(viewer.id, { viewer, plan: undefined, part: null });
  }

  remove(seat: SeatId): void {
    this.#seats.delete(seat);
  }

  get isEmpty(): boolean {
    return this.#seats.size === 0;
  }

  close(): void {
    this.#seats.clear();
    this.pulse.close();
    clearInterval(this.#polling);
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
    this.#lookedAt = performance.now();
    const [stamp, askedNow, frame, plannedNow, plans, over, lost, sent] = listOf(
      await this.#link.run(frequent.look, this.#keys, [asked, planned, ...ids]),
    );
    const gone = listOf(lost).flatMap((place) => seats[numberOf(place)] ?? []);
    if (gone.length > 0) return this.#lookWithout(gone);
    const isNewPlan = textOf(plannedNow) !== planned;
    const bytes = bytesOrNull(frame);
    if (bytes !== null) this.#iteration = decodeIteration(bytes, this.#sheet.jobDigest);
    this.#fetched = { asked: textOf(askedNow), planned: textOf(plannedNow) };
    const end = bytesOrNull(over);
    const shownAt = numberOf(stamp);
    const ended = end && decodeControl(end, RunEnd);
    const dismissals = dismissalsOf(listOf(sent));
    const [head, ...parts] = listOf(plans);
    const headText = bytesOrNull(head)?.toString() ?? null;
    const planHead = headText === null ? null : headOfText(this.#sheet.run, headText);
    const each = (bytes?.length ?? 0) / seats.length;
    let receivedBytes = bytes?.length ?? 0;
    for (const [n, shown] of seats.entries()) {
      const { viewer } = shown;
      // Given up meanwhile.
      if (this.#seats.get(viewer.id) !== shown) continue;
      const part = bytesOrNull(parts[n]);
      if (isNewPlan) shown.plan = planHead && planOf(shown, planHead, part);
      receivedBytes += part?.length ?? 0;
      const view: RunView = {
        stamp: shownAt,
        iteration: this.#iteration,
        plan: shown.plan ?? null,
        end: ended,
        dismissed: dismissals.get(n) ?? null,
      };
      viewer.show(view, each + (part?.length ?? 0));
    }
    this.#link.carried({ receivedBytes });
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
}

/** A seat’s part changes less often than the plan: it is read once. */
function planOf(shown: Shown, head: PlanHead, bytes: Buffer | null): SeatPlan {
  if (bytes === null) return planUnder(head, []);
  if (shown.part?.bytes.equals(bytes) !== true)
    shown.part = { bytes: Buffer.from(bytes), read: partOfText(bytes.toString()) };
  return planUnder(head, [[shown.viewer.id, shown.part.read]]);
}

/** Why seats are dismissed, by their place. */
function dismissalsOf(entries: readonly Reply[]): ReadonlyMap<number, ErrorReport> {
  const dismissals = new Map<number, ErrorReport>();
  for (let n = 0; n < entries.length; n += 2)
    dismissals.set(numberOf(entries[n]), decodeControl(bytesOf(entries[n + 1]), ErrorReport));
  return dismissals;
}
