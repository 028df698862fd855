/**
 * Who sits at a run? Seats as their workers joined, whom to refuse, whose answers are not believed any more.
 */
import type { Leaf } from '../partition/seats.ts';
import type { Join, SeatId, WorkerId } from '../protocol.ts';
import { Roll } from './roll.ts';
import type { Rules } from './rules.ts';

/** One seat that is held. */
export interface Member {
  readonly seat: SeatId;
  readonly worker: WorkerId;
  readonly numerics: string;
  readonly threads: number;
  /** From 1, never used again: who answered what is kept as numbers. */
  readonly serial: number;
  readonly heardAt: number;
  /** Not heard of for longer than it should; what it had to do is with others. */
  readonly silent: boolean;
  /** What its work waits for until somebody mends it; null: nothing. */
  readonly waits: string | null;
  /** Heard of, and at a leaf for longer than a straggler may be: nothing that others wait for is given to it until it answers. */
  readonly mute: boolean;
  /** Leaves it was at when it fell silent. */
  readonly suspects: readonly Leaf[];
  /** Time a leaf takes here, as a multiple of what it took all seats on average. */
  readonly pace: number;
}

export interface Crew {
  /** In the order of joining. */
  readonly members: Roll<Member>;
  readonly serials: number;
  /** Serial ↦ worker, of all that ever sat here: who answered is told from it. */
  readonly workers: ReadonlyMap<number, WorkerId>;
  /** The class that answers must have; null until the first seat is taken. */
  readonly numerics: string | null;
  /** Every class that sat here. */
  readonly classes: readonly string[];
  /** Workers that were lost and have not come back. */
  readonly lost: ReadonlySet<WorkerId>;
  /** Workers whose answers were wrong. */
  readonly quarantined: ReadonlySet<WorkerId>;
  /** Seats that were refused or retired: what they still say does not count. */
  readonly dismissed: ReadonlySet<SeatId>;
  readonly breakages: number;
}

export const nobody: Crew = Object.freeze({
  members: Roll.of<Member>([]),
  serials: 0,
  workers: new Map<number, WorkerId>(),
  numerics: null,
  classes: Object.freeze([]),
  lost: new Set<WorkerId>(),
  quarantined: new Set<WorkerId>(),
  dismissed: new Set<SeatId>(),
  breakages: 0,
});

/** Why a worker may not sit here; null: it may. */
export function refusalOf(rules: Rules, crew: Crew, join: Join): string | null {
  if (crew.quarantined.has(join.worker)) return 'its answers were wrong';
  if (rules.version !== null && join.version !== rules.version) {
    return `it runs version ${join.version}, this coordinator ${rules.version}`;
  }
  if (!rules.allowMixed && crew.numerics !== null && join.numerics !== crew.numerics) {
    return `its numerics class is ${join.numerics}, this run’s ${crew.numerics}`;
  }
  return null;
}

/** Whether this worker is one that was lost. */
export function returns(crew: Crew, worker: WorkerId): boolean {
  return crew.lost.has(worker);
}

export function admit(crew: Crew, { seat, worker, numerics, threads }: Join, now: number): Crew {
  const serial = crew.serials + 1;
  const who = { seat, worker, numerics, threads, serial };
  const still = { silent: false, waits: null, mute: false, suspects: [] } as const;
  const member: Member = { ...who, ...still, heardAt: now, pace: 1 };
  return {
    ...crew,
    members: crew.members.with(seat, member),
    serials: serial,
    workers: new Map(crew.workers).set(serial, worker),
    numerics: crew.numerics ?? numerics,
    classes: crew.classes.includes(numerics) ? crew.classes : [...crew.classes, numerics],
    lost: without(crew.lost, worker),
  };
}

/** The serial that answers of this worker are kept under: its last seat's, or one for a worker that sat with another coordinator. */
export function serialOf(
  crew: Crew,
  seat: SeatId,
  worker: WorkerId,
): { readonly crew: Crew; readonly serial: number } {
  const member = crew.members.get(seat);
  if (member !== undefined) return { crew, serial: member.serial };
  for (const [serial, who] of crew.workers) if (who === worker) return { crew, serial };
  const serial = crew.serials + 1;
  return { crew: { ...crew, serials: serial, workers: new Map(crew.workers).set(serial, worker) }, serial };
}

/** The seat is not held any more. */
export function discharge(crew: Crew, seat: SeatId, lost: boolean): Crew {
  const member = crew.members.get(seat);
  if (member === undefined) return crew;
  const members = crew.members.without(seat);
  return { ...crew, members, lost: lost ? new Set([...crew.lost, member.worker]) : crew.lost };
}

/** The seat is refused or retired: whatever it says from now on does not count. */
export function dismiss(crew: Crew, seat: SeatId): Crew {
  return { ...discharge(crew, seat, false), dismissed: new Set([...crew.dismissed, seat]) };
}

export function quarantine(crew: Crew, worker: WorkerId): Crew {
  return { ...crew, quarantined: new Set([...crew.quarantined, worker]) };
}

/** The class may be chosen anew: nobody has answered anything yet, and nobody is here. */
export function forgetClass(crew: Crew): Crew {
  return crew.members.size > 0 ? crew : { ...crew, numerics: null, classes: [] };
}

/** Change one member; unknown seats change nothing. */
export function amend(crew: Crew, seat: SeatId, change: Partial<Member>): Crew {
  const member = crew.members.get(seat);
  if (member === undefined) return crew;
  return { ...crew, members: crew.members.with(seat, { ...member, ...change }) };
}

/** Another question is asked: what silent seats were at is of the one before, whatever becomes of them. */
export function unsuspected(crew: Crew): Crew {
  if (crew.members.values().every(({ suspects }) => suspects.length === 0)) return crew;
  return { ...crew, members: crew.members.map((member) => ({ ...member, suspects: [] })) };
}

/** Everyone was heard of just now: the silence was the store’s. */
export function hearAll(crew: Crew, now: number): Crew {
  return { ...crew, members: crew.members.map((member) => ({ ...member, heardAt: now })) };
}

/** Whether work can be given to it: it is heard of, and waits for nobody. */
export function isReady({ silent, waits }: Member): boolean {
  return !silent && waits === null;
}

/** Those that answer what they are asked; all of them where none does: somebody has to be asked. */
export function answering(members: readonly Member[]): readonly Member[] {
  const speaking = members.filter(({ mute }) => !mute);
  return speaking.length > 0 ? speaking : members;
}

export function isEnough(rules: Rules, crew: Crew): boolean {
  return crew.members.size >= rules.seatsMin;
}

function without<T>(set: ReadonlySet<T>, gone: T): ReadonlySet<T> {
  return set.has(gone) ? new Set([...set].filter((item) => item !== gone)) : set;
}
