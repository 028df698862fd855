/** Where a formula is read: whose row the bare names are, which rows are bound, which `let` entry is being expanded. */
import { apply, type Expr, input, type Loop, type Moment, now } from '../ir/expr.ts';
import type { Field } from '../system.ts';
import { type FormulaText, formulaError, type Problem } from './diagnostics.ts';
import type { Span } from './syntax.ts';

/** A row that formulas can name: the own row (loop null) or the row a reduction is at. */
export interface Row {
  readonly index: string;
  /** 'sources', 'tracers' or the name of a set. */
  readonly over: string;
  readonly loop: Loop | null;
  /** The text that bound the row: binding its index again is a mistake there, and hides it in a `let` entry. */
  readonly frame: Frame;
}

/** A text that is being read: the formula itself, or the body of a `let` entry and where it was used. */
export interface Frame {
  readonly source: FormulaText;
  readonly use: { readonly name: string; readonly span: Span; readonly frame: Frame } | null;
}

export interface Context {
  readonly frame: Frame;
  /** Whose values bare names are; null in a loss outside every reduction. */
  readonly own: Row | null;
  /** The own row and the bound rows, outermost first. */
  readonly rows: readonly Row[];
  /** Arguments of the `let` entry that is being expanded. */
  readonly parameters: ReadonlyMap<string, Expr>;
  /** The row in `E[j]`, for the bare fields of a `let` entry. */
  readonly applied: Row | null;
  /** The moment in `E@start`, likewise. */
  readonly at: Moment;
}

/** The outermost context of a formula. */
export function rootContext(source: FormulaText, own: { index: string; over: string } | null): Context {
  const frame: Frame = { source, use: null };
  const row = own === null ? null : { ...own, loop: null, frame };
  return { frame, own: row, rows: row === null ? [] : [row], parameters: new Map(), applied: null, at: now };
}

/** The context inside a reduction: in a loss the outermost row becomes the one that bare names mean. */
export function withRow(context: Context, row: Row): Context {
  return { ...context, own: context.own ?? row, rows: [...context.rows, row] };
}

/** The innermost row of that index. */
export function rowNamed(context: Context, index: string): Row | undefined {
  return context.rows.findLast((row) => row.index === index);
}

/** How many reductions stand around. */
export function depthOf(context: Context): number {
  return context.rows.filter((row) => row.loop !== null).length;
}

/** A row's value of a field. */
export function fieldOf(row: Row, field: Field, at: Moment): Expr {
  return row.loop === null
    ? input({ role: 'own', field: field.name, at }, field.width)
    : input({ role: 'row', loop: row.loop, field: field.name, at }, field.width);
}

/** Whether two rows of one set are different: 0 leaves a row out. */
export function differs(a: Row, b: Row): Expr {
  return apply('ne', input({ role: 'index', loop: a.loop }, 1), input({ role: 'index', loop: b.loop }, 1));
}

/** Equal contexts, equal text: what the value of a `let` entry depends on besides its arguments. */
export function contextKey(context: Context): string {
  const key = (row: Row | null): string =>
    row === null ? '' : `${row.index}:${row.over}#${row.loop === null ? 'own' : row.loop.depth}`;
  return [key(context.own), context.rows.map(key).join(' '), key(context.applied), context.at].join('|');
}

/** Uses shown below a message; the rest of a long chain of `let` entries says little. */
const usesShown = 4;

/** The error at `span` of the text being read, and where that text was used. */
export function errorAt(context: Context, span: Span, problem: Problem): Error {
  const uses: string[] = [];
  for (let use = context.frame.use; use !== null && uses.length < usesShown; use = use.frame.use) {
    const { file, line, column } = use.frame.source.locate(use.span.start);
    uses.push(`in \`${use.name}\`, used at ${file}:${line}:${column}`);
  }
  return formulaError(context.frame.source, span, { ...problem, notes: [...(problem.notes ?? []), ...uses] });
}
