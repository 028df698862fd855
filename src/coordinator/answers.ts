/**
 * How do the answers of a stage become one? By the fixed tree over leaves, in f64, whatever order they come in, and whether
 * they come one by one or as sums of whole subtrees.
 */
import { invariant } from '../errors.ts';
import { type Added, addPair, type Entry } from '../partition/adding.ts';
import { type Leaf, leavesFrom } from '../partition/seats.ts';
import { growTree, type Tree } from '../partition/tree.ts';
import type { LeafPartial } from '../protocol.ts';

/** What `count` leaves from one on answered together: a leaf alone, or the sum of a whole subtree. */
interface Kept {
  readonly answer: LeafPartial;
  readonly count: number;
}

/**
 * The answers of one stage. They are added as they come; kept one by one only where they may be withdrawn or have to
 * outlive this process, because otherwise one answer a level of the tree is all that is held.
 */
export class Answers {
  readonly #leaves: readonly Leaf[];
  readonly #entries: readonly Entry[];
  readonly #kept: Map<Leaf, Kept> | null;
  #adder: Adder;

  constructor(leaves: readonly Leaf[], entries: readonly Entry[], retain: boolean) {
    this.#leaves = leaves;
    this.#entries = entries;
    this.#kept = retain ? new Map() : null;
    this.#adder = new Adder(leaves, entries);
  }

  /** @param count - how many leaves, from `leaf` on, this is the sum of */
  put(leaf: Leaf, answer: LeafPartial, count = 1): void {
    this.#kept?.set(leaf, { answer, count });
    this.#adder.put(leaf, answer, count);
  }

  /** Forget what these leaves answered; each is put again before the total is asked for. */
  withdraw(leaves: readonly Leaf[]): void {
    invariant(this.#kept !== null, 'answers are withdrawn only where they are kept');
    const gone = new Set(leaves);
    for (const [leaf, { count }] of this.#kept) {
      const withdrawn = leavesFrom(leaf, count).filter((each) => gone.has(each)).length;
      invariant(withdrawn === 0 || withdrawn === count, 'who answered leaves together is believed or not');
      if (withdrawn > 0) this.#kept.delete(leaf);
    }
    this.#adder = new Adder(this.#leaves, this.#entries);
    for (const [leaf, { answer, count }] of this.#kept) this.#adder.put(leaf, answer, count);
  }

  /** What is kept as it came, by first leaf. */
  kept(): ReadonlyMap<Leaf, Kept> {
    return this.#kept ?? new Map();
  }

  total(): Added {
    return this.#adder.total();
  }
}

/** Adds the answers of one stage; a subtree is added as soon as it is complete, so at most one answer a level waits. */
export class Adder {
  readonly #leaves: readonly Leaf[];
  readonly #tree: Tree<Added>;

  constructor(leaves: readonly Leaf[], entries: readonly Entry[]) {
    this.#leaves = leaves;
    this.#tree = growTree<Added>(leaves.length, (left, right) => addPair(entries, left, right));
  }

  /** @param count - a power of two that `leaf` is a multiple of, where it is more than one leaf */
  put(leaf: Leaf, answer: Added, count = 1): void {
    const place = leaf === 'sources' ? this.#leaves.length - 1 : leaf;
    invariant(this.#leaves[place] === leaf, 'the run’s own leaf is the last, and shards are numbered from 0');
    this.#tree.put(answer, place / count, Math.log2(count));
  }

  /** The sum over all leaves. */
  total(): Added {
    const total = this.#tree.root();
    invariant(total !== null, 'a stage is added when its last leaf is answered');
    return total;
  }
}
