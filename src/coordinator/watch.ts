/**
 * What does a coordinator do when nothing happens? It looks at the clock: who is silent, who is slow, who is idle, and whether
 * anyone is there at all.
 */
import type { Leaf } from '../partition/seats.ts';
import type { SeatId } from '../protocol.ts';
import { amend, type Crew, isEnough, type Member } from './crew.ts';
import { clear, isOpen, type Latency, openCount, queueOf, startedOf } from './load.ts';
import { lastAt } from './poison.ts';
import { copyTo, holdersSince, relieve, restOf, stuckMs } from './relief.ts';
import { queueMs } from './rules.ts';
import type { Asking, Decision, Going, RunEffect } from './run-events.ts';
import { unchanged } from './run-events.ts';
import { whoOf } from './seating.ts';
import { askElsewhere, askOthers, impatient, undecidedEnd } from './second-opinions.ts';
import type { RunShape } from './stage.ts';
import { steal } from './stealing.ts';
import { also, change, conclude, giveOut, hands, lively, move, present, type Turn, turnOf } from './turn.ts';

/** Seats that a straggling leaf may be with at once beside those that take too long for it: all of these may never answer. */
const copiesMax = 2;

export function tick(shape: RunShape, state: Going, now: number): Decision {
  if (now < state.lookedAt + shape.rules.tickMs) return unchanged({ ...state, now });
  const first = state.lookedAt === -Infinity;
  const timed: Going = { ...state, now, lookedAt: now, keptAt: first ? now : state.keptAt };
  if (timed.unreachable) return unchanged(timed);
  const { state: watched, effects } = countSeats(shape, timed);
  if (watched.kind !== 'asking') return { state: watched, effects };
  const turn: Turn = { ...turnOf(watched), effects };
  const steps = [silences, waiters, giveOut, stragglers, idlers, checkpoints];
  const after = steps.reduce((before, step) => step(shape, before), turn);
  return waitForChecks(shape, after);
}

// --- is anyone there? -------------------------------------------------------------------------------------

function countSeats(
  { rules }: RunShape,
  state: Going,
): { readonly state: Going; readonly effects: readonly RunEffect[] } {
  const { crew, now } = state;
  if (isEnough(rules, crew))
    return { state: { ...state, absentSince: null, absenceSaidAt: null }, effects: [] };
  const absentSince = state.absentSince ?? now;
  if (now - (state.absenceSaidAt ?? absentSince) < rules.noWorkersMs) {
    return { state: { ...state, absentSince }, effects: [] };
  }
  const { numerics, members } = crew;
  const facts = { seats: members.size, seatsMin: rules.seatsMin, numerics };
  return {
    state: { ...state, absentSince, absenceSaidAt: now },
    effects: [{ kind: 'say', notice: { code: 'NO_WORKERS', forMs: now - absentSince, ...facts } }],
  };
}

// --- silence ----------------------------------------------------------------------------------------------

/** What a silent seat has is given to others before its lease lapses; its own answers count when they come. */
function silences(shape: RunShape, turn: Turn): Turn {
  const { crew, now } = turn.state;
  const silent = present(crew).filter(({ heardAt }) => now - heardAt >= shape.rules.silentMs);
  const after = silent.reduce((before, member) => silence(shape, before, member), turn);
  return silent.length === 0 ? after : askElsewhere(shape, giveOut(shape, after));
}

function silence({ rules }: RunShape, turn: Turn, member: Member): Turn {
  const { crew, load, now } = turn.state;
  const { seat, heardAt } = member;
  const leaves = openCount(load, seat);
  const suspects = lastAt(rules, load, member);
  const muted: Crew = amend(crew, seat, { silent: true, suspects });
  const notice = { code: 'UNRESPONSIVE', who: whoOf(member), forMs: now - heardAt, leaves } as const;
  return move(change(turn, { crew: muted }, { kind: 'say', notice }), clear(load, seat));
}

// --- waiting ----------------------------------------------------------------------------------------------

/** What a seat has whose work waits for somebody goes to those that wait for nobody, if there are any. */
function waiters(shape: RunShape, turn: Turn): Turn {
  const { crew, load } = turn.state;
  const waiting = present(crew).filter(({ seat, waits }) => waits !== null && openCount(load, seat) > 0);
  const able = lively(shape, turn.state);
  if (waiting.length === 0 || able.length === 0 || !isEnough(shape.rules, crew)) return turn;
  const cleared = waiting.reduce((before, { seat }) => clear(before, seat), load);
  return giveOut(shape, move(turn, cleared));
}

// --- slowness ---------------------------------------------------------------------------------------------

/** Leaves that take too long are copied to seats that have nothing to do, which take what else its holder has, too. */
function stragglers(shape: RunShape, turn: Turn): Turn {
  const { rules } = shape;
  const average = averageOf(turn.state, rules.stragglerAfter);
  const limit =
    average === null ? rules.stragglerBlindMs : Math.max(rules.stragglerMs, rules.stragglerFactor * average);
  if (limit === Infinity) return turn;
  const { crew, now } = turn.state;
  return hands(crew).reduce((before, member) => {
    const late = startedOf(before.state.load, member.seat).filter(({ at }) => now - at > limit);
    const copied = late.reduce(
      (turned, { leaf, at }) => copyLeaf(shape, turned, member, { leaf, ms: now - at }, { limit, average }),
      before,
    );
    if (stuckMs(copied.state.load, member.seat, now) <= limit) return copied;
    return relieved(shape, late.length > 0 ? silenced(copied, member) : copied, member);
  }, turn);
}

/** What it is asked next is with others, too, until it answers. */
function silenced(turn: Turn, { seat, mute }: Member): Turn {
  return mute ? turn : change(turn, { crew: amend(turn.state.crew, seat, { mute: true }) });
}

function relieved(shape: RunShape, turn: Turn, { seat }: Member): Turn {
  const { load, now } = turn.state;
  // Mostly there is nothing, and who has nothing to do need not be looked for.
  const rest = restOf(load, seat);
  if (rest.length === 0) return turn;
  const able = lively(shape, turn.state).map((other) => other.seat);
  const idle = able.filter((other) => openCount(load, other) === 0);
  const after = relieve(load, seat, { rest, others: idle }, now);
  return after === null ? turn : move(turn, after);
}

function copyLeaf(
  shape: RunShape,
  turn: Turn,
  from: Member,
  { leaf, ms }: { readonly leaf: Leaf; readonly ms: number },
  { limit, average }: { readonly limit: number; readonly average: number | null },
): Turn {
  const { load, now } = turn.state;
  if (!isOpen(load, leaf) || holdersSince(load, leaf, now - limit) >= copiesMax) return turn;
  const idle = lively(shape, turn.state).find(
    ({ seat, worker }) =>
      worker !== from.worker && openCount(load, seat) === 0 && !queueOf(load, seat)?.leaves.includes(leaf),
  );
  if (idle === undefined) return turn;
  const who = { from: whoOf(from), to: whoOf(idle) };
  const notice = {
    code: 'SPECULATING',
    leaf,
    ...who,
    ratio: average === null ? null : ms / average,
    ms,
  } as const;
  return move(also(turn, { kind: 'say', notice }), copyTo(load, leaf, idle.seat, now));
}

/** How long a leaf of this phase takes; before enough of them are known, of the slowest phase; null: nobody knows. */
export function averageOf({ asked, latencies }: Asking, after: number): number | null {
  const own = latencies[asked.phase];
  const mean = ({ count, totalMs }: Latency): number => totalMs / count;
  if (own !== undefined && own.count >= after) return mean(own);
  const all = Object.values(latencies);
  const finished = all.reduce((sum, { count }) => sum + count, 0);
  return finished < after ? null : Math.max(...all.map(mean));
}

// --- idleness ---------------------------------------------------------------------------------------------

function idlers(shape: RunShape, turn: Turn): Turn {
  const average = averageOf(turn.state, 1) ?? Infinity;
  return lively(shape, turn.state).reduce((before, { seat }) => {
    if (openCount(before.state.load, seat) > 0) return before;
    return stealFor(before, seat, average, shape.rules.stealMs);
  }, turn);
}

/** An idle seat takes what a full one has not started, if that is worth a plan. */
export function stealFor(turn: Turn, seat: SeatId, averageMs: number, stealMs: number): Turn {
  const { load, now, crew } = turn.state;
  const worthMs = Math.max(stealMs, queueMs(crew.members.size));
  const fewest = averageMs > 0 ? Math.max(1, Math.ceil(worthMs / averageMs)) : Number.POSITIVE_INFINITY;
  const stolen = fewest > load.remaining ? null : steal(load, seat, now, fewest, averageMs);
  return stolen === null ? turn : move(turn, stolen);
}

// --- checkpoints and checks -------------------------------------------------------------------------------

/** The answers of a long stage are kept now and then. */
function checkpoints({ rules }: RunShape, turn: Turn): Turn {
  const { now, keptAt, load, asked } = turn.state;
  const news = load.remaining < asked.leaves.length;
  if (!news || now - keptAt < rules.checkpointMs) return turn;
  return change(turn, { keptAt: now }, { kind: 'checkpoint', due: true });
}

function waitForChecks(shape: RunShape, turn: Turn): Decision {
  const { answeredAt, now } = turn.state;
  if (answeredAt === null) return conclude(turn);
  const { rules } = shape;
  const average = averageOf(turn.state, 1) ?? 0;
  const slow = rules.stragglerFactor * average;
  const asked = askOthers(shape, turn, Math.max(rules.stragglerMs, slow));
  const tired = impatient(asked, Math.max(rules.auditMs, slow));
  if (now - answeredAt > rules.voteMs) return undecidedEnd(tired) ?? conclude(tired);
  return conclude(tired);
}
