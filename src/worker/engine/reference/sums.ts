/** The vector of sums S: how the values of rows, blocks and shards become one. */
import type { Grid, Program } from '../../../kernels/sweep/program.ts';

export type By = 'max' | 'min' | 'sum';

export interface Sums {
  readonly values: Float64Array;
  /** For min and max the lowest global row attaining it, −1 for none; −1 for sums. */
  readonly winners: Float64Array;
}

/** How each entry of S is reduced. */
export function reductionsOf(program: Program, grid: Grid): readonly By[] {
  const by: By[] = Array.from({ length: grid.sums }, () => 'sum');
  for (const [index, term] of program.terms.entries()) {
    if (term.rows === null) continue;
    for (const { sum } of grid.terms[index] ?? []) {
      for (const [c, reduction] of term.rows.by.entries()) by[sum + c] = reduction;
    }
  }
  return by;
}

const start: Readonly<Record<By, number>> = { max: -Infinity, min: Infinity, sum: 0 };

export function noSums(by: readonly By[]): Sums {
  return {
    values: Float64Array.from(by, (b) => start[b]),
    winners: new Float64Array(by.length).fill(-1),
  };
}

/** A row's value enters entry `n`. Rows come in ascending order, so that the first of equals stays. */
export function enter(sums: Sums, by: readonly By[], n: number, value: number, row: number): void {
  const reduction = by[n] ?? 'sum';
  const held = sums.values[n]!;
  if (reduction === 'sum') {
    sums.values[n] = held + value;
  } else if (sums.winners[n] === -1 || (reduction === 'min' ? value < held : value > held)) {
    sums.values[n] = value;
    sums.winners[n] = row;
  }
}

/** S of two neighbours. On ties the lower row stays; an entry without a row gives way. */
export function addSums(by: readonly By[], left: Sums, right: Sums): Sums {
  const values = Float64Array.from(left.values);
  const winners = Float64Array.from(left.winners);
  for (const [n, reduction] of by.entries()) {
    const other = right.values[n]!;
    if (reduction === 'sum') {
      values[n]! += other;
      continue;
    }
    const [mine, theirs] = [left.winners[n]!, right.winners[n]!];
    const better = reduction === 'min' ? other < values[n]! : other > values[n]!;
    const lower = other === values[n] && theirs < mine;
    if (theirs !== -1 && (mine === -1 || better || lower)) {
      values[n] = other;
      winners[n] = theirs;
    }
  }
  return { values, winners };
}
