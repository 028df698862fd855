/**
 * What does it mean for a run that a seat is taken, given up or lost? Leaves move, and nothing is waited for in vain.
 */
import type { Leaf } from '../partition/seats.ts';
import type { ErrorReport, Join, SeatId, WorkerId } from '../protocol.ts';
import {
  admit,
  type Crew,
  discharge,
  dismiss,
  forgetClass,
  isEnough,
  isReady,
  type Member,
  refusalOf,
  returns,
} from './crew.ts';
import { clear, enter, exit, openCount, reopen, startedOf } from './load.ts';
import type { Notice, Who } from './notice.ts';
import { valuesOf } from './pages.ts';
import { blamed, cleared, type Fate, fateOf, lastAt, poisonAmong, victimsOf } from './poison.ts';
import { Roll } from './roll.ts';
import {
  type Asking,
  type Decision,
  type Going,
  type RunEffect,
  type RunEvent,
  unchanged,
} from './run-events.ts';
import { askElsewhere, unsettled } from './second-opinions.ts';
import type { RunShape } from './stage.ts';
import { steal } from './stealing.ts';
import { also, change, conclude, ended, giveOut, move, type Turn, turnOf } from './turn.ts';

export function whoOf({ seat, worker }: Pick<Member, 'seat' | 'worker'>): Who {
  return { seat, worker };
}

function say(notice: Notice): RunEffect {
  return { kind: 'say', notice };
}

// --- coming -----------------------------------------------------------------------------------------------

export function joined(shape: RunShape, state: Going, join: Join): Decision {
  const { crew, now } = state;
  if (crew.members.has(join.seat) || crew.dismissed.has(join.seat)) return unchanged(state);
  const why = refusalOf(shape.rules, crew, join);
  if (why !== null) return refused(state, join, why);
  const after = admit(crew, join, now);
  const said: RunEffect[] = [
    returns(crew, join.worker)
      ? say({ code: 'REJOINED', who: whoOf(join), seats: after.members.size })
      : say({ code: 'JOINED', who: whoOf(join), numerics: join.numerics, seats: after.members.size }),
  ];
  if (after.classes.length > Math.max(1, crew.classes.length)) {
    said.push(say({ code: 'MIXED_NUMERICS', numerics: after.classes }));
  }
  const present = isEnough(shape.rules, after) ? { absentSince: null, absenceSaidAt: null } : {};
  if (state.kind !== 'asking') return { state: { ...state, ...present, crew: after }, effects: said };
  const blame = cleared(state.blame, join.worker);
  const turn = change(turnOf(state), { ...present, blame, crew: after }, ...said);
  return conclude(seatOne(shape, turn, join.seat));
}

/** Whether a worker only repeats what it was sent away for. */
function isDismissal({ details }: ErrorReport): boolean {
  return details['code'] === 'REFUSED_WORKER' || details['code'] === 'QUARANTINED';
}

function refused(state: Going, join: Join, why: string): Decision {
  const error: ErrorReport = {
    tag: 'ProtocolError',
    message: `${join.worker} is refused: ${why}`,
    details: { code: 'REFUSED_WORKER' },
  };
  return {
    state: { ...state, crew: dismiss(state.crew, join.seat) },
    effects: [
      say({ code: 'REFUSED_WORKER', who: whoOf(join), why }),
      { kind: 'dismiss', seat: join.seat, error },
    ],
  };
}

/** A seat that was silent is heard of again: it gets something to do. */
export function heardAgain(shape: RunShape, state: Asking, member: Member): Decision {
  const notice: Notice = { code: 'REJOINED', who: whoOf(member), seats: state.crew.members.size };
  return conclude(seatOne(shape, also(turnOf(state), say(notice)), member.seat));
}

/** Give a seat that has come what nobody holds, or the later half of what the fullest has not started. */
function seatOne(shape: RunShape, turn: Turn, seat: SeatId): Turn {
  const member = turn.state.crew.members.get(seat);
  if (member === undefined) return turn;
  const entered = move(turn, enter(turn.state.load, member));
  const given = giveOut(shape, askElsewhere(shape, entered));
  const { load, now, crew } = given.state;
  if (!isReady(member) || member.mute || !isEnough(shape.rules, crew) || openCount(load, seat) > 0)
    return given;
  const stolen = steal(load, seat, now, 1);
  return stolen === null ? given : move(given, stolen);
}

// --- going ------------------------------------------------------------------------------------------------

export function left(shape: RunShape, state: Going, event: Extract<RunEvent, { kind: 'left' }>): Decision {
  const member = state.crew.members.get(event.seat);
  if (member === undefined) return unchanged(state);
  return event.lost
    ? lost(shape, state, member, 'lost', 'it has not been heard of for longer than a lease lasts')
    : gone(shape, state, member, null, (leaves) => ({ code: 'WORKER_LEFT', who: whoOf(member), leaves }));
}

export function broke(shape: RunShape, state: Going, event: Extract<RunEvent, { kind: 'broke' }>): Decision {
  // Also of a seat that a coordinator before this one sent away.
  if (state.crew.dismissed.has(event.seat) || isDismissal(event.error)) return unchanged(state);
  const breakages = state.crew.breakages + 1;
  const failed: Decision = ended({ kind: 'failed', error: event.error });
  if (event.final || breakages > shape.rules.breakagesMax) return failed;
  const counted = { ...state, crew: { ...state.crew, breakages } };
  const member = state.crew.members.get(event.seat);
  if (member === undefined) {
    // It never came as far as joining: nothing of the run was with it.
    const who = { seat: event.seat, worker: event.seat as string as WorkerId };
    return {
      state: counted,
      effects: [say({ code: 'WORKER_LOST', who, leaves: 0, why: event.error.message })],
    };
  }
  return lost(shape, counted, member, fateOf(event.error), event.error.message);
}

function lost(shape: RunShape, state: Going, member: Member, fate: Fate | null, why: string): Decision {
  const who = whoOf(member);
  return gone(shape, state, member, fate, (leaves) => ({ code: 'WORKER_LOST', who, leaves, why }));
}

/** @param fate - what the leaves it was at are blamed for; null: nothing */
function gone(
  shape: RunShape,
  state: Going,
  member: Member,
  fate: Fate | null,
  notice: (leaves: number) => Notice,
): Decision {
  const { seat, worker } = member;
  const said = notice(state.kind === 'asking' ? openCount(state.load, seat) : 0);
  const crew = forgetClassEarly(state, discharge(state.crew, seat, said.code === 'WORKER_LOST'));
  if (state.kind !== 'asking') return { state: { ...state, crew }, effects: [say(said)] };
  // Who says that it cannot go on knows what it is at; who is lost may have been gone when it was given that.
  const at =
    fate === 'lost'
      ? lastAt(shape.rules, state.load, member)
      : startedOf(state.load, seat).map(({ leaf }) => leaf);
  const suspects = [...at, ...member.suspects];
  const blame = blamed(state, worker, suspects, fate);
  const poison = fate === null ? null : poisonAmong(shape.rules, { blame, load: state.load }, suspects);
  if (poison !== null) return poisoned(state, poison, victimsOf(blame, poison), say(said));
  const turn = move(change(turnOf(state), { crew, blame }, say(said)), exit(clear(state.load, seat), seat));
  return conclude(askElsewhere(shape, giveOut(shape, turn)));
}

/** As long as nothing is answered, any class may compute the run. */
function forgetClassEarly(state: Going, crew: Crew): Crew {
  const begun =
    state.homes.length > 0 ||
    (state.kind === 'asking' && valuesOf(state.load.authors).some((serial) => serial > 0));
  return begun ? crew : forgetClass(crew);
}

function poisoned({ number }: Asking, leaf: Leaf, workers: readonly WorkerId[], said: RunEffect): Decision {
  const names = workers.join(', ');
  const error: ErrorReport = {
    tag: 'JobFailedError',
    message: `POISON_SHARD: leaf ${leaf} of iteration ${number + 1} took ${workers.length} workers along: ${names}`,
    details: { code: 'POISON_SHARD', leaf, iteration: number + 1, workers: names },
  };
  return ended({ kind: 'failed', error }, [said, say({ code: 'POISON_SHARD', leaf, number, workers })]);
}

// --- the store loses everything ---------------------------------------------------------------------------

/** Every seat is gone, and what is asked has to be said again; answers that are here stay. */
export function emptied(state: Going): Decision {
  const crew: Crew = { ...state.crew, members: Roll.of<Member>([]) };
  const { number } = state;
  // A store that says so answers again, and the desk that would tell is closed.
  const unreachable = false;
  const told = (answers: number): readonly RunEffect[] => [
    say({ code: 'STATE_LOST', number, answers }),
    { kind: 'reopen' },
  ];
  if (state.kind !== 'asking') return { state: { ...state, crew, unreachable }, effects: told(0) };
  const seats = state.crew.members.seats();
  const cleared = seats.reduce((before, seat) => exit(clear(before, seat), seat), state.load);
  // Faults that nobody has confirmed and answers that are disputed are asked about as if they were new.
  const open = unsettled(state);
  const faults = new Map([...state.faults].filter(([leaf]) => !open.includes(leaf)));
  const load = reopen(cleared, open);
  // Audits begin anew with whoever comes.
  const checks = state.checks
    .filter(({ leaf }) => !open.includes(leaf))
    .map((check) => ({ ...check, asked: null }));
  const withdrawn: readonly RunEffect[] = open.length === 0 ? [] : [{ kind: 'withdraw', leaves: open }];
  const lostAll: Asking = {
    ...state,
    crew,
    unreachable,
    load,
    checks,
    faults,
    answeredAt: load.remaining === 0 ? state.now : null,
  };
  const effects = [...told(state.asked.leaves.length - load.remaining), ...withdrawn];
  const { asked, digest } = state;
  if (load.remaining === 0 && checks.length === 0) return conclude({ state: lostAll, effects, moved: false });
  const published: RunEffect = { kind: 'publish', number, stage: asked, digest };
  return conclude({ state: lostAll, effects: [...effects, published], moved: true });
}
