/**
 * How do the answers of a stage become one? By the fixed tree over leaves, in f64, whatever order they come in.
 */
import { invariant } from '../errors.ts';
import type { Grid, Program } from '../kernels/sweep/program.ts';
import type { Leaf } from '../partition/seats.ts';
import { growTree, type Tree } from '../partition/tree.ts';
import type { LeafPartial } from '../protocol.ts';

/** One entry of the vector S. */
export interface Entry {
  readonly by: 'max' | 'min' | 'sum';
  /** A linear term's own sum: a part of the loss as it stands. Otherwise h makes the loss of it. */
  readonly linear: boolean;
}

/** The sum over leaves. */
export type Added = Omit<LeafPartial, 'kind'>;

/**
 * What each entry of S is. A linear term has one entry for all its times; any other has one a sum for each time.
 */
export function sumEntries(program: Program, grid: Grid): readonly Entry[] {
  const entries: Entry[] = [];
  for (const [index, term] of program.terms.entries()) {
    if (term.rows === null) continue;
    const { by, linear } = term.rows;
    for (const { sum } of grid.terms[index] ?? []) {
      for (const [k, reduction] of by.entries()) entries[sum + k] = { by: reduction, linear };
    }
  }
  return entries;
}

/** L = Σ (linear entries of S) + what leaves add outside S, in the order of S. */
export function lossOf(entries: readonly Entry[], sums: Float64Array, outside: number): number {
  return entries.reduce((loss, entry, k) => (entry.linear ? loss + (sums[k] ?? 0) : loss), outside);
}

/**
 * The answers of one stage. They are added as they come; kept one by one only where they may be withdrawn or have to
 * outlive this process, because otherwise one answer a level of the tree is all that is held.
 */
export class Answers {
  readonly #leaves: readonly Leaf[];
  readonly #entries: readonly Entry[];
  readonly #kept: Map<Leaf, LeafPartial> | null;
  #adder: Adder;

  constructor(leaves: readonly Leaf[], entries: readonly Entry[], retain: boolean) {
    this.#leaves = leaves;
    this.#entries = entries;
    this.#kept = retain ? new Map() : null;
    this.#adder = new Adder(leaves, entries);
  }

  put(leaf: Leaf, answer: LeafPartial): void {
    this.#kept?.set(leaf, answer);
    this.#adder.put(leaf, answer);
  }

  /** Forget what these leaves answered; each is put again before the total is asked for. */
  withdraw(leaves: readonly Leaf[]): void {
    invariant(this.#kept !== null, 'answers are withdrawn only where they are kept');
    for (const leaf of leaves) this.#kept.delete(leaf);
    this.#adder = new Adder(this.#leaves, this.#entries);
    for (const [leaf, answer] of this.#kept) this.#adder.put(leaf, answer);
  }

  /** What is kept one by one. */
  kept(): ReadonlyMap<Leaf, LeafPartial> {
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

  put(leaf: Leaf, answer: LeafPartial): void {
    const place = leaf === 'sources' ? this.#leaves.length - 1 : leaf;
    invariant(this.#leaves[place] === leaf, 'the run’s own leaf is the last, and shards are numbered from 0');
    this.#tree.put(answer, place);
  }

  /** The sum over all leaves. */
  total(): Added {
    const total = this.#tree.root();
    invariant(total !== null, 'a stage is added when its last leaf is answered');
    return total;
  }
}

/** One node of the tree: left + right, entry by entry. */
function addPair(entries: readonly Entry[], left: Added, right: Added): Added {
  const { sums, winners } = addSums(entries, left, right);
  return {
    sums,
    winners,
    loss: left.loss + right.loss,
    gradient: addArrays(left.gradient, right.gradient),
    seeds: left.seeds ?? right.seeds,
    sourceStates: left.sourceStates ?? right.sourceStates,
  };
}

/** An empty array stands for zeros: that leaf has none. */
function addArrays(left: Float64Array, right: Float64Array): Float64Array {
  if (left.length === 0) return right;
  if (right.length === 0) return left;
  return left.map((value, k) => value + (right[k] as number));
}

/**
 * S of two subtrees. For min and max the better value stays with its row, the lower row on ties; an entry without a
 * winner (row −1: that leaf has no rows) yields to one that has.
 */
function addSums(entries: readonly Entry[], left: Added, right: Added): Pick<Added, 'sums' | 'winners'> {
  if (left.sums.length === 0) return right;
  if (right.sums.length === 0) return left;
  const sums = new Float64Array(entries.length);
  const winners = new Float64Array(entries.length).fill(-1);
  for (const [k, { by }] of entries.entries()) {
    const [a, b] = [left.sums[k] as number, right.sums[k] as number];
    if (by === 'sum') {
      sums[k] = a + b;
      continue;
    }
    const [rowA, rowB] = [left.winners[k] as number, right.winners[k] as number];
    const leftWins =
      rowB < 0 || (rowA >= 0 && (by === 'min' ? a < b : a > b)) || (rowA >= 0 && a === b && rowA <= rowB);
    sums[k] = leftWins ? a : b;
    winners[k] = leftWins ? rowA : rowB;
  }
  return { sums, winners };
}
