/**
 * Whose answer is believed? One leaf in a hundred is computed by two workers and compared byte by byte; an answer that is
 * not finite is computed once more elsewhere, to tell the data from the device.
 *
 *   audit:  first ─▶ second, the same ─▶ believed
 *                       └ differs ─▶ third ─▶ the one that stands alone is quarantined, its answers are withdrawn
 *   doubt:  not finite ─▶ second, not finite either ─▶ it is the data
 *                             └ finite ─▶ the first worker is quarantined
 *
 * Copies are for workers of the same numerics class: others may differ and be right. Whose an answer is, it says itself, so that
 * a worker is known again on another seat and by another coordinator: nobody is a second witness to what it said first.
 */
import type { Leaf } from '../partition/seats.ts';
import type { ErrorReport, Fault, SeatId, WorkerId } from '../protocol.ts';
import { dismiss, type Member, quarantine, serialOf } from './crew.ts';
import { answeredBy, askCopy, authorAt, clear, credit, exit, openCount, reopen } from './load.ts';
import type { Asking, Decision, PostedEvent, RunEffect } from './run-events.ts';
import { memoryOf, plannedFrom } from './run-events.ts';
import type { RunShape } from './stage.ts';
import { also, change, conclude, ended, giveOut, move, present, type Turn } from './turn.ts';

/** Who says something of a leaf. */
interface Witness {
  readonly worker: WorkerId;
  readonly numerics: string;
}

/** What one worker said of a leaf. */
interface Opinion extends Witness {
  readonly print: string;
  readonly fault: Fault | null;
}

/** A leaf of which one answer is there and another is waited for. */
export interface Check {
  readonly leaf: Leaf;
  /** `doubt`: the first answer is a fault, and the leaf has no other. */
  readonly why: 'audit' | 'doubt';
  /** None: the leaf was to be audited before anyone had answered it. */
  readonly seen: readonly Opinion[];
  /** What the worker that was asked said, where the leaf has no first answer yet; nobody is asked any more. */
  readonly early: Opinion | null;
  /** Which copy is waited for, and from whom; null: there is nobody to ask. */
  readonly copy: number;
  readonly asked: SeatId | null;
  /** When it was, or answered another; and who was asked before it, for which copy: what comes of that late, counts. */
  readonly askedAt: number;
  readonly tried: readonly { readonly seat: SeatId; readonly copy: number }[];
  /** Whether the N-sized results of the copy are written: where it may be the only answer. */
  readonly rows: boolean;
}

// --- asking -----------------------------------------------------------------------------------------------

/**
 * Have an answer compared, if there is anyone to do it. Mostly somebody was asked when the leaf was; that does not help where the
 * leaf has come to the same worker since, or to one of another class.
 */
export function audit(shape: RunShape, turn: Turn, event: PostedEvent): Turn {
  const first = opinionOf(event);
  const foreseen = foreseenFor(turn.state, event.leaf);
  if (foreseen === null || !isComparable(first, secondOf(turn.state, foreseen)))
    return consult(shape, turn, { leaf: event.leaf, why: 'audit', seen: [first], tried: [] });
  const { early } = foreseen;
  if (early !== null) return compare(shape, drop(turn, foreseen), foreseen, [first, early]);
  return change(turn, { checks: amended(turn.state, foreseen, { seen: [first] }) });
}

/** What is not finite is doubted or believed: nobody need compare it. */
export function withoutForesight(turn: Turn, leaf: Leaf): Turn {
  const foreseen = foreseenFor(turn.state, leaf);
  return foreseen === null ? turn : { ...drop(turn, foreseen), moved: true };
}

function foreseenFor({ checks }: Asking, leaf: Leaf): Check | null {
  return checks.find((check) => check.leaf === leaf && check.seen.length === 0) ?? null;
}

/** Who compares a leaf that nobody has answered; null: nobody. */
function secondOf({ crew }: Asking, { asked, early }: Check): Witness | null {
  return early ?? (asked === null ? null : (crew.members.get(asked) ?? null));
}

/** Another worker of the same class. */
function isComparable(first: Witness, second: Witness | null): boolean {
  return second !== null && second.worker !== first.worker && second.numerics === first.numerics;
}

function amended({ checks }: Asking, one: Check, changes: Partial<Check>): readonly Check[] {
  return checks.map((check) => (check === one ? { ...check, ...changes } : check));
}

/**
 * Whether a fault is worth a second opinion: one a seat and stage, because a broken device breaks every leaf. Where nobody is there
 * to give one, somebody may come.
 */
export function isDoubtful({ rules }: RunShape, state: Asking, event: PostedEvent): boolean {
  const first = opinionOf(event);
  return (
    rules.secondOpinions &&
    !state.doubted.has(event.seat) &&
    (rules.auditMs === Infinity || present(state.crew).some((member) => isComparable(first, member)))
  );
}

/** Have a fault looked at by another worker. */
export function doubt(shape: RunShape, turn: Turn, event: PostedEvent): Turn {
  const first = opinionOf(event);
  const doubted = new Set([...turn.state.doubted, event.seat]);
  return consult(shape, change(turn, { doubted }), {
    leaf: event.leaf,
    why: 'doubt',
    seen: [first],
    tried: [],
  });
}

/** An answer of a seat that is not here any more, or that another coordinator knew, is compared as any other. */
function opinionOf({ worker, numerics, fault, print }: PostedEvent): Opinion {
  return { worker, numerics, fault, print: print ?? '' };
}

/** Ask a worker that has not been asked; the least loaded. A check that was waiting for one already is replaced, or given up. */
function consult(
  { rules }: RunShape,
  turn: Turn,
  { leaf, why, seen, tried }: Pick<Check, 'leaf' | 'seen' | 'tried' | 'why'>,
): Turn {
  const { checks } = turn.state;
  const others = checks.filter((check) => check.leaf !== leaf);
  const best = candidate(turn.state, { seen, tried });
  const { load, copy } = askCopy(turn.state.load, leaf);
  if (best === null && seen.length < 2 && rules.auditMs < Infinity) {
    const without = others.length === checks.length ? turn : move(change(turn, { checks: others }), load);
    return why === 'doubt' ? believe(without, { leaf, seen }) : without;
  }
  const asked = best?.seat ?? null;
  const askedAt = turn.state.now;
  const check: Check = { leaf, why, seen, early: null, copy, asked, askedAt, tried, rows: why === 'doubt' };
  const next = change(turn, { checks: [...others, check] });
  return move(next, load);
}

/** Whoever was asked in vain counts as having so many leaves more, each time. */
const triedLeaves = 2 ** 20;

/** Whom to ask: the least loaded, and rather one that waits for nobody; null: there is nobody. */
function candidate(
  { crew, load, checks }: Asking,
  { seen, tried }: Pick<Check, 'seen' | 'tried'>,
): Member | null {
  const [first] = seen;
  const waiting = new Map<SeatId, number>();
  for (const { asked } of checks) if (asked !== null) waiting.set(asked, (waiting.get(asked) ?? 0) + 1);
  let best: { readonly member: Member; readonly leaves: number } | null = null;
  for (const member of crew.members.values()) {
    const { seat, worker, numerics, silent, waits, mute } = member;
    if (silent || numerics !== first?.numerics || seen.some((o) => o.worker === worker)) continue;
    const tries = tried.filter((t) => t.seat === seat).length;
    const its = openCount(load, seat) + (waiting.get(seat) ?? 0);
    const leaves = waits === null ? its + (mute ? tries + 1 : tries) * triedLeaves : Infinity;
    if (best === null || leaves < best.leaves) best = { member, leaves };
    if (leaves === 0) break;
  }
  return best?.member ?? null;
}

/** The fault stands: nobody can be asked, or another worker found one, too. */
function believe(turn: Turn, { leaf, seen }: Pick<Check, 'leaf' | 'seen'>): Turn {
  const [fault] = seen.flatMap((opinion) => (opinion.fault === null ? [] : [opinion.fault]));
  return fault === undefined ? turn : change(turn, { faults: new Map(turn.state.faults).set(leaf, fault) });
}

function drop(turn: Turn, check: Check): Turn {
  return change(turn, { checks: turn.state.checks.filter((other) => other !== check) });
}

/** Someone left or came: checks that wait for nobody, or for someone gone, are asked elsewhere or given up. */
export function askElsewhere(shape: RunShape, turn: Turn): Turn {
  return turn.state.checks.reduce((before, check) => {
    const { members } = before.state.crew;
    if (check.early !== null) return before;
    const asked = check.asked === null ? undefined : members.get(check.asked);
    if (asked !== undefined && !asked.silent) return before;
    if (check.asked === null && candidate(before.state, check) === null) return before;
    return consult(shape, drop(before, check), check);
  }, turn);
}

/**
 * Only checks are left, and whoever was asked lives and does not answer: where much depends on it, another is, if there is one; and
 * where there is no end to patience, one after the other again, each for longer.
 */
export function askOthers(shape: RunShape, turn: Turn, limitMs: number): Turn {
  return turn.state.checks.reduce((before, check) => {
    const { asked, copy, seen, why, tried } = check;
    const endless = seen.length > 1 || shape.rules.auditMs === Infinity;
    if (asked === null || !(endless || why === 'doubt')) return before;
    if (waitedMs(before.state, check) <= limitMs * (endless ? 1 + tried.length : 1)) return before;
    const last = { seat: asked, copy };
    // Twice: whoever was asked just now comes last.
    const next = candidate(before.state, { seen, tried: [...tried, last, last] })?.seat ?? asked;
    if (next === asked || (!endless && tried.some(({ seat }) => seat === next))) return before;
    return consult(shape, drop(before, check), { ...check, tried: [...tried, last] });
  }, turn);
}

/** How long nothing but this check, and others, has been waited for. */
function waitedMs({ now, answeredAt }: Asking, { askedAt }: Check): number {
  return answeredAt === null ? 0 : now - Math.max(answeredAt, askedAt);
}

/** Only checks are left, and they take too long: audits are given up, faults believed, quarrels left to the vote. */
export function impatient(turn: Turn, limitMs: number): Turn {
  return turn.state.checks
    .filter((check) => check.seen.length < 2 && waitedMs(turn.state, check) > limitMs)
    .reduce((before, check) => {
      const after = { ...drop(before, check), moved: true };
      return check.why === 'doubt'
        ? believe(say(after, nonFinite(after.state, check, 'unknown')), check)
        : after;
    }, turn);
}

// --- hearing ----------------------------------------------------------------------------------------------

/** The check that this posting is for, if it is for one. */
export function checkFor({ checks }: Asking, { leaf, copy }: PostedEvent): Check | null {
  const isFor = (check: Check): boolean => check.copy === copy || check.tried.some((t) => t.copy === copy);
  return checks.find((check) => check.leaf === leaf && isFor(check)) ?? null;
}

/** An answer that was asked for to be compared. */
export function opine(shape: RunShape, before: Turn, check: Check, event: PostedEvent): Decision {
  const opinion = opinionOf(event);
  const turn = nextOf(before, check);
  if (check.seen.length === 0) {
    const checks = amended(turn.state, check, { early: opinion, asked: null });
    return conclude(change(turn, { checks }));
  }
  const after = drop(turn, check);
  // Of another coordinator’s asking: this one asks somebody else.
  if (check.seen.some(({ worker }) => worker === opinion.worker))
    return conclude(consult(shape, after, check));
  const seen = [...check.seen, opinion];
  const [first, second, third] = seen as [Opinion, Opinion, Opinion | undefined];
  if (check.why === 'doubt') {
    if (opinion.fault !== null) {
      return conclude(believe(say(after, nonFinite(turn.state, check, 'data')), check));
    }
    const { crew, serial } = serialOf(after.state.crew, event.seat, opinion.worker);
    const load = credit(after.state.load, check.leaf, serial);
    const kept = change(after, { crew, load }, { kind: 'keep' });
    return convict(shape, say(kept, nonFinite(turn.state, check, 'device')), first, null);
  }
  if (third === undefined) return conclude(compare(shape, after, check, [first, second]));
  if (third.print === first.print) return convict(shape, after, second, null);
  if (third.print === second.print) return convict(shape, after, first, check.leaf);
  return ended({ kind: 'failed', error: undecided(turn.state, check, seen) }, turn.effects);
}

/** Whoever answers one begins the next. */
function nextOf(turn: Turn, answered: Check): Turn {
  const { checks, now } = turn.state;
  const isNext = (check: Check): boolean => check !== answered && check.asked === answered.asked;
  return change(turn, {
    checks: checks.map((check) => (isNext(check) ? { ...check, askedAt: now } : check)),
  });
}

/** Two answers of a leaf: they are the same, or a third decides. */
function compare(shape: RunShape, turn: Turn, { leaf }: Check, seen: readonly [Opinion, Opinion]): Turn {
  const [first, second] = seen;
  if (first.print === second.print) return turn;
  const workers = [first.worker, second.worker];
  const told = say(turn, { code: 'AUDIT_MISMATCH', leaf, number: turn.state.number, workers });
  return consult(shape, told, { leaf, why: 'audit', seen, tried: [] });
}

/** Leaves whose answers stand on nobody's word yet: disputed, or not finite by a worker that is doubted. */
export function unsettled({ checks, faults, load, crew }: Asking): readonly Leaf[] {
  const doubts = checks.filter(({ why }) => why === 'doubt');
  const doubted = new Set(doubts.flatMap(({ seen }) => seen.map(({ worker }) => worker)));
  const others = [...faults.keys()].filter((leaf) => {
    const author = crew.workers.get(authorAt(load, leaf));
    return author !== undefined && doubted.has(author);
  });
  const disputed = checks.filter(({ why, seen }) => why === 'audit' && seen.length > 1);
  return [...new Set([...doubts.map(({ leaf }) => leaf), ...others, ...disputed.map(({ leaf }) => leaf)])];
}

/** No third worker came to decide between two answers. */
export function undecidedEnd(turn: Turn): Decision | null {
  const quarrel = turn.state.checks.find(({ seen }) => seen.length > 1);
  if (quarrel === undefined) return null;
  return ended({ kind: 'failed', error: undecided(turn.state, quarrel, quarrel.seen) }, turn.effects);
}

function undecided({ number }: Asking, { leaf }: Check, seen: readonly Opinion[]): ErrorReport {
  const workers = seen.map(({ worker }) => worker).join(', ');
  return {
    tag: 'JobFailedError',
    message: `AUDIT_MISMATCH: ${workers} gave different bytes for leaf ${leaf} of iteration ${number + 1}, and no majority tells which are right; run it with more workers of one kind`,
    details: { code: 'AUDIT_MISMATCH', leaf, iteration: number + 1, workers },
  };
}

function nonFinite(
  { number }: Asking,
  { leaf, seen }: Check,
  cause: 'data' | 'device' | 'unknown',
): Extract<RunEffect, { kind: 'say' }>['notice'] {
  const fault = seen[0]?.fault as Fault;
  return { code: 'NON_FINITE', leaf, number, fault, cause };
}

function say(turn: Turn, notice: Extract<RunEffect, { kind: 'say' }>['notice']): Turn {
  return also(turn, { kind: 'say', notice });
}

// --- judging ----------------------------------------------------------------------------------------------

/** More copies of a leaf than one stage asks for. */
const copiesMax = 256;

/** Who was sent away has to be known to whoever takes the run over: their postings are in the store still. */
const secured: RunEffect = { kind: 'checkpoint', due: true };

/**
 * A worker's answer was wrong: it is sent away, and what it answered in this iteration is computed again.
 *
 * @param leaf - the leaf whose kept answer is the wrong one; null: none is
 */
function convict(shape: RunShape, turn: Turn, { worker }: Opinion, leaf: Leaf | null): Decision {
  const { crew, load, number, trusted } = turn.state;
  const serials = [...crew.workers].filter(([, who]) => who === worker).map(([serial]) => serial);
  const its = serials.flatMap((serial) => answeredBy(load, serial));
  const wrong = leaf === null || its.includes(leaf) ? its : [...its, leaf];
  const restarted = trusted.has(worker);
  const seats = crew.members
    .values()
    .filter((m) => m.worker === worker)
    .map(({ seat }) => seat);
  const error: ErrorReport = {
    tag: 'DeviceError',
    message: 'another worker computed the same leaf and got something else: this device is not to be trusted',
    details: { code: 'QUARANTINED' },
  };
  const effects: RunEffect[] = [
    { kind: 'say', notice: { code: 'QUARANTINED', worker, withdrawn: wrong.length, restarted } },
    ...seats.map((seat): RunEffect => ({ kind: 'dismiss', seat, error })),
  ];
  const gone = seats.reduce((before, seat) => dismiss(before, seat), quarantine(crew, worker));
  if (restarted) {
    const state = {
      ...plannedFrom(number),
      ...memoryOf(turn.state),
      crew: gone,
      trusted: new Set<WorkerId>(),
      edition: turn.state.edition + copiesMax,
    };
    return { state, effects: [...turn.effects, ...effects, { kind: 'restart' }, secured] };
  }
  const emptied = seats.reduce((before, seat) => exit(clear(before, seat), seat), load);
  const left = reopen(emptied, wrong);
  const checks = turn.state.checks
    .filter(({ seen }) => seen[0]?.worker !== worker)
    .map((check) => ({
      ...check,
      seen: check.seen.filter((o) => o.worker !== worker),
      early: check.early?.worker === worker ? null : check.early,
    }));
  const withdrawn: RunEffect = { kind: 'withdraw', leaves: wrong };
  const faults = new Map([...turn.state.faults].filter(([leaf]) => !wrong.includes(leaf)));
  const cleaned = change(
    turn,
    { crew: gone, checks, faults, answeredAt: left.remaining === 0 ? turn.state.now : null },
    ...effects,
    withdrawn,
    secured,
  );
  return conclude(askElsewhere(shape, giveOut(shape, move(cleaned, left))));
}

/** Leaves that are open although a posting of their copy was taken by the store that does not count. */
export function replaceCopies(shape: RunShape, turn: Turn, leaves: readonly Leaf[]): Turn {
  return giveOut(shape, move(turn, reopen(turn.state.load, leaves)));
}
