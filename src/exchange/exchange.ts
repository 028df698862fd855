/**
 * How do a coordinator and its workers meet? One interface; in one process or over Redis, one contract test.
 *
 * The coordinator of a run holds a desk, each of its workers a seat. State (the current iteration, the plan, the end)
 * goes from desk to seats, postings and beats go from seats to desk; what is guaranteed is written in `protocol.ts`.
 *
 *   desk:  publish ─▶ iteration ─┐                        ┌─ post, beat ◀─ seat
 *          assign  ─▶ plan      ─┼─▶ view ─▶ seat.watch    └─▶ desk.events
 *          end     ─▶ end       ─┘
 */
import type {
  Beat,
  ErrorReport,
  Iteration,
  Join,
  Posting,
  RunEnd,
  RunId,
  RunSheet,
  SeatId,
  SeatPlan,
} from '../protocol.ts';

export interface Exchange extends AsyncDisposable {
  /**
   * Take the run over: a new epoch begins, and desks opened before are fenced. Offers `sheet.seats.max` seats.
   *
   * @param epochMin - the new epoch is above this one too: the epoch of a checkpoint, which outlives a store that forgot
   */
  readonly open: (sheet: RunSheet, epochMin?: number) => Promise<Desk>;
  /** The next free seat of any run; rejects with the signal's reason when it aborts. */
  readonly lease: (signal: AbortSignal) => Promise<Seat>;
}

/**
 * What became of something sent. `gone`: the store has forgotten the run, and a desk tells `emptied`; `late`: not the current
 * phase; `twice`: that copy of the leaf, or of one of its leaves, is there already.
 */
export type Receipt = 'accepted' | 'fenced' | 'gone' | 'late' | 'twice';

/** What the coordinator of a run holds. */
export interface Desk {
  readonly run: RunId;
  readonly epoch: number;
  /**
   * The current iteration becomes this one, with this plan or with none yet; postings for any other are late from here on.
   * Published again (same number, phase and parameters) it is the same question, and the answers it has stand.
   */
  readonly publish: (iteration: Iteration, plan?: SeatPlan) => Promise<Receipt>;
  readonly assign: (plan: SeatPlan) => Promise<Receipt>;
  /** The run as the desks before left it: what was asked, who sits, what was answered. */
  readonly standing: () => Promise<Standing>;
  /** Refuse or retire a seat: its worker learns why by `watch`, and whatever it sends from now on is `fenced`. */
  readonly dismiss: (seat: SeatId, error: ErrorReport) => Promise<Receipt>;
  /** Everything that happened since the last call, in order; waits until there is something, or the signal aborts. */
  readonly events: (signal: AbortSignal) => Promise<readonly DeskEvent[]>;
  /** The run is over; seats learn of it by `watch`. */
  readonly end: (end: RunEnd) => Promise<Receipt>;
}

/** What a desk finds when it opens. */
export interface Standing {
  readonly iteration: Iteration | null;
  readonly plan: SeatPlan | null;
  readonly end: RunEnd | null;
  /** Seats that are held, as their workers joined; those that stopped living meanwhile are told as `left` later. */
  readonly joins: readonly Join[];
  /** How long ago those were heard of last, in milliseconds, as far as the store can tell. */
  readonly quiet: ReadonlyMap<SeatId, number>;
  /** First postings of the current phase. */
  readonly postings: readonly Posting[];
}

export type DeskEvent =
  | { readonly kind: 'beat'; readonly beat: Beat }
  /** The worker could not go on; the seat is given up. */
  | { readonly kind: 'broke'; readonly seat: SeatId; readonly error: ErrorReport }
  | { readonly kind: 'joined'; readonly join: Join }
  /** The store lost everything it held: the run is to be opened and published again. */
  | { readonly kind: 'emptied' }
  /** A later desk holds the run: nothing more is heard of it here. */
  | { readonly kind: 'fenced' }
  /** The seat was given up, or (`lost`) its worker has not been heard of for longer than a lease lasts. */
  | { readonly kind: 'left'; readonly seat: SeatId; readonly lost: boolean }
  | { readonly kind: 'posted'; readonly posting: Posting }
  /** The store has not answered for so long, or (0) answers again. */
  | { readonly kind: 'unreachable'; readonly forMs: number };

/** What a worker holds of a run. */
export interface Seat {
  readonly id: SeatId;
  readonly sheet: RunSheet;
  /** Whether leaves may be answered together. */
  readonly combines: boolean;
  readonly join: (join: Join) => Promise<void>;
  /** The run as it stands, as soon as its stamp differs from `seen`; −1 asks for it at once. */
  readonly watch: (seen: number, signal: AbortSignal) => Promise<RunView>;
  /** One receipt a posting, in order. */
  readonly post: (postings: readonly Posting[]) => Promise<readonly Receipt[]>;
  readonly beat: (beat: Beat) => Promise<void>;
  /** Give the seat up; with an error when the worker could not go on. */
  readonly leave: (error: ErrorReport | null) => Promise<void>;
  /** What went over this seat so far: iterations and plans received, postings sent. */
  readonly traffic: () => Traffic;
}

/** Bytes of messages; where nothing is encoded, of the arrays in them. */
export interface Traffic {
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** The state of a run as its seats see it. */
export interface RunView {
  /** Changes whenever anything below does. */
  readonly stamp: number;
  readonly iteration: Iteration | null;
  /** The plan as far as this seat goes; leaves of others may be left out. A leaf it names under a later epoch is asked again. */
  readonly plan: SeatPlan | null;
  readonly end: RunEnd | null;
  /** Why this seat is dismissed, or that it was lost: not heard of for too long, or forgotten by the store. Null: it is held. */
  readonly dismissed: ErrorReport | null;
}
