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

/** A table of runs. */
export function runsTable(runs: readonly RunStatus[]): string {
  const head = ['RUN', 'NAME', 'STATE', 'ITERATION', 'LOSS', 'SEATS', 'SUBMITTED'];
  const rows = runs.map((run) => [
    run.run,
    run.name,
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
