/**
 * What does the store of a simulated world hold? What Redis does for the exchange, operation by operation, each atomic.
 */
import type { DeskEvent, Receipt, RunView, Standing } from '../../src/exchange/exchange.ts';
import { leavesFrom } from '../../src/partition/seats.ts';
import {
  type Beat,
  type ErrorReport,
  type Iteration,
  type Join,
  type Posting,
  type RunEnd,
  SeatId,
  type SeatPlan,
} from '../../src/protocol.ts';
import type { Mutations } from './mutants.ts';
import type { Timeline } from './timeline.ts';

/** How long a seat and a coordinator live without a beat. */
export const leaseMs = 3000;

interface Holder {
  readonly id: SeatId;
  join: Join | null;
  dismissed: ErrorReport | null;
  until: number;
}

export class Store {
  readonly #timeline: Timeline;
  readonly #mutations: Mutations;
  #seatsMax: number;
  #epoch = 0;
  #stamp = 0;
  #iteration: Iteration | null = null;
  #plan: SeatPlan | null = null;
  #end: RunEnd | null = null;
  #postings = new Map<string, Posting>();
  #holders = new Map<SeatId, Holder>();
  #names = 0;
  /** Who acted under an epoch. */
  readonly #actors = new Map<number, object>();
  /** The highest epoch that was ever given, whatever the store has forgotten since. */
  highestEpoch = 0;
  /** Who hears of events and of changes. */
  onEvent: (event: DeskEvent) => void = () => {};
  onChange: () => void = () => {};
  onBreach: (what: string) => void = () => {};
  /** Until when the run has a coordinator. */
  leaseUntil = 0;

  constructor(timeline: Timeline, mutations: Mutations, seatsMax: number) {
    this.#timeline = timeline;
    this.#mutations = mutations;
    this.#seatsMax = seatsMax;
  }

  /** Everything is lost; who held anything holds nothing. */
  empty(): void {
    this.#epoch = 0;
    this.#iteration = null;
    this.#plan = null;
    this.#postings.clear();
    this.#holders.clear();
    this.leaseUntil = 0;
    this.#changed();
    this.onEvent({ kind: 'emptied' });
  }

  // --- desks ------------------------------------------------------------------------------------------------

  open(epochMin: number): number {
    this.#epoch = Math.max(this.#epoch, this.#mutations.forgetEpoch ? 0 : epochMin) + 1;
    this.highestEpoch = Math.max(this.highestEpoch, this.#epoch);
    return this.#epoch;
  }

  publish(epoch: number, holder: object, iteration: Iteration, plan: SeatPlan | null): Receipt {
    return this.#commit(epoch, holder, 'publish', () => {
      // Published again it is the same question, and the answers it has stand.
      if (this.#iteration === null || !isSame(this.#iteration, iteration)) this.#postings.clear();
      this.#iteration = iteration;
      this.#plan = plan;
    });
  }

  assign(epoch: number, holder: object, plan: SeatPlan): Receipt {
    return this.#commit(epoch, holder, 'assign', () => {
      this.#plan = plan;
    });
  }

  dismiss(epoch: number, holder: object, seat: SeatId, error: ErrorReport): Receipt {
    return this.#commit(epoch, holder, 'dismiss', () => {
      const holder = this.#holders.get(seat);
      if (holder !== undefined) holder.dismissed ??= error;
    });
  }

  end(epoch: number, holder: object, end: RunEnd): Receipt {
    return this.#commit(epoch, holder, 'end', () => {
      this.#end ??= end;
    });
  }

  /** Under which the run is held; 0: it is not known here. */
  get epoch(): number {
    return this.#epoch;
  }

  get ended(): RunEnd | null {
    return this.#end;
  }

  standing(): Standing {
    return {
      iteration: this.#iteration,
      plan: this.#plan,
      end: this.#end,
      joins: [...this.#holders.values()].flatMap(({ join }) => (join === null ? [] : [join])),
      quiet: new Map(),
      postings: [...new Set(this.#postings.values())],
    };
  }

  #commit(epoch: number, holder: object, what: string, change: () => void): Receipt {
    if (this.#epoch === 0) return 'gone';
    if (epoch !== this.#epoch && !this.#mutations.skipEpochCheck) return 'fenced';
    if (epoch < this.highestEpoch && this.#epoch === this.highestEpoch) {
      this.onBreach(`${what} under epoch ${epoch} while ${this.highestEpoch} holds the run`);
    }
    const first = this.#actors.get(epoch) ?? holder;
    this.#actors.set(epoch, first);
    if (first !== holder) this.onBreach(`two coordinators act under epoch ${epoch}`);
    change();
    this.#changed();
    return 'accepted';
  }

  // --- seats ------------------------------------------------------------------------------------------------

  /** There are so many seats more. */
  widen(seats: number): void {
    this.#seatsMax += seats;
  }

  /** A seat, if the run is open and one is free. */
  lease(): SeatId | null {
    if (this.#epoch === 0 || this.#end !== null || this.#holders.size >= this.#seatsMax) return null;
    const id = SeatId.parse(`seat ${++this.#names}`);
    const holder: Holder = { id, join: null, dismissed: null, until: this.#timeline.now + leaseMs };
    this.#holders.set(id, holder);
    this.#watch(holder);
    return id;
  }

  join(seat: SeatId, join: Join): boolean {
    const holder = this.#living(seat);
    if (holder === null) return false;
    holder.join = join;
    this.onEvent({ kind: 'joined', join });
    return true;
  }

  /** Whether the seat is held still. */
  beat(beat: Beat): boolean {
    const holder = this.#living(beat.seat);
    if (holder === null) return false;
    holder.until = this.#timeline.now + leaseMs;
    this.onEvent({ kind: 'beat', beat });
    return true;
  }

  post(posting: Posting): Receipt {
    if (this.#living(posting.seat) === null) return 'fenced';
    const current = this.#iteration;
    const answers = current !== null && isSame(current, posting);
    if (this.#end !== null || current === null || !(answers || this.#mutations.unkeyed)) return 'late';
    const keys = leavesFrom(posting.leaf, posting.count).map((leaf) => `${leaf} ${posting.copy}`);
    if (keys.some((key) => this.#postings.has(key))) return 'twice';
    for (const key of keys) this.#postings.set(key, posting);
    const { number, phase, parameterDigest } = current;
    this.onEvent({
      kind: 'posted',
      posting: this.#mutations.unkeyed ? { ...posting, number, phase, parameterDigest } : posting,
    });
    return 'accepted';
  }

  leave(seat: SeatId, error: ErrorReport | null): void {
    if (!this.#holders.delete(seat)) return;
    this.onEvent(error === null ? { kind: 'left', seat, lost: false } : { kind: 'broke', seat, error });
  }

  /** The run as a seat sees it; null: the seat is not held. */
  view(seat: SeatId): RunView | null {
    const holder = this.#holders.get(seat);
    if (holder === undefined) return null;
    const [stamp, iteration, plan, end] = [this.#stamp, this.#iteration, this.#plan, this.#end];
    return { stamp, iteration, plan, end, dismissed: holder.dismissed };
  }

  #living(seat: SeatId): Holder | null {
    const holder = this.#holders.get(seat);
    return holder === undefined || holder.dismissed !== null ? null : holder;
  }

  /** A seat that is not heard of lapses. */
  #watch(holder: Holder): void {
    this.#timeline.after(holder.until - this.#timeline.now, () => {
      if (this.#holders.get(holder.id) !== holder) return;
      if (holder.until > this.#timeline.now) {
        this.#watch(holder);
        return;
      }
      this.#holders.delete(holder.id);
      this.onEvent({ kind: 'left', seat: holder.id, lost: true });
    });
  }

  #changed(): void {
    this.#stamp += 1;
    this.onChange();
  }
}

type Question = Pick<Iteration, 'number' | 'parameterDigest' | 'phase'>;

function isSame(a: Question, b: Question): boolean {
  return a.number === b.number && a.phase === b.phase && a.parameterDigest === b.parameterDigest;
}
