/**
 * What does a worker do with its seat next? A pure function (state, event) → { state, effects }; `worker.ts` performs the
 * effects.
 *
 *               view: leaves for this seat, or a wave is over and more are left
 *      waiting ───────────────────────────────────────────────────────────────▶ computing
 *       │   ▲                                                                     │  │
 *       │   │ waved                     view: nobody wants the wave any more      │  │
 *       │   └───────────────────────── halting ◀──────────────────────────────────┘  │
 *       │ drain                                                                      │ waved, no leaf left ─▶ waiting
 *       ▼                                                                            ▼ waved while draining
 *      gone ◀── from every state: end, dismissed, failed (leave); fenced, silent for longer than a lease (fence) ── gone
 *
 * Leaves are evaluated in waves, so that a plan may move what is not started: a wave is as many leaves as take about
 * `waveMs`, at least one a thread. A leaf that is answered here is not evaluated here again for the same question, whatever
 * plans say, because its posting is on its way or has been refused for a reason that a second one would meet too.
 */
import type { ErrorReport, Iteration, LeafName, Phase } from '../protocol.ts';

/** One leaf to be answered. */
export interface Task {
  readonly leaf: LeafName;
  /** Which answer of it; 0 but for what the plan asks again. */
  readonly copy: number;
  /** Whether its N-sized results are written. */
  readonly rows: boolean;
  /** Whether it is answered for itself, as the answer is compared with another. */
  readonly alone: boolean;
}

/** One phase of one iteration. */
export interface Question {
  /** Two questions are one when these are equal. */
  readonly key: string;
  readonly phase: Phase;
}

/**
 * The question that an iteration asks. A coordinator that took the run over and asks the same again has thrown away what was
 * answered, so the epoch is part of it; one that adopts the answers leaves the iteration as it was.
 */
export function questionOf({ epoch, number, phase, parameterDigest }: Iteration): Question {
  return { key: `${epoch} ${number} ${phase} ${parameterDigest}`, phase };
}

export interface SeatLimits {
  /** Leaves that are in flight at once at least: one a thread. */
  readonly threads: number;
  /** How long a wave should take; Infinity where nothing can move, because there is no other seat. */
  readonly waveMs: number;
  /** Silence of the store after which the seat has lapsed. */
  readonly leaseMs: number;
  /** How long a drain waits for what is started. */
  readonly drainMs: number;
}

export type SeatState =
  | Held
  /** The seat is given up, or (`fenced`) was taken from it: nothing that is still under way may be posted. */
  | { readonly kind: 'gone'; readonly why: 'dismissed' | 'drained' | 'ended' | 'failed' | 'fenced' };

interface Held {
  readonly kind: 'computing' | 'halting' | 'waiting';
  readonly question: Question | null;
  /** What the plan gives this seat and no wave has taken, in order. */
  readonly todo: readonly Task[];
  /** What is being evaluated and not answered. */
  readonly wave: readonly Task[];
  /** Leaves in the wave when it began. */
  readonly waveSize: number;
  /** `nameOf` of what is answered of the question. */
  readonly answered: ReadonlySet<string>;
  /** Milliseconds a leaf took in the last wave of each phase. */
  readonly paces: Readonly<Partial<Record<Phase, number>>>;
  /** When a drain gives up waiting; null: not draining. */
  readonly drainBy: number | null;
}

export type SeatEvent =
  /** These leaves of the wave have an answer that is on its way. */
  | { readonly kind: 'answered'; readonly key: string; readonly tasks: readonly Task[] }
  /** The worker is to stop: SIGTERM. */
  | { readonly kind: 'drain'; readonly now: number }
  /** Reading, evaluating, writing or posting failed. */
  | { readonly kind: 'failed'; readonly error: ErrorReport }
  /** The store says that this seat is not held any more. */
  | { readonly kind: 'fenced' }
  /** The store has not answered for so long. */
  | { readonly kind: 'silent'; readonly forMs: number }
  | { readonly kind: 'tick'; readonly now: number }
  /** The run as it stands. */
  | {
      readonly kind: 'view';
      readonly question: Question | null;
      /** What the plan gives this seat, in order. */
      readonly tasks: readonly Task[];
      readonly ended: boolean;
      readonly dismissed: ErrorReport | null;
    }
  /** The evaluation is over, to its end or because it was halted. */
  | { readonly kind: 'waved'; readonly tookMs: number };

export type SeatEffect =
  /** Evaluate these leaves of this question; `answered` as they come, `waved` at the end. */
  | { readonly kind: 'evaluate'; readonly question: Question; readonly tasks: readonly Task[] }
  /** Nothing may be posted under this seat any more; the worker may lease another. */
  | { readonly kind: 'fence' }
  /** Stop the evaluation at once: nobody wants it. `waved` follows. */
  | { readonly kind: 'halt' }
  /** Post what is finished, then give the seat up. */
  | { readonly kind: 'leave'; readonly error: ErrorReport | null };

export interface SeatDecision {
  readonly state: SeatState;
  readonly effects: readonly SeatEffect[];
}

/** Where every seat begins. */
export const seated: SeatState = Object.freeze({
  kind: 'waiting',
  question: null,
  todo: [],
  wave: [],
  waveSize: 0,
  answered: new Set<string>(),
  paces: {},
  drainBy: null,
});

/** One event; an event that means nothing in this state changes nothing. */
export function decideSeat(limits: SeatLimits, state: SeatState, event: SeatEvent): SeatDecision {
  if (state.kind === 'gone') return { state, effects: [] };
  switch (event.kind) {
    case 'answered':
      return { state: answered(state, event), effects: [] };
    case 'drain':
      return state.kind === 'waiting'
        ? gone(state, 'drained', null)
        : { state: { ...state, todo: [], drainBy: event.now + limits.drainMs }, effects: [] };
    case 'failed':
      return gone(state, 'failed', event.error);
    case 'fenced':
      return fenced(state);
    case 'silent':
      return event.forMs >= limits.leaseMs ? fenced(state) : { state, effects: [] };
    case 'tick':
      return state.kind === 'computing' && state.drainBy !== null && event.now >= state.drainBy
        ? halt(state)
        : { state, effects: [] };
    case 'view':
      return viewed(limits, state, event);
    case 'waved':
      return waved(limits, state, event.tookMs);
  }
}

/** What one leaf's answer is called among the answers of a question. */
function nameOf({ leaf, copy }: Task): string {
  return `${leaf} ${copy}`;
}

// --- what is asked ----------------------------------------------------------------------------------------

function viewed(
  limits: SeatLimits,
  state: Held,
  { question, tasks, ended, dismissed }: Extract<SeatEvent, { kind: 'view' }>,
): SeatDecision {
  if (dismissed !== null) return gone(state, 'dismissed', dismissed);
  if (ended) return gone(state, 'ended', null);
  if (state.drainBy !== null) return { state, effects: [] };
  const same = question?.key === state.question?.key;
  const already = same ? state.answered : new Set<string>();
  const flying = new Set(same ? state.wave.map(nameOf) : []);
  const wanted = tasks.filter((task) => !already.has(nameOf(task)));
  const todo = wanted.filter((task) => !flying.has(nameOf(task)));
  const next: Held = { ...state, question, todo, answered: already };
  switch (state.kind) {
    case 'computing':
      // One leaf of the wave that is wanted still, or being posted, keeps it: what is started is not thrown away for a plan.
      return same && (wanted.length > todo.length || state.wave.length === 0)
        ? { state: next, effects: [] }
        : halt(next);
    case 'halting':
      return { state: next, effects: [] };
    case 'waiting':
      return begin(limits, next);
  }
}

function halt(state: Held): SeatDecision {
  return { state: { ...state, kind: 'halting', wave: [] }, effects: [{ kind: 'halt' }] };
}

// --- waves ------------------------------------------------------------------------------------------------

/** Take the next leaves from the list, if there are any. */
function begin(limits: SeatLimits, state: Held): SeatDecision {
  const { question, todo, paces } = state;
  if (question === null || todo.length === 0) {
    return { state: { ...state, kind: 'waiting', wave: [], waveSize: 0 }, effects: [] };
  }
  const count = waveLength(limits, todo, paces[question.phase] ?? null);
  const wave = todo.slice(0, count);
  return {
    state: { ...state, kind: 'computing', wave, waveSize: count, todo: todo.slice(count) },
    effects: [{ kind: 'evaluate', question, tasks: wave }],
  };
}

/**
 * How many leaves come next: as many as take about `waveMs`; before the first wave of a phase, one a thread. Leaves whose
 * rows are not written are no part of a wave of others, because rows are asked for by the wave.
 */
function waveLength({ threads, waveMs }: SeatLimits, todo: readonly Task[], paceMs: number | null): number {
  const rows = todo[0]?.rows;
  const alike = todo.findIndex((task) => task.rows !== rows);
  const most = alike < 0 ? todo.length : alike;
  if (waveMs === Infinity) return most;
  const fitting = paceMs === null ? threads : Math.floor(waveMs / Math.max(paceMs, 1e-3));
  return Math.min(most, Math.max(threads, fitting));
}

function answered(state: Held, { key, tasks }: Extract<SeatEvent, { kind: 'answered' }>): Held {
  if (state.question?.key !== key) return state;
  const names = new Set(tasks.map(nameOf));
  const without = (list: readonly Task[]): readonly Task[] => list.filter((task) => !names.has(nameOf(task)));
  const all = new Set([...state.answered, ...names]);
  // A wave that is halted may answer one more leaf, which a plan has brought back meanwhile.
  return { ...state, wave: without(state.wave), todo: without(state.todo), answered: all };
}

function waved(limits: SeatLimits, state: Held, tookMs: number): SeatDecision {
  if (state.kind === 'waiting') return { state, effects: [] };
  if (state.drainBy !== null) return gone({ ...state, kind: 'waiting' }, 'drained', null);
  if (state.kind === 'halting' || state.question === null || state.waveSize === 0) {
    return begin(limits, { ...state, wave: [] });
  }
  const paces = { ...state.paces, [state.question.phase]: tookMs / state.waveSize };
  return begin(limits, { ...state, wave: [], paces });
}

// --- ends -------------------------------------------------------------------------------------------------

function gone(
  state: Held,
  why: 'dismissed' | 'drained' | 'ended' | 'failed',
  error: ErrorReport | null,
): SeatDecision {
  const effects: readonly SeatEffect[] = [...stopping(state), { kind: 'leave', error }];
  return { state: { kind: 'gone', why }, effects };
}

function fenced(state: Held): SeatDecision {
  return { state: { kind: 'gone', why: 'fenced' }, effects: [...stopping(state), { kind: 'fence' }] };
}

function stopping(state: Held): readonly SeatEffect[] {
  return state.kind === 'computing' ? [{ kind: 'halt' }] : [];
}
