/** How a mistake in a job is shown: file, line, column, the line and a caret. */
import { SkewflowError } from '../errors.ts';
import { type FormulaText, formulaError, type Problem } from '../kernels/formula/diagnostics.ts';
import { type Path, pathText } from './path.ts';

/** Characters [start, end) of a text that knows where it stands. */
export interface Spot {
  readonly source: FormulaText;
  readonly start: number;
  readonly end: number;
}

/** The error for a mistake at a spot, in the form that formulas have. */
export function spotError(spot: Spot, problem: Problem): SkewflowError {
  const shown = formulaError(spot.source, spot, problem);
  return new SkewflowError('JobFileError', shown.message, shown.details);
}

/** The error for a mistake in a job that is no file, or in a `--set`: its path stands for line and column. */
export function pathError(path: Path, problem: Problem, given: '' | '--set ' = ''): SkewflowError {
  const where = path.length === 0 ? 'the job' : `${given}${pathText(path)}`;
  const hint = problem.hint === undefined ? '' : ` (${problem.hint})`;
  const lines = [`${where}: ${problem.message}${hint}`, ...(problem.notes ?? []).map((note) => `  ${note}`)];
  return new SkewflowError('JobFileError', lines.join('\n'), { path: pathText(path) });
}
