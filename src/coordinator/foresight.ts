/**
 * Which answers are compared that nobody has given yet? As soon as a stage is asked it is known which leaves are audited: a
 * second worker is asked in the same plan, so that no stage waits for a second one.
 */
import type { Leaf } from '../partition/seats.ts';
import type { SeatId } from '../protocol.ts';
import { type Crew, isReady, type Member } from './crew.ts';
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
  const wanted = new Set(leaves);
  const owners = new Map<Leaf, Member>();
  const counts = new Map<SeatId, number>();
  for (const { member, leaves: own } of load.queues.values()) {
    const owner = crew.members.get(member.seat);
    if (owner === undefined) continue;
    counts.set(owner.seat, own.length);
    for (const leaf of own) if (wanted.has(leaf)) owners.set(leaf, owner);
  }
  const byCount = sorted(crew, counts);
  const checks: Check[] = [];
  let next = load;
  for (const leaf of leaves) {
    const owner = owners.get(leaf);
    const second = owner === undefined ? null : takeLeastLoaded(byCount, owner);
    if (second === null) continue;
    const asked = askCopy(next, leaf);
    next = asked.load;
    checks.push({
      leaf,
      why: 'audit',
      seen: [],
      early: null,
      copy: asked.copy,
      asked: second.seat,
      askedAt: -Infinity,
      tried: [],
      rows: false,
    });
  }
  return { load: next, checks };
}

/** Members by how many leaves they have, the least loaded first, otherwise in the order of joining. */
type ByCount = Member[][];

function sorted({ members }: Crew, counts: ReadonlyMap<SeatId, number>): ByCount {
  const byCount: ByCount = [];
  for (const member of members.values()) {
    if (isReady(member) && !member.mute) put(byCount, counts.get(member.seat) ?? 0, member);
  }
  return byCount;
}

/** The least loaded that may compare what `owner` answers; it has one more from now on. */
function takeLeastLoaded(byCount: ByCount, { worker, numerics }: Member): Member | null {
  for (let count = 0; count < byCount.length; count++) {
    const members = byCount[count] ?? [];
    const place = members.findIndex((each) => each.worker !== worker && each.numerics === numerics);
    const member = members[place];
    if (member === undefined) continue;
    members.splice(place, 1);
    put(byCount, count + 1, member);
    return member;
  }
  return null;
}

function put(byCount: ByCount, count: number, member: Member): void {
  const members = byCount[count];
  if (members === undefined) byCount[count] = [member];
  else members.push(member);
}
