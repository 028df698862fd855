/**
 * How are the answers of two neighbours in the tree added? Entry by entry, in f64: the same wherever it is done.
 */
import type { Grid, ProgramOutline } from '../kernels/sweep/program.ts';

/** One entry of the vector S. */
export interface Entry {
  readonly by: 'max' | 'min' | 'sum';
  /** A linear term's own sum: a part of the loss as it stands. Otherwise h makes the loss of it. */
  readonly linear: boolean;
}

/** What the leaves of a subtree come to. */
export interface Added {
  /** S of these leaves; entries of linear terms are losses already. Empty: they have none. */
  readonly sums: Float64Array;
  /** For entries reduced by min or max: the lowest global row attaining it; −1 elsewhere. */
  readonly winners: Float64Array;
  /** What they add to the loss outside S. */
  readonly loss: number;
  /** In the order of the program's gradient layout; empty stands for zeros. */
  readonly gradient: Float64Array;
  /** ∂h/∂S and states of the sources: only the run's own leaf has any. */
  readonly seeds: Float64Array | null;
  readonly sourceStates: Float64Array | null;
}

/**
 * What each entry of S is. A linear term has one entry for all its times; any other has one a sum for each time.
 */
export function sumEntries(program: ProgramOutline, grid: Grid): readonly Entry[] {
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

/** One node of the tree: left + right, entry by entry. */
export function addPair(entries: readonly Entry[], left: Added, right: Added): Added {
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
  const sum = new Float64Array(left.length);
  for (let k = 0; k < sum.length; k++) sum[k] = (left[k] as number) + (right[k] as number);
  return sum;
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
  for (let k = 0; k < entries.length; k++) {
    const { by } = entries[k] as Entry; // within
    const a = left.sums[k] as number;
    const b = right.sums[k] as number;
    if (by === 'sum') {
      sums[k] = a + b;
      continue;
    }
    const rowA = left.winners[k] as number;
    const rowB = right.winners[k] as number;
    const leftWins =
      rowB < 0 || (rowA >= 0 && (by === 'min' ? a < b : a > b)) || (rowA >= 0 && a === b && rowA <= rowB);
    sums[k] = leftWins ? a : b;
    winners[k] = leftWins ? rowA : rowB;
  }
  return { sums, winners };
}
