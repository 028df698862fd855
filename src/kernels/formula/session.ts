/** What one check carries along: the job's names, what was expanded already, and how much work was done. */
import { type Expr, type Moment, operands } from '../ir/expr.ts';
import type { TracerSum } from '../system.ts';
import { type Context, errorAt } from './context.ts';
import { limits } from './limits.ts';
import { type Meaning, meanings, type Scope, type WithField } from './scope.ts';
import type { Span, Syntax } from './syntax.ts';

export type FormulaKind = 'flow' | 'loss' | 'values';

export interface Session {
  readonly kind: FormulaKind;
  readonly scope: Scope;
  readonly names: ReadonlyMap<string, Meaning>;
  /** Values of `let` entries by entry, arguments and context. */
  readonly expanded: Map<string, Expr>;
  /** Bodies of `let` entries, parsed once. */
  readonly bodies: Map<string, Syntax>;
  /** The loss's sums over tracers. */
  readonly sums: TracerSum[];
  /** Labels of moments that evolving fields are read at. */
  readonly moments: Set<Moment>;
  visits: number;
  depth: number;
}

export function newSession(kind: FormulaKind, scope: Scope, withFields: readonly WithField[] = []): Session {
  return {
    kind,
    scope,
    names: meanings(scope, withFields),
    expanded: new Map(),
    bodies: new Map(),
    sums: [],
    moments: new Set(),
    visits: 0,
    depth: 0,
  };
}

/** Counts a visit and a level; the caller takes the level back with `leave`. */
export function enter(session: Session, context: Context, span: Span): void {
  if (++session.visits > limits.visits) {
    throw errorAt(context, span, {
      message: `with every \`let\` expanded, the formula has more than ${limits.visits} parts`,
    });
  }
  if (++session.depth > limits.expandedNesting) {
    throw errorAt(context, span, {
      message: `with every \`let\` expanded, the formula is nested more than ${limits.expandedNesting} deep`,
    });
  }
}

export function leave(session: Session): void {
  session.depth--;
}

/** Refuses a result of too many distinct nodes. */
export function refuseSize(context: Context, span: Span, results: readonly Expr[]): void {
  const seen = new Set<Expr>();
  const pending = [...results];
  for (let e = pending.pop(); e !== undefined; e = pending.pop()) {
    if (seen.has(e)) continue;
    seen.add(e);
    pending.push(...operands(e));
  }
  if (seen.size > limits.nodes) {
    throw errorAt(context, span, {
      message: `the formula has ${seen.size} operations and inputs, more than ${limits.nodes} (equal ones are counted once)`,
    });
  }
}

/** Whether a sum over tracers stands in `e`. */
export function hasTracerSum(e: Expr): boolean {
  const seen = new Set<Expr>();
  const pending = [e];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    if (node.kind === 'input' && node.leaf.role === 'sum') return true;
    pending.push(...operands(node));
  }
  return false;
}
