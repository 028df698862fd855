/**
 * Which answers are compared that nobody has given yet? As soon as a stage is asked it is known which leaves are audited: a
 * second worker is asked in the same plan, so that no stage waits for a second one.
 */
import type { Leaf } from '../partition/seats.ts';
import type { SeatId } from '../protocol.ts';
import type { Crew, Member } from './crew.ts';
import { askCopy, type Load } from './load.ts';
import type { Check } from './second-opinions.ts';

/**
 * A check of each of these leaves, by the worker that has least to do beside the one whose leaf it is; none of a leaf where nobody
 * else may compare.
 */
export function foresee(
  crew: Crew,
  load: Load,
  leaves: readonly Leaf[],
): { readonly load: Load; readonly checks: readonly Check[] } {
  if (leaves.length === 0) return { load, checks: [] };
  const owners = new Map<Leaf, Member>();
  const counts = new Map<SeatId, number>();
  for (const { member, leaves: own } of load.queues) {
    const owner = crew.members.get(member.seat);
    if (owner === undefined) continue;
    counts.set(owner.seat, own.length);
    for (const leaf of own) owners.set(leaf, owner);
  }
  const checks: Check[] = [];
  let next = load;
  for (const leaf of leaves) {
    const owner = owners.get(leaf);
    const second = owner === undefined ? null : leastLoaded(crew, counts, owner);
    if (second === null) continue;
    const asked = askCopy(next, leaf);
    next = asked.load;
    counts.set(second.seat, (counts.get(second.seat) ?? 0) + 1);
    checks.push({
      leaf,
      why: 'audit',
      seen: [],
      early: null,
      copy: asked.copy,
      asked: second.seat,
      rows: false,
    });
  }
  return { load: next, checks };
}

function leastLoaded(crew: Crew, counts: ReadonlyMap<SeatId, number>, owner: Member): Member | null {
  let best: Member | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const member of crew.members.values()) {
    const { seat, worker, numerics, silent } = member;
    const count = counts.get(seat) ?? 0;
    if (silent || worker === owner.worker || numerics !== owner.numerics || count >= least) continue;
    best = member;
    least = count;
  }
  return best;
}
