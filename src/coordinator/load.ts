/**
 * Who works on which leaves of a stage, and which are answered? Each seat has a queue; what it has started may be copied, and
 * what it has not may move to another at any time, since a leaf's answer is the same wherever it is computed.
 *
 * How far a worker is, it does not say: as many leaves at the head of its queue count as started as it has threads.
 */
import { deal, type Leaf } from '../partition/seats.ts';
import type { Again, SeatId } from '../protocol.ts';
import type { Member } from './crew.ts';
import { changed, numberAt, type Pages, pagesOf, valuesOf } from './pages.ts';
import { Roll } from './roll.ts';
import { leafAt, placeOf } from './stage.ts';

/** A leaf that a seat is at. */
export interface Started {
  readonly leaf: Leaf;
  readonly at: number;
}

/** How long so many leaves took in all. */
export interface Latency {
  readonly count: number;
  readonly totalMs: number;
}

/** What one seat has to do. */
export interface Queue {
  readonly member: Pick<Member, 'seat' | 'serial' | 'threads'>;
  /** In the order they were given; those before `next` are started or answered. */
  readonly leaves: readonly Leaf[];
  readonly next: number;
  readonly started: readonly Started[];
  /** Answers it gave in this stage, and how long its threads were at them, in milliseconds. */
  readonly done: Latency;
}

/** Immutable; what there is of every leaf is kept in pages, as an answer changes it for a few. */
export interface Load {
  readonly shards: number;
  /** By place, 1: the leaf has no answer yet. */
  readonly open: Pages;
  readonly remaining: number;
  /** By place: which copy of the leaf answers it. */
  readonly copies: Pages;
  /** By place: the last copy that was asked for. */
  readonly asked: Pages;
  /** By place: the serial of the seat that answered; 0: none, or nobody knows. */
  readonly authors: Pages;
  readonly queues: Roll<Queue>;
  /** No queue has more leaves than this. */
  readonly longest: number;
  /** Leaves that were given to a second seat while a first was at them. */
  readonly copied: ReadonlySet<Leaf>;
  /** Leaves that no seat holds. */
  readonly orphans: readonly Leaf[];
}

/**
 * A stage as it begins: `shares` are the leaves that seats are given; without any, all are orphans.
 *
 * @param edition - the copy that answers each leaf
 */
export function newLoad(
  shards: number,
  leaves: readonly Leaf[],
  members: readonly Member[],
  shares: ReadonlyMap<SeatId, readonly Leaf[]>,
  edition: number,
  now: number,
): Load {
  const places = leaves.map((leaf) => placeOf({ shards }, leaf));
  const editions = pagesOf(shards + 1, edition);
  const open = changed(pagesOf(shards + 1, 0), places, () => 1);
  const queues = members.map((member) => {
    const queue = queueFor(member, shares.get(member.seat) ?? []);
    return [member.seat, refill({ shards, open }, queue, now)] as const;
  });
  return {
    shards,
    open,
    remaining: leaves.length,
    copies: editions,
    asked: editions,
    authors: pagesOf(shards + 1, 0),
    queues: Roll.of(queues),
    longest: Math.max(0, ...queues.map(([, queue]) => queue.leaves.length)),
    copied: new Set(),
    orphans: shares.size === 0 ? leaves : [],
  };
}

function queueFor(member: Member, leaves: readonly Leaf[]): Queue {
  return { member, leaves, next: 0, started: [], done: nothingDone };
}

const nothingDone: Latency = Object.freeze({ count: 0, totalMs: 0 });

/** As long as both together. */
export function plus(a: Latency, b: Latency): Latency {
  return { count: a.count + b.count, totalMs: a.totalMs + b.totalMs };
}

/** What tells which leaves have no answer yet. */
type Opening = Pick<Load, 'open' | 'shards'>;

export function isOpen(load: Opening, leaf: Leaf): boolean {
  return numberAt(load.open, placeOf(load, leaf)) === 1;
}

/** Which copy of a leaf answers it. */
export function copyOf(load: Load, leaf: Leaf): number {
  return numberAt(load.copies, placeOf(load, leaf));
}

// --- seats ------------------------------------------------------------------------------------------------

/** A seat comes, with nothing to do. */
export function enter(load: Load, member: Member): Load {
  if (load.queues.has(member.seat)) return load;
  return { ...load, queues: load.queues.with(member.seat, queueFor(member, [])) };
}

/** A seat's queue is emptied; its leaves are orphans but for those that others have, too. */
export function clear(load: Load, seat: SeatId): Load {
  const queue = queueOf(load, seat);
  if (queue === null) return load;
  const elsewhere = (leaf: Leaf): boolean =>
    load.copied.has(leaf) &&
    load.queues.values().some((other) => other !== queue && other.leaves.includes(leaf));
  const orphans = openOf(load, queue).filter((leaf) => !elsewhere(leaf));
  const emptied: Queue = { ...queue, leaves: [], next: 0, started: [] };
  // Whoever is given one of these has it alone, and it may move on from there.
  const copied = orphans.some((leaf) => load.copied.has(leaf)) ? without(load.copied, orphans) : load.copied;
  return { ...replace(load, emptied), orphans: [...load.orphans, ...orphans], copied };
}

/** A seat goes; `clear` it before. */
export function exit(load: Load, seat: SeatId): Load {
  return { ...load, queues: load.queues.without(seat) };
}

/** Give leaves to a seat, after what it has. */
export function give(load: Load, seat: SeatId, leaves: readonly Leaf[], now: number): Load {
  const queue = queueOf(load, seat);
  if (queue === null || leaves.length === 0) return load;
  const given = new Set(leaves);
  const more = { ...queue, leaves: [...queue.leaves, ...leaves] };
  return {
    ...replace(load, refill(load, more, now)),
    longest: Math.max(load.longest, more.leaves.length),
    orphans: load.orphans.filter((leaf) => !given.has(leaf)),
  };
}

/**
 * What no seat holds goes to `seats`, in consecutive runs, the least loaded first.
 *
 * @param last - leaves that come after others
 * @param not - leaves that wait
 */
export function adopt(
  load: Load,
  seats: readonly SeatId[],
  { last, not }: { readonly last: ReadonlySet<Leaf>; readonly not: ReadonlySet<Leaf> },
  now: number,
): Load {
  const orphans = load.orphans.filter((leaf) => isOpen(load, leaf) && !not.has(leaf));
  if (seats.length === 0 || orphans.length === 0) return load;
  const place = (leaf: Leaf): number => placeOf(load, leaf) + (last.has(leaf) ? load.shards + 1 : 0);
  const sorted = [...orphans].sort((a, b) => place(a) - place(b));
  const loads = new Map(seats.map((seat) => [seat, openCount(load, seat)]));
  const byLoad = [...seats].sort((a, b) => (loads.get(a) ?? 0) - (loads.get(b) ?? 0));
  let next = load;
  for (const [seat, leaves] of deal(sorted, byLoad)) next = give(next, seat, leaves, now);
  return next;
}

/** The seats that have one of these leaves, if it was copied; mostly there are none. */
export function sharersOf(load: Load, leaves: readonly Leaf[]): readonly SeatId[] {
  const copied = load.copied.size === 0 ? [] : leaves.filter((leaf) => load.copied.has(leaf));
  if (copied.length === 0) return [];
  const sharing = load.queues.values().filter((queue) => copied.some((leaf) => queue.leaves.includes(leaf)));
  return sharing.map(({ member }) => member.seat);
}

// --- answers ----------------------------------------------------------------------------------------------

/**
 * Leaves are answered at once: what is left.
 *
 * @param took - how long their author was at them; null: nobody knows
 */
export function answer(
  load: Load,
  leaves: readonly Leaf[],
  { seat, serial }: { readonly seat: SeatId; readonly serial: number },
  took: Latency | null,
  now: number,
): Load {
  const queue = queueOf(load, seat);
  const places = leaves.map((leaf) => placeOf(load, leaf));
  const open = changed(load.open, places, () => 0);
  const authors = changed(load.authors, places, () => serial);
  const after = { ...load, open, authors, remaining: load.remaining - leaves.length };
  const counted = queue === null || took === null ? queue : { ...queue, done: plus(queue.done, took) };
  const own = counted === null ? after : replace(after, refill(after, counted, now));
  // Who has a copy goes on to its next leaf, too.
  return sharersOf(own, leaves).reduce((before, other) => {
    const its = queueOf(before, other);
    return its === null ? before : replace(before, refill(before, its, now));
  }, own);
}

/** The answer that counts is this seat’s. */
export function credit(load: Load, leaf: Leaf, serial: number): Load {
  return { ...load, authors: changed(load.authors, [placeOf(load, leaf)], () => serial) };
}

/** The clock stood still for everyone: nobody took long. */
export function restartClocks(load: Load, now: number): Load {
  const fresh = (queue: Queue): Queue => ({
    ...queue,
    started: queue.started.map(({ leaf }) => ({ leaf, at: now })),
  });
  return { ...load, queues: load.queues.map(fresh) };
}

/** The answer of a leaf does not count: it is to be answered again, as a new copy. */
export function reopen(load: Load, leaves: readonly Leaf[]): Load {
  const places = leaves.map((leaf) => placeOf(load, leaf));
  const remaining = load.remaining + new Set(places.filter((place) => numberAt(load.open, place) === 0)).size;
  const open = changed(load.open, places, () => 1);
  const authors = changed(load.authors, places, () => 0);
  const asked = changed(load.asked, places, (copy) => copy + 1);
  const copies = changed(load.copies, places, (_, place) => numberAt(asked, place));
  const gone = new Set(leaves);
  const queues = load.queues.map((queue) => withoutLeaves(queue, gone));
  const orphans = [...load.orphans.filter((leaf) => !gone.has(leaf)), ...leaves];
  const copied = without(load.copied, leaves);
  return { ...load, open, copies, asked, authors, remaining, queues, orphans, copied };
}

/** Ask for one more copy of a leaf, to be compared. */
export function askCopy(load: Load, leaf: Leaf): { readonly load: Load; readonly copy: number } {
  const place = placeOf(load, leaf);
  const asked = changed(load.asked, [place], (before) => before + 1);
  return { load: { ...load, asked }, copy: numberAt(asked, place) };
}

/** Copies up to these were asked for, perhaps by another coordinator: the store takes none twice, so the next one is another. */
export function countFrom(load: Load, copies: ReadonlyMap<Leaf, number>): Load {
  const more = new Map(
    [...copies]
      .map(([leaf, copy]) => [placeOf(load, leaf), copy] as const)
      .filter(([place, copy]) => copy > numberAt(load.asked, place)),
  );
  if (more.size === 0) return load;
  const asked = changed(load.asked, [...more.keys()], (before, place) => more.get(place) ?? before);
  return { ...load, asked };
}

/** The serial of the seat that answered a leaf; 0: none did. */
export function authorAt(load: Load, leaf: Leaf): number {
  return numberAt(load.authors, placeOf(load, leaf));
}

/** The leaves that this seat answered. */
export function answeredBy(load: Load, serial: number): readonly Leaf[] {
  return valuesOf(load.authors).flatMap((author, place) => (author === serial ? [leafAt(load, place)] : []));
}

// --- views ------------------------------------------------------------------------------------------------

export function queueOf(load: Load, seat: SeatId): Queue | null {
  return load.queues.get(seat) ?? null;
}

/** How many leaves a seat has yet to answer. */
export function openCount(load: Load, seat: SeatId): number {
  let count = 0;
  for (const leaf of queueOf(load, seat)?.leaves ?? []) if (isOpen(load, leaf)) count += 1;
  return count;
}

/** Leaves of a queue from a place on that may move to another seat: without an answer, and with nobody else. */
export function movable(load: Load, { leaves }: Queue, from: number): readonly Leaf[] {
  return leaves.slice(from).filter((leaf) => isOpen(load, leaf) && !load.copied.has(leaf));
}

/** The leaves without an answer that a seat is at. */
export function startedOf(load: Load, seat: SeatId): readonly Started[] {
  return (queueOf(load, seat)?.started ?? []).filter(({ leaf }) => isOpen(load, leaf));
}

/** What every seat has yet to answer: first answers, and answers that are asked again. */
export function planOf(load: Load): {
  readonly leaves: ReadonlyMap<SeatId, readonly Leaf[]>;
  readonly again: ReadonlyMap<SeatId, readonly Again[]>;
} {
  const again = new Map<SeatId, readonly Again[]>();
  const leaves = new Map<SeatId, readonly Leaf[]>();
  for (const queue of load.queues.values()) {
    const first: Leaf[] = [];
    const replaced: Again[] = [];
    for (const leaf of queue.leaves) {
      if (!isOpen(load, leaf)) continue;
      const copy = copyOf(load, leaf);
      if (copy === 0) first.push(leaf);
      else replaced.push({ leaf, copy, rows: true });
    }
    leaves.set(queue.member.seat, first);
    if (replaced.length > 0) again.set(queue.member.seat, replaced);
  }
  return { leaves, again };
}

// --- queues -----------------------------------------------------------------------------------------------

function openOf(load: Load, queue: Queue): readonly Leaf[] {
  return queue.leaves.filter((leaf) => isOpen(load, leaf));
}

/** Take the next leaves as started, until as many are as the seat has threads. */
function refill(load: Opening, queue: Queue, now: number): Queue {
  const { leaves, member } = queue;
  const started = queue.started.filter(({ leaf }) => isOpen(load, leaf));
  let { next } = queue;
  while (started.length < member.threads && next < leaves.length) {
    const leaf = leaves[next] as Leaf;
    next += 1;
    if (isOpen(load, leaf)) started.push({ leaf, at: now });
  }
  return { ...queue, started, next };
}

function withoutLeaves(queue: Queue, gone: ReadonlySet<Leaf>): Queue {
  const before = queue.leaves.slice(0, queue.next).filter((leaf) => gone.has(leaf)).length;
  return {
    ...queue,
    leaves: queue.leaves.filter((leaf) => !gone.has(leaf)),
    next: queue.next - before,
    started: queue.started.filter(({ leaf }) => !gone.has(leaf)),
  };
}

function without(set: ReadonlySet<Leaf>, gone: readonly Leaf[]): ReadonlySet<Leaf> {
  const leaves = new Set(gone);
  return new Set([...set].filter((leaf) => !leaves.has(leaf)));
}

/** With this queue instead of the one of its seat. */
export function replace(load: Load, queue: Queue): Load {
  const { seat } = queue.member;
  return load.queues.has(seat) ? { ...load, queues: load.queues.with(seat, queue) } : load;
}
