/**
 * What does a run do next? A pure function (state, event) → { state, effects }; `coordinator.ts` performs the effects.
 *
 *              inputs                  last leaf answered         inputs (next phase), move (next iteration)
 *   planned ───────────▶ asking ─────────────────────────────▶ adding ───────────────────────────────▶ asking
 *    │   ▲                 │ │ ▲                                  │
 *    │   │ a liar's answers│ │ └─┐ joined, left, broke, posted,   │ settled, stuck
 *    │   │ are in the sums │ └───┘ tick, emptied                  │
 *    │   └─────────────────┘                                      │
 *    │ cancel              │ cancel, too many breakages,          ▼
 *    └─────────────────▶ ended ◀── poison, no majority ──────── ended    fenced, hand-over, out of reach: from every state
 *                     cancelled, failed                      done, failed                    ▼
 *                                                                                         dropped
 *
 * An iteration is a list of stages (`stagesOf`) at one point; asking is about one stage, and adding is the ordered sum
 * of its answers, which the coordinator performs. Where the next iteration is, if there is one, the run's course knows
 * (`course.ts`). Nothing here knows arrays: answers are kept by the coordinator, and the state knows only which leaves
 * have one. Nothing here knows a clock: time comes with `tick`, and limits are data (`rules.ts`).
 *
 * A stage is waited for to its last leaf even when a leaf's answer is a fault, so that the fault reported is the
 * first in the run's own time, whichever seat is fastest. A fault need not be the end: an optimiser that went too far
 * goes back, so the coordinator asks the course.
 *
 * Who sits is decided in `crew.ts` and `seating.ts`, who works on what in `load.ts` and `homes.ts`, whom to believe in
 * `second-opinions.ts`, what to do when nothing happens in `watch.ts`.
 */
import { type Leaf, leavesFrom } from '../partition/seats.ts';
import type { ErrorReport, ParameterDigest, SeatId } from '../protocol.ts';
import { auditedIn } from './audited.ts';
import { amend, answering, type Crew, hearAll, isEnough, isReady, serialOf, unsuspected } from './crew.ts';
import { foresee } from './foresight.ts';
import { settle } from './homes.ts';
import {
  answer,
  copyOf,
  countFrom,
  isOpen,
  type Latency,
  type Load,
  newLoad,
  openCount,
  plus,
  restartClocks,
  sharersOf,
} from './load.ts';
import type { Notice } from './notice.ts';
import { noBlame } from './poison.ts';
import { tryOut } from './relief.ts';
import {
  type Adding,
  type Asking,
  type Decision,
  type Going,
  memoryOf,
  type Planned,
  type PostedEvent,
  type RunEffect,
  type RunEvent,
  type RunState,
  unchanged,
} from './run-events.ts';
import { broke, emptied, heardAgain, joined, left } from './seating.ts';
import {
  audit,
  checkFor,
  doubt,
  isDoubtful,
  opine,
  replaceCopies,
  withoutForesight,
} from './second-opinions.ts';
import { placeOf, type RunShape, type Stage, stagesOf } from './stage.ts';
import {
  also,
  assignmentOf,
  change,
  conclude,
  ended,
  hands,
  heard,
  move,
  present,
  type Turn,
  turnOf,
} from './turn.ts';
import { averageOf, stealFor, tick } from './watch.ts';

/** One event; an event that means nothing in this state changes nothing. */
export function decide(shape: RunShape, state: RunState, event: RunEvent): Decision {
  if (state.kind === 'ended' || state.kind === 'dropped') return unchanged(state);
  switch (event.kind) {
    case 'adopted':
      return state.kind === 'asking' ? adopted(shape, state, event) : unchanged(state);
    case 'beat':
      return beat(shape, state, event);
    case 'broke':
      return broke(shape, state, event);
    case 'cancel':
      return ended({ kind: 'cancelled' }, [
        { kind: 'checkpoint', due: true },
        { kind: 'say', notice: { code: 'CANCELLED', number: state.number } },
      ]);
    case 'emptied':
      return emptied(state);
    case 'fenced':
      return {
        state: { kind: 'dropped', why: 'fenced' },
        effects: [{ kind: 'say', notice: { code: 'FENCED', epoch: event.epoch } }],
      };
    case 'hand-over':
      return handedOver(state);
    case 'inputs':
      return state.kind === 'asking' ? unchanged(state) : askNext(shape, state, event.digest);
    case 'joined':
      return joined(shape, state, event.join);
    case 'left':
      return left(shape, state, event);
    case 'move':
      return state.kind === 'adding' ? askFirst(shape, state, event.digest) : unchanged(state);
    case 'posted':
      return state.kind === 'asking' ? posted(shape, state, event) : unchanged(state);
    case 'quiet':
      return unchanged({
        ...state,
        crew: amend(state.crew, event.seat, { heardAt: state.now - event.forMs }),
      });
    case 'settled':
      return state.kind === 'adding' ? ended({ kind: 'done' }) : unchanged(state);
    case 'stuck':
      return stuck(event.error);
    case 'tick':
      return tick(shape, state, event.now);
    case 'unreachable':
      return unreachable(state, event.forMs);
  }
}

// --- asking -----------------------------------------------------------------------------------------------

/** The next stage of this iteration, or the one that a run begins with. */
function askNext(shape: RunShape, state: Adding | Planned, digest: ParameterDigest): Decision {
  const stage = state.kind === 'planned' ? state.stage : state.stage + 1;
  return ask(shape, state, { number: state.number, stage }, digest);
}

/** The first stage of the next iteration. */
function askFirst(shape: RunShape, state: Adding, digest: ParameterDigest): Decision {
  return ask(
    shape,
    { ...state, trusted: new Set(), edition: 0 },
    { number: state.number + 1, stage: 0 },
    digest,
  );
}

function ask(
  shape: RunShape,
  state: Adding | Planned,
  { number, stage: index }: { readonly number: number; readonly stage: number },
  digest: ParameterDigest,
): Decision {
  const stage = stagesOf(shape)[index];
  if (stage === undefined) return unchanged(state);
  const { now, homes } = state;
  const crew = unsuspected(state.crew);
  const ready = hands(crew);
  // Where the work of all waits, somebody has to begin as soon as it does not.
  const able = !isEnough(shape.rules, crew) ? [] : ready.length > 0 ? ready : present(crew);
  const speaking = answering(able);
  const shares = settle(stage.leaves, speaking, (leaf) => homes[placeOf(shape, leaf)] ?? 0);
  const load = newLoad(shape.shards, stage.leaves, crew.members.values(), shares, state.edition, now);
  const generation = state.generation + 1;
  const alone = stage.leaves.filter(auditedIn(shape, number, stage.phase));
  // Of what a coordinator before this one asked, the store tells later.
  const audited = state.kind === 'planned' ? { load, checks: [] } : foresee(crew, load, alone);
  const mute = able.filter((member) => !speaking.includes(member)).map(({ seat }) => seat);
  const due = now - state.keptAt >= shape.rules.checkpointMs;
  const kept: readonly RunEffect[] = state.kind === 'planned' ? [] : [{ kind: 'checkpoint', due }];
  const next: Asking = {
    ...memoryOf(state),
    kind: 'asking',
    latencies: faded(state.latencies, stage),
    crew,
    number,
    stage: index,
    asked: stage,
    digest,
    generation,
    keptAt: due ? now : state.keptAt,
    load: tryOut(audited.load, mute, alone, now),
    alone,
    checks: audited.checks,
    doubted: new Set(),
    faults: new Map(),
    blame: noBlame,
    answeredAt: null,
  };
  return {
    state: next,
    effects: [
      { kind: 'publish', number, stage, digest },
      { kind: 'assign', generation, ...assignmentOf(next) },
      ...kept,
    ],
  };
}

// --- answers ----------------------------------------------------------------------------------------------

function posted(shape: RunShape, state: Asking, event: PostedEvent): Decision {
  const { number, asked, digest } = state;
  if (event.number !== number || event.phase !== asked.phase || event.digest !== digest)
    return unchanged(state);
  const { copy } = event;
  const leaves = leavesFrom(event.leaf, event.count);
  const load = counted(state.load, leaves, copy);
  const crew = spoken(state.crew, event.seat);
  const turn = turnOf(load === state.load && crew === state.crew ? state : { ...state, crew, load });
  const first = leaves.filter((leaf) => isOpen(load, leaf) && copy === copyOf(load, leaf));
  const counts = !crew.dismissed.has(event.seat) && !crew.quarantined.has(event.worker);
  if (!counts || (first.length > 0 && first.length < leaves.length)) {
    // The store took it, and takes no other for this copy: before its seat was dismissed or its worker sent away, or before it
    // forgot others.
    return first.length > 0 ? conclude(replaceCopies(shape, turn, first)) : unchanged(turn.state);
  }
  if (first.length > 0) return conclude(takeMore(shape, answered(shape, turn, event, leaves), event, leaves));
  const check = checkFor(state, event);
  return check === null ? unchanged(turn.state) : opine(shape, turn, check, event);
}

/** A seat that answers what is asked is asked as others are. */
function spoken(crew: Crew, seat: SeatId): Crew {
  return crew.members.get(seat)?.mute === true ? amend(crew, seat, { mute: false }) : crew;
}

/** A copy may be one that another coordinator asked for, and that comes late. */
function counted(load: Load, leaves: readonly Leaf[], copy: number): Load {
  return copy === 0 ? load : countFrom(load, new Map(leaves.map((leaf) => [leaf, copy])));
}

/** Leaves that the store has answers for which are not believed need other copies: it takes none twice. */
function adopted(
  shape: RunShape,
  state: Asking,
  { copies, refused }: Extract<RunEvent, { kind: 'adopted' }>,
): Decision {
  const turn = move(turnOf(state), countFrom(state.load, copies));
  const open = refused.filter((leaf) => isOpen(state.load, leaf));
  return conclude(open.length === 0 ? turn : replaceCopies(shape, turn, open));
}

/** The first answer of a leaf, or of several at once. */
function answered(shape: RunShape, turn: Turn, event: PostedEvent, leaves: readonly Leaf[]): Turn {
  const { state } = turn;
  const { leaf, seat, worker, fault } = event;
  const { crew, serial } = serialOf(state.crew, seat, worker);
  const took = event.tookMs === null ? null : { count: leaves.length, totalMs: event.tookMs };
  const load = answer(state.load, leaves, { seat, serial }, took, state.now);
  const latencies = took === null ? state.latencies : learnt(state, took);
  const answeredAt = load.remaining === 0 ? state.now : null;
  const after: Turn = {
    state: { ...state, crew, load, latencies, answeredAt },
    effects: turn.effects,
    moved: state.load.copied.size > 0 && leaves.some((each) => state.load.copied.has(each)),
  };
  if (fault === null) {
    const kept = also(after, { kind: 'keep' });
    const audited = event.count === 1 && auditedIn(shape, state.number, state.asked.phase)(leaf);
    return audited ? audit(shape, kept, event) : kept;
  }
  const unaudited = withoutForesight(after, leaf);
  if (isDoubtful(shape, state, event)) return doubt(shape, unaudited, event);
  return change(unaudited, { faults: new Map(state.faults).set(leaf, fault) });
}

function learnt({ latencies, asked }: Asking, took: Latency): Asking['latencies'] {
  const before = latencies[asked.phase];
  return { ...latencies, [asked.phase]: before === undefined ? took : plus(before, took) };
}

/** What was learnt in all stages before weighs as one: workers may have read their rows since, or have others beside them. */
function faded(latencies: Asking['latencies'], { phase, leaves }: Stage): Asking['latencies'] {
  const before = latencies[phase];
  if (before === undefined || before.count <= leaves.length) return latencies;
  const { count, totalMs } = before;
  return { ...latencies, [phase]: { count: leaves.length, totalMs: (totalMs * leaves.length) / count } };
}

/** Who answered takes more at once if it has nothing left, and so does who has a copy of what was answered. */
function takeMore(shape: RunShape, turn: Turn, { seat }: PostedEvent, leaves: readonly Leaf[]): Turn {
  const sharers = sharersOf(turn.state.load, leaves);
  return sharers.reduce((before, other) => stealNext(shape, before, other), stealNext(shape, turn, seat));
}

/** A seat that has nothing left takes from another at once, where that is worth it; one that fell silent, waits or is gone does not. */
function stealNext({ rules }: RunShape, turn: Turn, seat: SeatId): Turn {
  const { load, crew } = turn.state;
  const member = crew.members.get(seat);
  const here = member !== undefined && isReady(member) && !member.mute;
  const idle = here && crew.members.size > 1 && load.remaining > 0 && openCount(load, seat) === 0;
  return idle ? stealFor(turn, seat, averageOf(turn.state, 1) ?? 0, rules.stealMs) : turn;
}

// --- the rest ---------------------------------------------------------------------------------------------

function beat(shape: RunShape, state: Going, { seat, waits }: Extract<RunEvent, { kind: 'beat' }>): Decision {
  const member = state.crew.members.get(seat);
  if (member === undefined) return unchanged(state);
  const after = { ...state, crew: heard(state.crew, seat, state.now, waits) };
  const { state: next, effects } =
    member.silent && after.kind === 'asking' ? heardAgain(shape, after, member) : unchanged(after);
  if (member.waits === waits) return { state: next, effects };
  const notice: Notice = { code: 'WORKER_WAITS', who: { seat, worker: member.worker }, why: waits };
  return { state: next, effects: [...effects, { kind: 'say', notice }] };
}

function handedOver({ number }: Going): Decision {
  return {
    state: { kind: 'dropped', why: 'handed-over' },
    effects: [
      { kind: 'checkpoint', due: true },
      { kind: 'say', notice: { code: 'HANDED_OVER', number } },
    ],
  };
}

/** What cannot be kept now may be kept later: the run goes on, and seats keep what they have until somebody takes it up. */
function stuck(error: ErrorReport): Decision {
  return error.tag === 'OutOfReachError'
    ? { state: { kind: 'dropped', why: 'out-of-reach', error }, effects: [] }
    : ended({ kind: 'failed', error });
}

/** While the store does not answer nobody can be heard, so nobody is silent; afterwards clocks begin anew. */
function unreachable(state: Going, forMs: number): Decision {
  const said: RunEffect = { kind: 'say', notice: { code: 'UNREACHABLE', forMs } };
  const seen: Going = { ...state, unreachable: forMs > 0 };
  if (forMs > 0) return { state: seen, effects: [said] };
  const fresh: Going = { ...seen, crew: hearAll(state.crew, state.now), absentSince: null };
  const rested: Going =
    fresh.kind === 'asking' ? { ...fresh, load: restartClocks(fresh.load, state.now) } : fresh;
  return { state: rested, effects: [said] };
}
