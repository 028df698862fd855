/**
 * What becomes of a compute child? Pure: `(state, event) → { state, effects }`.
 *
 *             asked                  answered                  asked
 *   absent ──────────▶ opening ────────────────▶ idle ◀─────────────────▶ busy
 *     ▲                   │                        │      answered           │
 *     │                   │ silent, lost           │ lost                    │ silent, lost
 *     │                   └───────────┬────────────┴─────────────────────────┘
 *     │ redo                          ▼
 *     └──────────── ended ──────── ending ──────── ended ──▶ failed   (restarts used up, for good)
 *
 * From every state with a process, `ended` without a kill (a crash) goes where `ending` goes. A device that is lost, hangs
 * or runs out of memory, and a process that dies, are all answered alike: SIGKILL, a fresh process, the same question
 * again, whose answer has the same bits. Only an evaluation that completes gives the restarts back.
 *
 *   silent: nothing heard for max(least, factor × average time between two signs of progress); before the first, `first`, or
 *   where this process has completed an evaluation, max(least, factor × the longest that the first sign of one took)
 */

/** Why a child is of no use any more. */
export type Outcome =
  | { readonly code: 'CHILD_CRASHED'; readonly exitCode: number | null; readonly signal: string | null }
  | { readonly code: 'GPU_HUNG'; readonly silentMs: number }
  | { readonly code: 'GPU_LOST'; readonly reason: string }
  | { readonly code: 'OUT_OF_MEMORY'; readonly reason: string; readonly bytes: number | null };

/** Every code of it. */
export const lossCodes = [
  'CHILD_CRASHED',
  'GPU_HUNG',
  'GPU_LOST',
  'OUT_OF_MEMORY',
] as const satisfies readonly Outcome['code'][];

export interface Limits {
  /** Fresh processes for one evaluation. */
  readonly restartsMax: number;
  /** Longest silence before the first sign of progress. */
  readonly firstMs: number;
  /** Longest silence between two: this, or `factor` times the average. */
  readonly leastMs: number;
  readonly factor: number;
}

export const defaultLimits: Limits = Object.freeze({
  restartsMax: 3,
  firstMs: 60_000,
  leastMs: 10_000,
  factor: 8,
});

/** For the reference, which computes in the thread that would answer: nobody can tell whether it hangs. */
export const patientLimits: Limits = Object.freeze({
  ...defaultLimits,
  firstMs: Number.POSITIVE_INFINITY,
  leastMs: Number.POSITIVE_INFINITY,
});

export type ChildState =
  | { readonly kind: 'absent'; readonly restarts: number }
  | { readonly kind: 'opening'; readonly restarts: number; readonly watch: Watch }
  | { readonly kind: 'idle'; readonly restarts: number; readonly known: Known }
  | { readonly kind: 'busy'; readonly restarts: number; readonly known: Known; readonly watch: Watch }
  | { readonly kind: 'ending'; readonly restarts: number; readonly outcome: Outcome }
  | { readonly kind: 'failed'; readonly outcome: Outcome };

/** The longest, in ms, until the first sign of an evaluation that this process has completed; null: it has completed none. */
type Known = number | null;

/** What was heard of a child at work; times in ms on a monotonic clock. */
interface Watch {
  readonly since: number;
  readonly first: number | null;
  readonly last: number;
  readonly signs: number;
  /** What its first sign may be held against; null: nothing. */
  readonly known: Known;
}

export type ChildEvent =
  /** Something is wanted of the child; `evaluates`: it is an evaluation. */
  | { readonly kind: 'asked'; readonly at: number; readonly evaluates: boolean }
  /** A sign of progress. */
  | { readonly kind: 'heard'; readonly at: number }
  /** What was asked is answered; `complete`: it was an evaluation. */
  | { readonly kind: 'answered'; readonly complete: boolean }
  /** Time passed. */
  | { readonly kind: 'checked'; readonly at: number }
  /** The child says that its device is gone, or its supervisor that it must be. */
  | { readonly kind: 'lost'; readonly outcome: Outcome }
  /** The process is gone. */
  | { readonly kind: 'ended'; readonly exitCode: number | null; readonly signal: string | null };

export type ChildEffect =
  | { readonly kind: 'start' }
  | { readonly kind: 'kill' }
  /** Ask again from the beginning: open, load, bind, and what was being asked. */
  | { readonly kind: 'redo'; readonly outcome: Outcome; readonly restart: number }
  | { readonly kind: 'give-up'; readonly outcome: Outcome };

export interface Decision {
  readonly state: ChildState;
  readonly effects: readonly ChildEffect[];
}

export const absent: ChildState = Object.freeze({ kind: 'absent', restarts: 0 });

export function decide(state: ChildState, event: ChildEvent, limits: Limits): Decision {
  switch (event.kind) {
    case 'asked':
      return asked(state, event.at, event.evaluates);
    case 'heard':
      return heard(state, event.at);
    case 'answered':
      return answered(state, event.complete);
    case 'checked':
      return checked(state, event.at, limits);
    case 'lost':
      return hasProcess(state) ? ending(state, event.outcome) : unchanged(state);
    case 'ended':
      return ended(state, { code: 'CHILD_CRASHED', exitCode: event.exitCode, signal: event.signal }, limits);
  }
}

function asked(state: ChildState, at: number, evaluates: boolean): Decision {
  const watch: Watch = { since: at, first: null, last: at, signs: 0, known: null };
  switch (state.kind) {
    case 'absent':
      return { state: { kind: 'opening', restarts: state.restarts, watch }, effects: [{ kind: 'start' }] };
    case 'idle':
      return unchanged({
        ...state,
        kind: 'busy',
        watch: evaluates ? { ...watch, known: state.known } : watch,
      });
    case 'failed':
      return { state, effects: [{ kind: 'give-up', outcome: state.outcome }] };
    case 'busy':
    case 'ending':
    case 'opening':
      return unchanged(state);
  }
}

function heard(state: ChildState, at: number): Decision {
  if (state.kind !== 'busy') return unchanged(state);
  const { watch } = state;
  return unchanged({
    ...state,
    watch: { ...watch, first: watch.first ?? at, last: at, signs: watch.signs + 1 },
  });
}

function answered(state: ChildState, complete: boolean): Decision {
  if (state.kind !== 'busy' && state.kind !== 'opening') return unchanged(state);
  const known = state.kind === 'busy' ? state.known : null;
  const { first, since } = state.watch;
  if (!complete) return unchanged({ kind: 'idle', restarts: state.restarts, known });
  return unchanged({
    kind: 'idle',
    restarts: 0,
    known: first === null ? known : Math.max(known ?? 0, first - since),
  });
}

function checked(state: ChildState, at: number, limits: Limits): Decision {
  if (state.kind !== 'busy' && state.kind !== 'opening') return unchanged(state);
  const silentMs = at - state.watch.last;
  return silentMs > patience(state.watch, limits)
    ? ending(state, { code: 'GPU_HUNG', silentMs })
    : unchanged(state);
}

function patience({ since, last, signs, known }: Watch, { firstMs, leastMs, factor }: Limits): number {
  if (signs > 0) return Math.max(leastMs, (factor * (last - since)) / signs);
  return known === null ? firstMs : Math.min(firstMs, Math.max(leastMs, factor * known));
}

function ended(state: ChildState, crash: Outcome, limits: Limits): Decision {
  if (!hasProcess(state) && state.kind !== 'ending') return unchanged(state);
  const outcome = state.kind === 'ending' ? state.outcome : crash;
  const restarts = state.restarts + 1;
  return restarts > limits.restartsMax
    ? { state: { kind: 'failed', outcome }, effects: [{ kind: 'give-up', outcome }] }
    : { state: { kind: 'absent', restarts }, effects: [{ kind: 'redo', outcome, restart: restarts }] };
}

type WithProcess = Extract<ChildState, { readonly kind: 'busy' | 'idle' | 'opening' }>;

function hasProcess(state: ChildState): state is WithProcess {
  return state.kind === 'busy' || state.kind === 'idle' || state.kind === 'opening';
}

function ending({ restarts }: WithProcess, outcome: Outcome): Decision {
  return { state: { kind: 'ending', restarts, outcome }, effects: [{ kind: 'kill' }] };
}

const unchanged = (state: ChildState): Decision => ({ state, effects: [] });

/** An outcome as a sentence. */
export function outcomeText(outcome: Outcome): string {
  switch (outcome.code) {
    case 'CHILD_CRASHED':
      return outcome.signal === null
        ? `its process ended with exit code ${outcome.exitCode}`
        : `its process was ended by ${outcome.signal}`;
    case 'GPU_HUNG':
      return `it made no progress for ${(outcome.silentMs / 1000).toFixed(1)} s`;
    case 'GPU_LOST':
      return `the device was lost: ${outcome.reason}`;
    case 'OUT_OF_MEMORY':
      return outcome.bytes === null
        ? `it ran out of memory: ${outcome.reason}`
        : `it ran out of memory at ${outcome.bytes} bytes: ${outcome.reason}`;
  }
}
