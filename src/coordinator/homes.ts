/**
 * Where does a leaf begin? Where it was answered last, because its rows are resident there; from the fullest seats to the
 * emptiest as far as that makes a stage shorter.
 */
import { deal, type Leaf } from '../partition/seats.ts';
import type { SeatId } from '../protocol.ts';
import type { Member } from './crew.ts';

/** How much longer the fullest seat must take than the emptiest before rows are read elsewhere for it. */
const hysteresis = 1.2;

interface Share {
  readonly member: Member;
  leaves: readonly Leaf[];
}

/**
 * Every leaf to one of `members`; without members, nothing.
 *
 * @param homeOf - the serial of the seat that a leaf is at home with; 0: with none
 */
export function settle(
  leaves: readonly Leaf[],
  members: readonly Member[],
  homeOf: (leaf: Leaf) => number,
): ReadonlyMap<SeatId, readonly Leaf[]> {
  if (members.length === 0) return new Map();
  const atHome = new Map(members.map(({ serial }) => [serial, [] as Leaf[]]));
  const homeless: Leaf[] = [];
  for (const leaf of leaves) (atHome.get(homeOf(leaf)) ?? homeless).push(leaf);
  if (homeless.length === leaves.length) {
    return deal(
      leaves,
      members.map(({ seat }) => seat),
    );
  }
  const shares = members.map((member): Share => ({ member, leaves: atHome.get(member.serial) ?? [] }));
  house(shares, homeless, leaves.length);
  balance(shares);
  return new Map(shares.map((share) => [share.member.seat, ordered(share.leaves)]));
}

/** Mostly they are. */
function ordered(leaves: readonly Leaf[]): readonly Leaf[] {
  const are = leaves.every((leaf, n) => n === 0 || inOrder(leaves[n - 1] as Leaf, leaf) < 0);
  return are ? leaves : leaves.toSorted(inOrder);
}

/** Shards by number, the run's own leaf after them. */
function inOrder(a: Leaf, b: Leaf): number {
  if (a === 'sources') return 1;
  return b === 'sources' ? -1 : a - b;
}

/** Leaves without a home, in consecutive runs, to the seats that have fewest. */
function house(shares: readonly Share[], homeless: readonly Leaf[], all: number): void {
  const fair = Math.ceil(all / shares.length);
  let rest = homeless;
  for (const share of [...shares].sort((a, b) => a.leaves.length - b.leaves.length)) {
    const room = Math.max(0, fair - share.leaves.length);
    share.leaves = [...share.leaves, ...rest.slice(0, room)];
    rest = rest.slice(room);
  }
}

/** From the fullest to the emptiest, as long as that pays. */
function balance(shares: readonly Share[]): void {
  const time = (share: Share): number => share.leaves.length * share.member.pace;
  for (let moves = 0; moves < 2 * shares.length; moves++) {
    const fullest = shares.reduce((a, b) => (time(b) > time(a) ? b : a));
    const emptiest = shares.reduce((a, b) => (time(b) < time(a) ? b : a));
    const even = (time(fullest) - time(emptiest)) / (fullest.member.pace + emptiest.member.pace);
    const count = Math.min(fullest.leaves.length, Math.floor(even));
    if (count < 1 || time(fullest) < hysteresis * time(emptiest)) return;
    emptiest.leaves = [...emptiest.leaves, ...fullest.leaves.slice(-count)];
    fullest.leaves = fullest.leaves.slice(0, -count);
  }
}
