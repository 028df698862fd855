/** How is the history of an optimisation written as CSV, and read again? */
import type { HistoryRow } from '../coordinator/descent.ts';

/** Columns of `history.csv`, and which figure of a row is in each. */
const columns = [
  ['iteration', 'iteration'],
  ['evaluations', 'evaluations'],
  ['loss', 'loss'],
  ['gradient_norm', 'gradientNorm'],
  ['step', 'step'],
  ['seconds', 'seconds'],
] as const satisfies readonly (readonly [string, keyof HistoryRow])[];

/** The text of `history.csv`: every number with all its digits, seconds to the millisecond. */
export function historyText(history: readonly HistoryRow[]): string {
  const lines = history.map((row) =>
    columns.map(([, key]) => (key === 'seconds' ? row.seconds.toFixed(3) : String(row[key]))).join(','),
  );
  return `${columns.map(([name]) => name).join(',')}\n${lines.join('\n')}\n`;
}

/** The rows of a `history.csv`; null when the text is something else. */
export function readHistory(text: string): readonly HistoryRow[] | null {
  const [head, ...lines] = text.trimEnd().split('\n');
  if (head !== columns.map(([name]) => name).join(',')) return null;
  const rows = lines.map((line) => line.split(',').map(Number));
  if (rows.some((row) => row.length !== columns.length || row.some(Number.isNaN))) return null;
  return rows.map(
    (row) => Object.fromEntries(columns.map(([, key], c) => [key, row[c]])) as unknown as HistoryRow,
  );
}
