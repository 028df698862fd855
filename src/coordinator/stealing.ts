/**
 * What may an idle seat take from another? What that one has not begun, as far as can be told: how far a worker is, it says only
 * with answers, and it keeps them back for a while.
 */
import type { Leaf } from '../partition/seats.ts';
import { answersMs, type SeatId } from '../protocol.ts';
import { give, type Load, movable, type Queue, queueOf, replace } from './load.ts';
import { placeOf } from './stage.ts';

/**
 * Move the later half of what the fullest seat has not started to `thief`; null when nothing is worth moving, or the thief is
 * not here: what nobody holds would never be answered.
 *
 * @param fewest - so many leaves are worth moving, at least one
 * @param averageMs - how long a leaf takes; Infinity: nobody knows, and a seat has started what it is known to have started
 */
export function steal(
  load: Load,
  thief: SeatId,
  now: number,
  fewest: number,
  averageMs = Number.POSITIVE_INFINITY,
): Load | null {
  if (queueOf(load, thief) === null || fewest > load.longest) return null;
  let fullest: Queue | null = null;
  let spare: readonly Leaf[] = [];
  for (const queue of load.queues.values()) {
    const enough = Math.max(fewest, spare.length + 1);
    if (queue.member.seat === thief || queue.leaves.length - queue.next < enough) continue;
    const begun = queue.next + untold(queue, now, averageMs);
    if (queue.leaves.length - begun < enough) continue;
    const unstarted = movable(load, queue, begun);
    if (unstarted.length < enough) continue;
    fullest = queue;
    spare = unstarted;
  }
  if (fullest === null) return null;
  const at = alignedCut(load, spare, Math.floor(spare.length / 2));
  const moved = new Set(spare.slice(at));
  const leaves = fullest.leaves.filter((leaf, place) => place < (fullest?.next ?? 0) || !moved.has(leaf));
  return give(replace(load, { ...fullest, leaves }), thief, spare.slice(at), now);
}

/**
 * Leaves that a seat has likely begun beyond those it is known to be at: it keeps answers back for a while, and a leaf that is
 * taken from it then is computed twice. Whoever is silent for longer has not come further.
 */
function untold({ member, started }: Queue, now: number, averageMs: number): number {
  if (!(averageMs > 0) || averageMs === Number.POSITIVE_INFINITY) return 0;
  const heardAt = Math.max(...started.map(({ at }) => at));
  const silentMs = Math.min(now - heardAt, answersMs + averageMs);
  return Math.max(0, Math.floor((member.threads * silentMs) / averageMs));
}

/**
 * Where to cut a list near `at`: before the leaf that begins the largest aligned group, so that whole subtrees stay
 * together and may be added where they are computed.
 */
function alignedCut(load: Load, leaves: readonly Leaf[], at: number): number {
  const reach = Math.floor(leaves.length / 4);
  const alignment = (cut: number): number => {
    const place = placeOf(load, leaves[cut] ?? 0);
    return place === 0 ? 2 ** 30 : place & -place;
  };
  let best = at;
  for (let cut = Math.max(0, at - reach); cut <= Math.min(leaves.length - 1, at + reach); cut++) {
    if (alignment(cut) > alignment(best)) best = cut;
  }
  return best;
}
