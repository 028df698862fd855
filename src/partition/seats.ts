/**
 * Which seat works on which leaves? A plan that moves as little as it can when seats come and go: leaves not yet
 * answered may be taken from any seat at any time, since a leaf's answer is the same wherever it is computed.
 */

/** A leaf of the tree: a shard by index, or the run's own leaf (sources and direct seeds, no tracers). */
export type Leaf = number | 'sources';

/** `count` leaves from one on: shards in a row, or one leaf of either kind. */
export function leavesFrom(leaf: Leaf, count: number): readonly Leaf[] {
  if (leaf === 'sources' || count === 1) return [leaf];
  const leaves: Leaf[] = [];
  for (let n = 0; n < count; n++) leaves.push(leaf + n);
  return leaves;
}

/** `count` leaves from one on as text: `17`, `0-15`, `sources`. */
export function leavesText(leaf: Leaf, count: number): string {
  return leaf === 'sources' || count === 1 ? String(leaf) : `${leaf}-${leaf + count - 1}`;
}

/** Seat ↦ the leaves it has yet to answer, in the order it should take them. */
export type Assignment<Seat extends string = string> = ReadonlyMap<Seat, readonly Leaf[]>;

/**
 * Deal `leaves` to `seats` in consecutive runs whose lengths differ by at most one: a seat reads neighbouring rows.
 * Without seats the assignment is empty and the leaves stay with the caller.
 */
export function deal<Seat extends string>(leaves: readonly Leaf[], seats: readonly Seat[]): Assignment<Seat> {
  const share = (s: number): number => Math.floor((s * leaves.length) / seats.length);
  return new Map(seats.map((seat, s) => [seat, leaves.slice(share(s), share(s + 1))]));
}

/** `seat` leaves or is lost: what it had left is dealt to the others, the least loaded first. */
export function withoutSeat<Seat extends string>(
  assignment: Assignment<Seat>,
  seat: Seat,
): { readonly assignment: Assignment<Seat>; readonly orphans: readonly Leaf[] } {
  const orphans = assignment.get(seat) ?? [];
  const others = new Map([...assignment].filter(([other]) => other !== seat));
  if (others.size === 0) return { assignment: others, orphans };
  const byLoad = [...others.keys()].sort((a, b) => load(others, a) - load(others, b));
  for (const [heir, leaves] of deal(orphans, byLoad)) {
    others.set(heir, [...(others.get(heir) ?? []), ...leaves]);
  }
  return { assignment: others, orphans: [] };
}

/** `seat` joins: it takes `orphans`, or else the later half of what the most loaded seat has left. */
export function withSeat<Seat extends string>(
  assignment: Assignment<Seat>,
  seat: Seat,
  orphans: readonly Leaf[],
): Assignment<Seat> {
  const next = new Map(assignment);
  if (orphans.length > 0 || next.size === 0) return next.set(seat, [...(next.get(seat) ?? []), ...orphans]);
  const busiest = [...next.keys()].reduce((a, b) => (load(next, b) > load(next, a) ? b : a));
  const leaves = next.get(busiest) ?? [];
  const kept = Math.ceil(leaves.length / 2);
  next.set(busiest, leaves.slice(0, kept));
  return next.set(seat, leaves.slice(kept));
}

/** What is left of an assignment when only `outstanding` leaves are still without an answer. */
export function restrict<Seat extends string>(
  assignment: Assignment<Seat>,
  outstanding: (leaf: Leaf) => boolean,
): Assignment<Seat> {
  return new Map([...assignment].map(([seat, leaves]) => [seat, leaves.filter(outstanding)]));
}

function load<Seat extends string>(assignment: Assignment<Seat>, seat: Seat): number {
  return assignment.get(seat)?.length ?? 0;
}
