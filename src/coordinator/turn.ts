/**
 * How does one event of a stage end? With a plan if anything moved, and with the next thing when the last leaf is answered.
 */
import type { Leaf } from '../partition/seats.ts';
import type { Again, RunEnd, SeatId, WorkerId } from '../protocol.ts';
import { amend, answering, type Crew, isEnough, isReady, type Member } from './crew.ts';
import { firstOf, nonFinite } from './faults.ts';
import { adopt, isOpen, type Load, planOf, type Queue } from './load.ts';
import { valuesOf } from './pages.ts';
import { isSuspect, tryAlone } from './poison.ts';
import { queueMs } from './rules.ts';
import { type Asking, type Decision, memoryOf, type RunEffect } from './run-events.ts';
import type { RunShape } from './stage.ts';

/** A state on its way through one event. */
export interface Turn {
  readonly state: Asking;
  readonly effects: readonly RunEffect[];
  /** Whether the plan that seats see is out of date. */
  readonly moved: boolean;
}

export function turnOf(state: Asking): Turn {
  return { state, effects: [], moved: false };
}

export function change(turn: Turn, state: Partial<Asking>, ...effects: readonly RunEffect[]): Turn {
  return { ...turn, state: { ...turn.state, ...state }, effects: [...turn.effects, ...effects] };
}

/** What else is to be done. */
export function also(turn: Turn, effect: RunEffect): Turn {
  return { ...turn, effects: [...turn.effects, effect] };
}

/** Change who holds what; seats hear of it. */
export function move(turn: Turn, load: Load, ...effects: readonly RunEffect[]): Turn {
  return { ...change(turn, { load }, ...effects), moved: true };
}

/** Seats that are heard of, in the order of joining. */
export function present(crew: Crew): readonly Member[] {
  return crew.members.values().filter(({ silent }) => !silent);
}

/** Of those, the ones that work can be given to: the work of the others waits for somebody. */
export function hands(crew: Crew): readonly Member[] {
  return crew.members.values().filter(isReady);
}

/** Of those, the ones that answer and have missed no beat; all that answer where nobody was heard of lately. */
export function lively({ rules }: RunShape, { crew, now }: Pick<Asking, 'crew' | 'now'>): readonly Member[] {
  const all = answering(hands(crew));
  const heardLately = all.filter(({ heardAt }) => now - heardAt < rules.livelyMs);
  return heardLately.length > 0 ? heardLately : all;
}

/**
 * What no seat holds goes to whoever is there, unless fewer are there than there should be; a leaf under suspicion waits until
 * it can be alone.
 */
export function giveOut(shape: RunShape, turn: Turn): Turn {
  const { crew, load, blame, now } = turn.state;
  if (load.orphans.length === 0 || !isEnough(shape.rules, crew)) return turn;
  const able = lively(shape, turn.state);
  if (able.length === 0) return turn;
  const suspects = load.orphans.filter((leaf) => isOpen(load, leaf) && isSuspect(shape.rules, blame, leaf));
  const seats = able.map(({ seat }) => seat);
  const adopted = adopt(load, seats, { last: new Set(blame.victims.keys()), not: new Set(suspects) }, now);
  const after = tryAlone(adopted, blame, suspects, able, now);
  return after === load ? turn : move(turn, after);
}

export function conclude(turn: Turn): Decision {
  const { state } = turn;
  if (state.load.remaining === 0 && state.checks.length === 0) return finish(turn);
  if (!turn.moved) return { state, effects: turn.effects };
  const generation = state.generation + 1;
  const assign: RunEffect = { kind: 'assign', generation, ...assignmentOf(state) };
  return { state: { ...state, generation }, effects: [...turn.effects, assign] };
}

/** What every seat is to answer, checks after everything else. */
export function assignmentOf({ load, checks, alone }: Pick<Asking, 'alone' | 'checks' | 'load'>): {
  readonly leaves: ReadonlyMap<SeatId, readonly Leaf[]>;
  readonly again: ReadonlyMap<SeatId, readonly Again[]>;
  readonly alone: readonly Leaf[];
} {
  const { leaves, again: replaced } = planOf(load);
  const again = new Map(replaced);
  for (const { leaf, copy, asked, rows } of checks) {
    if (asked === null) continue;
    again.set(asked, [...(again.get(asked) ?? []), { leaf, copy, rows }]);
  }
  return { leaves, again, alone };
}

function finish({ state, effects }: Turn): Decision {
  const { number, stage, asked, load, faults } = state;
  const first = firstOf(faults.values());
  return {
    state: {
      ...memoryOf(state),
      kind: 'adding',
      number,
      stage,
      crew: paced(state.crew, load),
      homes: homesAfter(state),
      trusted: new Set([...state.trusted, ...authorsOf(state)]),
    },
    effects: [
      ...effects,
      first === undefined
        ? { kind: 'add', number, stage: asked }
        : { kind: 'fault', error: nonFinite(first) },
    ],
  };
}

/** Workers whose answers are in this stage. */
function authorsOf({ crew, load }: Asking): readonly WorkerId[] {
  const serials = new Set(valuesOf(load.authors));
  const authors: WorkerId[] = [];
  for (const [serial, worker] of crew.workers) if (serials.has(serial)) authors.push(worker);
  return authors;
}

function homesAfter({ homes, load }: Asking): Uint32Array {
  const after = new Uint32Array(valuesOf(load.authors));
  homes.forEach((serial, place) => {
    if (after[place] === 0) after[place] = serial;
  });
  return after;
}

/** How fast seats were in this stage, each against all, unless it was over as soon as their answers could be. */
function paced(crew: Crew, load: Load): Crew {
  const busy = load.queues.values().filter(({ done }) => done.totalMs > 0);
  const wallMs = ({ member, done }: Queue): number => done.totalMs / member.threads;
  if (busy.length < 2 || Math.max(...busy.map(wallMs)) < queueMs(busy.length)) return crew;
  const each = busy.map((queue) => [queue.member.seat, wallMs(queue) / queue.done.count] as const);
  const mean = each.reduce((sum, [, pace]) => sum + pace, 0) / each.length;
  const paces = new Map(each);
  const members = crew.members.map((member) => {
    const pace = paces.get(member.seat);
    return pace === undefined ? member : { ...member, pace: (member.pace + pace / mean) / 2 };
  });
  return { ...crew, members };
}

/** A seat is heard of, and what its work waits for. */
export function heard(crew: Crew, seat: SeatId, now: number, waits: string | null): Crew {
  return amend(crew, seat, { heardAt: now, silent: false, suspects: [], waits });
}

// --- ends -------------------------------------------------------------------------------------------------

export function ended(end: RunEnd, before: readonly RunEffect[] = []): Decision {
  return { state: { kind: 'ended', end }, effects: [...before, { kind: 'end', end }] };
}
