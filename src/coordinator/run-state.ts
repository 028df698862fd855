/**
 * What does a run do next? A pure function (state, event) → { state, effects }; `coordinator.ts` performs the effects.
 *
 *              inputs                  last leaf answered         inputs (next phase), move (next iteration)
 *   planned ───────────▶ asking ─────────────────────────────▶ adding ───────────────────────────────▶ asking
 *      │                   │ ▲                                    │
 *      │                   └─┘ joined, left, broke, posted        │ settled, stuck
 *      │ cancel            │ cancel, too many breakages           ▼
 *      └──────────────▶ ended ◀──────────────────────────────── ended
 *                     cancelled, failed                      done, failed
 *
 * An iteration is a list of stages (`stagesOf`) at one point; asking is about one stage, and adding is the ordered sum
 * of its answers, which the coordinator performs. Where the next iteration is, if there is one, the run's course knows
 * (`course.ts`). Nothing here knows arrays: answers are kept by the coordinator, and the state knows only which leaves
 * have one.
 *
 * A stage is waited for to its last leaf even when a leaf's answer is a fault, so that the fault reported is the
 * first in the run's own time, whichever seat is fastest. A fault need not be the end: an optimiser that went too far
 * goes back, so the coordinator asks the course.
 */
import { type Assignment, deal, type Leaf, restrict, withoutSeat, withSeat } from '../partition/seats.ts';
import type { ErrorReport, Fault, ParameterDigest, Phase, RunEnd, SeatId } from '../protocol.ts';

/** What a run is made of, as far as deciding goes. */
export interface RunShape {
  readonly shards: number;
  /** Whether the run has a leaf of its own: scalar parts of the loss, or states of the sources that are wanted. */
  readonly sourcesLeaf: boolean;
  readonly phases: 1 | 2;
  /** Whether a backward sweep is wanted at all. */
  readonly gradient: boolean;
  /** Seats that may break before the run fails. */
  readonly breakagesMax: number;
}

/** One question to some leaves. */
export interface Stage {
  readonly phase: Phase;
  readonly leaves: readonly Leaf[];
  /** Whether N-sized results and source states are wanted with this stage: the last that its kind of leaf takes part in. */
  readonly rows: boolean;
}

export type RunState =
  /** `number`: of the first iteration; not 0 in a run that is taken up again. */
  | { readonly kind: 'planned'; readonly number: number; readonly seats: readonly SeatId[] }
  | Asking
  | {
      readonly kind: 'adding';
      readonly number: number;
      readonly stage: number;
      readonly seats: readonly SeatId[];
      readonly breakages: number;
    }
  | { readonly kind: 'ended'; readonly end: RunEnd };

type Going = Exclude<RunState, { kind: 'ended' }>;

interface Asking {
  readonly kind: 'asking';
  readonly number: number;
  /** Index in `stagesOf(shape)`, and the stage there. */
  readonly stage: number;
  readonly asked: Stage;
  readonly digest: ParameterDigest;
  readonly generation: number;
  /** 1 for each leaf (`placeOf`) without an answer; bytes, so that a copy an answer costs nothing. */
  readonly outstanding: Uint8Array;
  /** How many of them are 1. */
  readonly remaining: number;
  readonly assignment: Assignment<SeatId>;
  /** Leaves that no seat holds, because there is no seat. */
  readonly orphans: readonly Leaf[];
  readonly faults: readonly Fault[];
  readonly breakages: number;
}

export type RunEvent =
  /** A seat's worker could not go on. */
  | { readonly kind: 'broke'; readonly seat: SeatId; readonly error: ErrorReport; readonly final: boolean }
  | { readonly kind: 'cancel' }
  /** A later coordinator holds the run: this one stops acting. */
  | { readonly kind: 'fenced' }
  /** What the next stage of this iteration is asked with is known: publish it. */
  | { readonly kind: 'inputs'; readonly digest: ParameterDigest }
  | { readonly kind: 'joined'; readonly seat: SeatId }
  | { readonly kind: 'left'; readonly seat: SeatId }
  /** Where the next iteration is is known: publish its first stage, whatever was left of this one. */
  | { readonly kind: 'move'; readonly digest: ParameterDigest }
  | {
      readonly kind: 'posted';
      readonly number: number;
      readonly phase: Phase;
      readonly digest: ParameterDigest;
      readonly leaf: Leaf;
      readonly fault: Fault | null;
    }
  /** The coordinator could not go on: reading, writing or adding failed. */
  | { readonly kind: 'stuck'; readonly error: ErrorReport }
  /** The course is done: nothing is left to ask. */
  | { readonly kind: 'settled' };

export type RunEffect =
  /** Add the kept answers of this stage in the fixed order; then comes `inputs`, `move`, `settled` or `stuck`. */
  | { readonly kind: 'add'; readonly number: number; readonly stage: Stage }
  | { readonly kind: 'assign'; readonly generation: number; readonly leaves: Assignment<SeatId> }
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
  /** Something worth a line in the log. */
  | { readonly kind: 'say'; readonly text: string };

export interface Decision {
  readonly state: RunState;
  readonly effects: readonly RunEffect[];
}

/** Where a run begins whose first iteration has this number. */
export function plannedFrom(number: number): RunState {
  return { kind: 'planned', number, seats: [] };
}

/** Where a new run begins. */
export const planned: RunState = Object.freeze(plannedFrom(0));

/**
 * The stages of one iteration.
 *
 *   one phase     all leaves at once
 *   two phases    S from the shards; h and ∂h/∂S from the run's own leaf; the backward sweep of all leaves
 */
export function stagesOf(shape: RunShape): readonly Stage[] {
  const shards: readonly Leaf[] = Array.from({ length: shape.shards }, (_, s) => s);
  const own: readonly Leaf[] = shape.sourcesLeaf ? ['sources'] : [];
  if (shape.phases === 1) {
    return [{ phase: shape.gradient ? 'gradient' : 'sums', leaves: [...shards, ...own], rows: true }];
  }
  const stages: readonly Stage[] = [
    { phase: 'sums', leaves: shards, rows: !shape.gradient },
    { phase: 'head', leaves: ['sources'], rows: !shape.gradient },
    { phase: 'gradient', leaves: [...shards, 'sources'], rows: true },
  ];
  return shape.gradient ? stages : stages.slice(0, 2);
}

/** One event; an event that means nothing in this state changes nothing. */
export function decide(shape: RunShape, state: RunState, event: RunEvent): Decision {
  if (state.kind === 'ended') return unchanged(state);
  switch (event.kind) {
    case 'broke':
      return broke(shape, state, event);
    case 'cancel':
      return ended({ kind: 'cancelled' });
    case 'fenced':
      return {
        state: { kind: 'ended', end: { kind: 'cancelled' } },
        effects: [{ kind: 'say', text: 'fenced by a later epoch' }],
      };
    case 'inputs':
      return ask(shape, state, event.digest);
    case 'joined':
      return joined(shape, state, event.seat);
    case 'left':
      return left(shape, state, event.seat);
    case 'move':
      return state.kind === 'adding'
        ? askStage(shape, state, { number: state.number + 1, stage: 0 }, event.digest)
        : unchanged(state);
    case 'posted':
      return posted(shape, state, event);
    case 'settled':
      return state.kind === 'adding' ? ended({ kind: 'done' }) : unchanged(state);
    case 'stuck':
      return ended({ kind: 'failed', error: event.error });
  }
}

// --- asking -----------------------------------------------------------------------------------------------

function ask(shape: RunShape, state: Going, digest: ParameterDigest): Decision {
  switch (state.kind) {
    case 'planned':
      return askStage(shape, state, { number: state.number, stage: 0 }, digest);
    case 'adding':
      return askStage(shape, state, { number: state.number, stage: state.stage + 1 }, digest);
    case 'asking':
      return unchanged(state);
  }
}

function askStage(
  shape: RunShape,
  state: Exclude<Going, Asking>,
  { number, stage: index }: { readonly number: number; readonly stage: number },
  digest: ParameterDigest,
): Decision {
  const stage = stagesOf(shape)[index];
  if (stage === undefined) return unchanged(state);
  const assignment = deal(stage.leaves, state.seats);
  return {
    state: {
      kind: 'asking',
      number,
      stage: index,
      asked: stage,
      digest,
      generation: 0,
      outstanding: marks(shape, stage.leaves),
      remaining: stage.leaves.length,
      assignment,
      orphans: state.seats.length === 0 ? stage.leaves : [],
      faults: [],
      breakages: state.kind === 'adding' ? state.breakages : 0,
    },
    effects: [
      { kind: 'publish', number, stage, digest },
      { kind: 'assign', generation: 0, leaves: assignment },
    ],
  };
}

function posted(shape: RunShape, state: RunState, event: Extract<RunEvent, { kind: 'posted' }>): Decision {
  if (state.kind !== 'asking') return unchanged(state);
  const { number, asked, digest } = state;
  const current = event.number === number && event.phase === asked.phase && event.digest === digest;
  const place = placeOf(shape, event.leaf);
  if (!current || state.outstanding[place] !== 1) return unchanged(state);
  const outstanding = state.outstanding.slice();
  outstanding[place] = 0;
  const remaining = state.remaining - 1;
  const faults = event.fault === null ? state.faults : [...state.faults, event.fault];
  const keep: RunEffect = { kind: 'keep' };
  if (remaining > 0) return { state: { ...state, outstanding, remaining, faults }, effects: [keep] };
  const { stage, assignment, breakages } = state;
  const [first] = [...faults].sort(earlier);
  return {
    state: { kind: 'adding', number, stage, seats: [...assignment.keys()], breakages },
    effects: [
      keep,
      first === undefined
        ? { kind: 'add', number, stage: asked }
        : { kind: 'fault', error: nonFinite(first) },
    ],
  };
}

/** Where a leaf is marked: shards by index, the run's own leaf after them. */
function placeOf(shape: RunShape, leaf: Leaf): number {
  return leaf === 'sources' ? shape.shards : leaf;
}

function marks(shape: RunShape, leaves: readonly Leaf[]): Uint8Array {
  const marked = new Uint8Array(shape.shards + 1);
  for (const leaf of leaves) marked[placeOf(shape, leaf)] = 1;
  return marked;
}

// --- seats ------------------------------------------------------------------------------------------------

function joined(shape: RunShape, state: Going, seat: SeatId): Decision {
  if (state.kind !== 'asking') {
    return state.seats.includes(seat)
      ? unchanged(state)
      : unchanged({ ...state, seats: [...state.seats, seat] });
  }
  if (state.assignment.has(seat)) return unchanged(state);
  const assignment = withSeat(open(shape, state), seat, state.orphans);
  return reassign(state, assignment, []);
}

function left(shape: RunShape, state: Going, seat: SeatId): Decision {
  if (state.kind !== 'asking') return unchanged({ ...state, seats: state.seats.filter((s) => s !== seat) });
  if (!state.assignment.has(seat)) return unchanged(state);
  const rest = withoutSeat(open(shape, state), seat);
  return reassign(state, rest.assignment, [...state.orphans, ...rest.orphans]);
}

function broke(shape: RunShape, state: Going, event: Extract<RunEvent, { kind: 'broke' }>): Decision {
  const breakages = (state.kind === 'planned' ? 0 : state.breakages) + 1;
  if (event.final || breakages > shape.breakagesMax) return ended({ kind: 'failed', error: event.error });
  const counted = state.kind === 'planned' ? state : { ...state, breakages };
  const { state: after, effects } = left(shape, counted, event.seat);
  return {
    state: after,
    effects: [{ kind: 'say', text: `worker lost: ${event.error.message}` }, ...effects],
  };
}

/** How many leaves a seat has yet to answer. */
export function stillOpen(shape: RunShape, state: RunState, seat: SeatId): number {
  if (state.kind !== 'asking') return 0;
  return open(shape, state).get(seat)?.length ?? 0;
}

/** What is still to be answered of the current assignment. */
function open(shape: RunShape, state: Asking): Assignment<SeatId> {
  return restrict(state.assignment, (leaf) => state.outstanding[placeOf(shape, leaf)] === 1);
}

function reassign(state: Asking, assignment: Assignment<SeatId>, orphans: readonly Leaf[]): Decision {
  const generation = state.generation + 1;
  return {
    state: { ...state, generation, assignment, orphans },
    effects: [{ kind: 'assign', generation, leaves: assignment }],
  };
}

// --- ends -------------------------------------------------------------------------------------------------

function ended(end: RunEnd): Decision {
  return { state: { kind: 'ended', end }, effects: [{ kind: 'end', end }] };
}

function unchanged(state: RunState): Decision {
  return { state, effects: [] };
}

const whatOrder = { state: 0, loss: 1, gradient: 2 } as const;

/** In the run's own time: states before losses before gradients, earlier steps first, sources first, lower rows first. */
function earlier(a: Fault, b: Fault): number {
  return (
    whatOrder[a.what] - whatOrder[b.what] ||
    a.step - b.step ||
    Number(a.group === 'tracers') - Number(b.group === 'tracers') ||
    a.row - b.row
  );
}

/** The fault as an error; the coordinator adds the time of the step and the names. */
function nonFinite(fault: Fault): ErrorReport {
  const { group, what, row, step } = fault;
  return {
    tag: 'NonFiniteError',
    message: `the ${what} is not finite: ${group} row ${row}, step ${step}`,
    details: { group, what, row, step },
  };
}
