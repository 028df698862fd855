/** How are runs listed for people? Aligned columns, the first line saying what they are. */
import type { RunStatus } from '../index.ts';
import { significant } from './numbers.ts';

/** Rows of text in columns. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows
    .map(
      (row) =>
        `${row
          .map((text, column) => text.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** Most characters of what was changed for a run: a formula need not be shown whole to be told from another. */
const changesMax = 60;

/** What was changed for a run, on one line. */
export function changesText(set: readonly string[]): string {
  const text = set.join(' ');
  return text.length <= changesMax ? text : `${text.slice(0, changesMax - 1)}…`;
}

/** A table of runs; what was changed for them has a column where anything was. */
export function runsTable(runs: readonly RunStatus[]): string {
  const changed = runs.some(({ set }) => set.length > 0);
  const head = [
    'RUN',
    'NAME',
    ...(changed ? ['SET'] : []),
    'STATE',
    'ITERATION',
    'LOSS',
    'SEATS',
    'SUBMITTED',
  ];
  const rows = runs.map((run) => [
    run.run,
    run.name,
    ...(changed ? [changesText(run.set) || '-'] : []),
    run.state,
    `${run.progress?.iteration ?? '-'}`,
    lossText(run),
    `${run.progress?.seats ?? '-'}`,
    new Date(run.submittedAt).toISOString().slice(0, 19).replace('T', ' '),
  ]);
  return table([head, ...rows]);
}

/** A status as one JSON value: `iteration` and `loss` beside `state`. */
export function plainStatus(status: RunStatus): Readonly<Record<string, unknown>> {
  const { progress, ...rest } = status;
  return { id: status.run, ...rest, iteration: progress?.iteration ?? 0, loss: lossOf(status), progress };
}

/** The loss of a run that is done, else the last that was heard of. */
export function lossOf({ summary, progress }: RunStatus): number | null {
  const loss = summary?.['loss'];
  return typeof loss === 'number' ? loss : (progress?.loss ?? null);
}

function lossText(run: RunStatus): string {
  const loss = lossOf(run);
  return loss === null ? '-' : significant(loss, 9);
}
