/** The formulas of a job, each checked as what it is: a flow, an output of every tracer, a term of the loss. */
import type { Expr } from '../ir/expr.ts';
import type { TracerSum } from '../system.ts';
import { check } from './check.ts';
import { type Context, errorAt, rootContext } from './context.ts';
import { type FormulaText, formulaError } from './diagnostics.ts';
import { parse } from './parser.ts';
import { checkScope, type Scope, type WithField } from './scope.ts';
import { newSession, refuseSize, type Session } from './session.ts';
import type { Syntax } from './syntax.ts';

/**
 * d/dt of a field, in terms of its own row.
 *
 * @throws FormulaError also when `field` is no field of sources or tracers, or when the widths differ
 */
export function checkFlow(formula: FormulaText, field: string, scope: Scope): Expr {
  const ofSources = scope.sources?.fields.find((f) => f.name === field);
  const found = ofSources ?? scope.tracers?.fields.find((f) => f.name === field);
  if (found === undefined) {
    throw formulaError(formula, wholeOf(formula), {
      message: `\`${field}\` is no field of the sources or the tracers: only those evolve`,
    });
  }
  const own = ofSources === undefined ? { index: 'i', over: 'tracers' } : { index: 'j', over: 'sources' };
  const { context, syntax, value } = read(newSession('flow', scope), formula, own);
  if (value.width !== found.width) {
    throw errorAt(context, syntax.span, {
      message: `the flow of \`${field}\` has width ${value.width}, the field width ${found.width}: they must be equal`,
      hint: value.width === 1 ? `a vector of equal components is \`concat(…)\`` : undefined,
    });
  }
  refuseSize(context, syntax.span, [value]);
  return value;
}

/** An output of every tracer at the end time. */
export function checkValue(formula: FormulaText, scope: Scope): Expr {
  if (scope.tracers === null) {
    throw formulaError(formula, wholeOf(formula), {
      message: '`values` are outputs of tracers, and the job has none',
    });
  }
  const { context, syntax, value } = read(newSession('values', scope), formula, {
    index: 'i',
    over: 'tracers',
  });
  refuseSize(context, syntax.span, [value]);
  return value;
}

/** A term of the loss: h over its sums, and the sums. */
export interface CheckedLoss {
  /** h: over `sum` leaves, params, time and reductions over sources and sets. */
  readonly value: Expr;
  /** What the `sum` leaves number; each distinct sum once. */
  readonly sums: TracerSum[];
  /** Labels that fields are read at besides `now`: `start`, `end`, or a number as `String` writes it. */
  readonly moments: ReadonlySet<string>;
}

/** A term of the loss, a number; `withFields` are the arrays of the term itself. */
export function checkLoss(formula: FormulaText, scope: Scope, withFields: readonly WithField[]): CheckedLoss {
  if (withFields.length > 0) checkScope(scope, withFields);
  const session = newSession('loss', scope, withFields);
  const { context, syntax, value } = read(session, formula, null);
  if (value.width !== 1) {
    throw errorAt(context, syntax.span, {
      message: `a loss is a number, and this has width ${value.width}`,
      hint: '`sum(v)` adds the components of a vector',
    });
  }
  refuseSize(context, syntax.span, [value, ...session.sums.map((s) => s.body)]);
  return { value, sums: session.sums, moments: session.moments };
}

function read(
  session: Session,
  formula: FormulaText,
  own: { index: string; over: string } | null,
): { context: Context; syntax: Syntax; value: Expr } {
  const context = rootContext(formula, own);
  const syntax = parse(formula);
  return { context, syntax, value: check(session, context, syntax) };
}

function wholeOf(formula: FormulaText): { start: number; end: number } {
  return { start: 0, end: formula.text.length };
}
