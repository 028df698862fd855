/**
 * What can happen to a run, and what is done about it? The words of `run-state.ts`: states, events, effects.
 */
import type { Leaf } from '../partition/seats.ts';
import type {
  Again,
  ErrorReport,
  Fault,
  Join,
  ParameterDigest,
  Phase,
  RunEnd,
  SeatId,
  WorkerId,
} from '../protocol.ts';
import { type Crew, nobody } from './crew.ts';
import type { Latency, Load } from './load.ts';
import type { Notice } from './notice.ts';
import type { Blame } from './poison.ts';
import type { Check } from './second-opinions.ts';
import type { Stage } from './stage.ts';

/** What a run remembers in every state. Times are milliseconds of one monotonic clock that starts anywhere. */
export interface Memory {
  readonly crew: Crew;
  /** The last tick, and the last one that looked at anything. */
  readonly now: number;
  readonly lookedAt: number;
  /** Since when there are too few seats, and when that was said last. */
  readonly absentSince: number | null;
  readonly absenceSaidAt: number | null;
  readonly unreachable: boolean;
  /** The last checkpoint that was due by time. */
  readonly keptAt: number;
  /** The last plan. */
  readonly generation: number;
  /** How long leaves took, by phase. */
  readonly latencies: Readonly<Partial<Record<Phase, Latency>>>;
  /** By place of a leaf, the serial of the seat that answered it last; empty before the first stage is over. */
  readonly homes: Uint32Array;
  /** The first copy that answers a leaf: not 0 in an iteration that was begun again, as what was answered is not believed. */
  readonly edition: number;
  /** Workers whose answers are in the sums of this iteration. */
  readonly trusted: ReadonlySet<WorkerId>;
}

export interface Planned extends Memory {
  readonly kind: 'planned';
  /** What is asked first; not 0 in a run that is taken up again. */
  readonly number: number;
  readonly stage: number;
}

export interface Asking extends Memory {
  readonly kind: 'asking';
  readonly number: number;
  /** Index in `stagesOf(shape)`, and the stage there. */
  readonly stage: number;
  readonly asked: Stage;
  readonly digest: ParameterDigest;
  readonly load: Load;
  /** Leaves whose answers are compared, and so not added to others before they are here. */
  readonly alone: readonly Leaf[];
  readonly checks: readonly Check[];
  /** Seats whose faults another worker has confirmed, or was asked to. */
  readonly doubted: ReadonlySet<SeatId>;
  /** Leaves whose answer is not finite. */
  readonly faults: ReadonlyMap<Leaf, Fault>;
  /** Workers that broke or were lost while they were at a leaf. */
  readonly blame: Blame;
  /** When the last leaf was answered, and only checks were left. */
  readonly answeredAt: number | null;
}

export interface Adding extends Memory {
  readonly kind: 'adding';
  readonly number: number;
  readonly stage: number;
}

export type Going = Adding | Asking | Planned;

export type RunState =
  | Going
  /** The run goes on without this coordinator. */
  | { readonly kind: 'dropped'; readonly why: 'fenced' | 'handed-over' }
  | { readonly kind: 'dropped'; readonly why: 'out-of-reach'; readonly error: ErrorReport }
  | { readonly kind: 'ended'; readonly end: RunEnd };

export type RunEvent =
  /**
   * What a coordinator before this one asked of leaves of this stage, beyond their first answers, and which of them the store has
   * answers for that are not believed; seats are told what is left.
   */
  | {
      readonly kind: 'adopted';
      readonly copies: ReadonlyMap<Leaf, number>;
      readonly refused: readonly Leaf[];
    }
  /** A worker is heard of; and what its work waits for until somebody mends it, if it does. */
  | { readonly kind: 'beat'; readonly seat: SeatId; readonly waits: string | null }
  /** A seat's worker could not go on. */
  | { readonly kind: 'broke'; readonly seat: SeatId; readonly error: ErrorReport; readonly final: boolean }
  | { readonly kind: 'cancel' }
  /** The store lost everything it held. */
  | { readonly kind: 'emptied' }
  /** A later coordinator holds the run: this one stops acting. */
  | { readonly kind: 'fenced'; readonly epoch: number | null }
  /** This coordinator stops, and another is to take the run up. */
  | { readonly kind: 'hand-over' }
  /** What the next stage of this iteration is asked with is known: publish it. */
  | { readonly kind: 'inputs'; readonly digest: ParameterDigest }
  | { readonly kind: 'joined'; readonly join: Join }
  | { readonly kind: 'left'; readonly seat: SeatId; readonly lost: boolean }
  /** A seat that another coordinator seated was heard of last so long ago. */
  | { readonly kind: 'quiet'; readonly seat: SeatId; readonly forMs: number }
  /** Where the next iteration is is known: publish its first stage, whatever was left of this one. */
  | { readonly kind: 'move'; readonly digest: ParameterDigest }
  | PostedEvent
  /** The coordinator could not go on: reading, writing or adding failed. */
  | { readonly kind: 'stuck'; readonly error: ErrorReport }
  /** The course is done: nothing is left to ask. */
  | { readonly kind: 'settled' }
  | { readonly kind: 'tick'; readonly now: number }
  | { readonly kind: 'unreachable'; readonly forMs: number };

export interface PostedEvent {
  readonly kind: 'posted';
  readonly seat: SeatId;
  /** Who sat there, and of which class, also when the seat is not held any more. */
  readonly worker: WorkerId;
  readonly numerics: string;
  readonly number: number;
  readonly phase: Phase;
  readonly digest: ParameterDigest;
  readonly leaf: Leaf;
  /** How many leaves, from `leaf` on, it is the answer of. */
  readonly count: number;
  readonly copy: number;
  /** How long a thread was at them; null: another coordinator knew. */
  readonly tookMs: number | null;
  readonly fault: Fault | null;
  /** A digest of the answer where it may be compared (`isCompared`); null elsewhere. */
  readonly print: string | null;
}

export type RunEffect =
  /** Add the kept answers of this stage in the fixed order; then comes `inputs`, `move`, `settled` or `stuck`. */
  | { readonly kind: 'add'; readonly number: number; readonly stage: Stage }
  | {
      readonly kind: 'assign';
      readonly generation: number;
      readonly leaves: ReadonlyMap<SeatId, readonly Leaf[]>;
      readonly again: ReadonlyMap<SeatId, readonly Again[]>;
      readonly alone: readonly Leaf[];
    }
  /** Keep a checkpoint: `due` in any case, else where that is cheap. */
  | { readonly kind: 'checkpoint'; readonly due: boolean }
  | { readonly kind: 'dismiss'; readonly seat: SeatId; readonly error: ErrorReport }
  | { readonly kind: 'end'; readonly end: RunEnd }
  /** The loss is not finite at this iteration's point; then comes `move` or `stuck`. */
  | { readonly kind: 'fault'; readonly error: ErrorReport }
  /** Keep the answer just posted: it is the first for its leaf. */
  | { readonly kind: 'keep' }
  | {
      readonly kind: 'publish';
      readonly number: number;
      readonly stage: Stage;
      readonly digest: ParameterDigest;
    }
  /** Open the run anew in a store that has forgotten it; what follows goes there. */
  | { readonly kind: 'reopen' }
  /** The iteration begins again at its point; then comes `inputs`. */
  | { readonly kind: 'restart' }
  /** Something worth a line. */
  | { readonly kind: 'say'; readonly notice: Notice }
  /** The answers kept for these leaves do not count. */
  | { readonly kind: 'withdraw'; readonly leaves: readonly Leaf[] };

export interface Decision {
  readonly state: RunState;
  readonly effects: readonly RunEffect[];
}

/** Where a run begins whose first question is this one, and what is known of workers from before. */
export function plannedFrom(number: number, stage = 0, crew: Crew = nobody): Planned {
  return {
    kind: 'planned',
    number,
    stage,
    crew,
    now: 0,
    lookedAt: -Infinity,
    absentSince: null,
    absenceSaidAt: null,
    unreachable: false,
    keptAt: 0,
    generation: -1,
    latencies: {},
    homes: new Uint32Array(0),
    edition: 0,
    trusted: new Set(),
  };
}

/** Where a new run begins. */
export const planned: RunState = Object.freeze(plannedFrom(0));

/** What of a state outlives its kind. */
export function memoryOf(state: Going): Memory {
  const { crew, now, lookedAt, absentSince, absenceSaidAt, unreachable } = state;
  const { keptAt, generation, latencies, homes, edition, trusted } = state;
  return {
    crew,
    now,
    lookedAt,
    absentSince,
    absenceSaidAt,
    unreachable,
    keptAt,
    generation,
    latencies,
    homes,
    edition,
    trusted,
  };
}

export function unchanged(state: RunState): Decision {
  return { state, effects: [] };
}
