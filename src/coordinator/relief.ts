/**
 * What becomes of the leaves of a seat that is heard of and answers none? Others take them, and copies of the one it is at: its disk
 * is full, or its storage hangs, and it may be at that one for ever.
 */
import { deal, type Leaf } from '../partition/seats.ts';
import type { SeatId } from '../protocol.ts';
import { give, type Load, movable, type Queue, queueOf, replace } from './load.ts';

/** How long a seat has begun nothing that is known. It begins a leaf when it is given one, or has answered another. */
export function stuckMs(load: Load, seat: SeatId, now: number): number {
  const begun = queueOf(load, seat)?.started ?? [];
  return now - Math.max(...begun.map(({ at }) => at));
}

/** What a seat has and is not known to be at; leaves that are with another, too, are left out. */
export function restOf(load: Load, seat: SeatId): readonly Leaf[] {
  const queue = queueOf(load, seat);
  if (queue === null || queue.next === queue.leaves.length) return [];
  return movable(load, queue, queue.next);
}

/**
 * The rest of what a seat has goes to `others`, in consecutive runs; null: there is nothing, or nobody. Also what it has likely begun:
 * an answer that it keeps back is as far away as one that it never makes.
 *
 * @param rest - as `restOf` says
 */
export function relieve(
  load: Load,
  seat: SeatId,
  { rest, others }: { readonly rest: readonly Leaf[]; readonly others: readonly SeatId[] },
  now: number,
): Load | null {
  const queue = queueOf(load, seat);
  if (queue === null || rest.length === 0 || others.length === 0) return null;
  const moved = new Set(rest);
  const kept = replace(load, { ...queue, leaves: queue.leaves.filter((leaf) => !moved.has(leaf)) });
  return [...deal(rest, others)].reduce((before, [other, leaves]) => give(before, other, leaves, now), kept);
}

/**
 * Each of these seats, which answered nothing when they were asked last, is tried: with a copy of a leaf that another begins late, so
 * that nobody waits for it, and an answer comes first if it comes as others do.
 *
 * @param not - leaves of which no other copy is wanted
 */
export function tryOut(load: Load, seats: readonly SeatId[], not: readonly Leaf[], now: number): Load {
  return seats.reduce((before, seat) => {
    const spare = before.queues
      .values()
      .map((queue) => movable(before, queue, queue.next).filter((leaf) => !not.includes(leaf)));
    const leaf = spare.reduce((most, leaves) => (leaves.length > most.length ? leaves : most), []).at(-1);
    return leaf === undefined ? before : copyTo(before, leaf, seat, now);
  }, load);
}

/** Copy a leaf that another seat is at. */
export function copyTo(load: Load, leaf: Leaf, to: SeatId, now: number): Load {
  return { ...give(load, to, [leaf], now), copied: new Set([...load.copied, leaf]) };
}

/** How many seats a leaf is with, but for those that were at it before `since`. */
export function holdersSince(load: Load, leaf: Leaf, since: number): number {
  const isLate = ({ started }: Queue): boolean => started.some((its) => its.leaf === leaf && its.at < since);
  return load.queues.values().filter((queue) => queue.leaves.includes(leaf) && !isLate(queue)).length;
}
