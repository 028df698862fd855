/**
 * Does a leaf take workers along, or is it chance?
 *
 * A worker whose device fails says so, after it has tried several times over: a few of them at one leaf are enough. A worker that
 * is lost says nothing. It was killed, its machine stopped or its link was cut, and every leaf it was at is as likely innocent as
 * not. So it takes many such losses at one leaf, and few among those that were at nothing, or at leaves that others answered
 * since: they tell how dangerous the world is. One that comes back was not taken along, and one that was given a leaf
 * when it had been silent for a while never was at it. And as a worker may be at several
 * leaves, one under suspicion is computed alone: the next loss is about no other.
 */
import { isCodeOfFull } from '../errors.ts';
import type { Leaf } from '../partition/seats.ts';
import type { ErrorReport, WorkerId } from '../protocol.ts';
import type { Member } from './crew.ts';
import { give, isOpen, type Load, openCount, startedOf } from './load.ts';
import type { Rules } from './rules.ts';

/** Whom a leaf may have taken along. */
interface Victims {
  /** Said that they could not go on, while they were at it. */
  readonly broken: ReadonlySet<WorkerId>;
  /** Were not heard of any more. */
  readonly lost: ReadonlySet<WorkerId>;
}

/** What befell workers in a stage. */
export interface Blame {
  /** All that were lost, whatever they were at. */
  readonly lost: ReadonlySet<WorkerId>;
  readonly victims: ReadonlyMap<Leaf, Victims>;
}

/** What became of a worker. */
export type Fate = keyof Victims;

/** Losses at a leaf for each that it has nothing to do with, at least, if they are its doing. */
const excess = 3;

const none: Victims = { broken: new Set(), lost: new Set() };
export const noBlame: Blame = Object.freeze({ lost: new Set<WorkerId>(), victims: new Map() });

/** What is to be made of a worker that says why it cannot go on; null: that has nothing to do with what it computed. */
export function fateOf({ tag, details }: ErrorReport): Fate | null {
  // Over a network a disk is found to be full when rows are flushed: too late to write them once more, and no fault of theirs.
  return isCodeOfFull(details['code']) || tag === 'AbortedError' || tag === 'OutOfReachError'
    ? null
    : 'broken';
}

/** Leaves that a worker was at when it was heard of last, or was given while it was lively. */
export function lastAt({ livelyMs }: Rules, load: Load, { seat, heardAt }: Member): readonly Leaf[] {
  return startedOf(load, seat)
    .filter(({ at }) => at < heardAt + livelyMs)
    .map(({ leaf }) => leaf);
}

/** This worker was at these leaves when that happened to it. */
export function blamed(
  { blame, load }: { readonly blame: Blame; readonly load: Load },
  worker: WorkerId,
  leaves: readonly Leaf[],
  fate: Fate | null,
): Blame {
  if (fate === null) return blame;
  const victims = new Map(blame.victims);
  for (const leaf of leaves.filter((l) => isOpen(load, l))) {
    const before = victims.get(leaf) ?? none;
    victims.set(leaf, { ...before, [fate]: new Set([...before[fate], worker]) });
  }
  const lost = fate === 'lost' ? new Set([...blame.lost, worker]) : blame.lost;
  return { lost, victims };
}

/** A worker that was lost is back: nothing took it along. */
export function cleared(blame: Blame, worker: WorkerId): Blame {
  if (!blame.lost.has(worker)) return blame;
  const without = (set: ReadonlySet<WorkerId>): ReadonlySet<WorkerId> =>
    new Set([...set].filter((other) => other !== worker));
  const victims = [...blame.victims].map(
    ([leaf, { broken, lost }]) => [leaf, { broken, lost: without(lost) }] as const,
  );
  return { lost: without(blame.lost), victims: new Map(victims) };
}

/** Everyone a leaf may have taken along, those who said so first. */
export function victimsOf({ victims }: Blame, leaf: Leaf): readonly WorkerId[] {
  const { broken, lost } = victims.get(leaf) ?? none;
  return [...new Set([...broken, ...lost])];
}

/** The first of these leaves that no chance explains; null: there is none. */
export function poisonAmong(
  rules: Rules,
  state: { readonly blame: Blame; readonly load: Load },
  leaves: readonly Leaf[],
): Leaf | null {
  const isPoison = (leaf: Leaf): boolean => {
    const { broken, lost } = state.blame.victims.get(leaf) ?? none;
    if (broken.size >= rules.poisonWorkers) return true;
    return (
      broken.size / rules.poisonWorkers + lost.size / rules.poisonLosses >= 1 &&
      lost.size >= excess * unrelated(state)
    );
  };
  return leaves.find(isPoison) ?? null;
}

/** Losses that no leaf which is open still can have caused. */
function unrelated({ blame, load }: { readonly blame: Blame; readonly load: Load }): number {
  const open = [...blame.victims].filter(([leaf]) => isOpen(load, leaf));
  const explained = new Set(open.flatMap(([, { lost }]) => [...lost]));
  return [...blame.lost].filter((worker) => !explained.has(worker)).length;
}

/** Whether so many workers were at it that it must be found out which leaf it is. */
export function isSuspect(rules: Rules, blame: Blame, leaf: Leaf): boolean {
  return victimsOf(blame, leaf).length >= rules.poisonWorkers - 1;
}

/**
 * Leaves that are computed alone go to seats that have nothing else to do, one each, and rather to a worker that has not broken
 * at it; the others wait.
 */
export function tryAlone(
  load: Load,
  blame: Blame,
  leaves: readonly Leaf[],
  able: readonly Member[],
  now: number,
): Load {
  return leaves.reduce((before, leaf) => {
    const idle = able.filter(({ seat }) => openCount(before, seat) === 0);
    const victims = victimsOf(blame, leaf);
    const chosen = idle.find(({ worker }) => !victims.includes(worker)) ?? idle[0];
    return chosen === undefined ? before : give(before, chosen.seat, [leaf], now);
  }, load);
}
