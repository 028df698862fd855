/** What one check carries along: the job's names, what was expanded already, and how much work was done. */
import { type Expr, type Moment, operands } from '../ir/expr.ts';
import { memoised } from '../ir/walk.ts';
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
  /** Nodes seen so far. */
  readonly built: Set<Expr>;
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
    built: new Set(),
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

/**
 * Counts the nodes of `value` that no earlier one had, and refuses a check that has built far more than a formula may
 * have: wide vectors make many nodes out of little text. (Twice, since an argument may end up unused.)
 */
export function countBuilt(session: Session, context: Context, span: Span, value: Expr): void {
  addReachable(session.built, [value]);
  if (session.built.size > 2 * limits.nodes) {
    throw errorAt(context, span, { message: tooMany(null) });
  }
}

/** Refuses a result of too many distinct nodes. */
export function refuseSize(context: Context, span: Span, results: readonly Expr[]): void {
  const { size } = addReachable(new Set(), results);
  if (size > limits.nodes) throw errorAt(context, span, { message: tooMany(size) });
}

const tooMany = (count: number | null): string =>
  `the formula has ${count === null ? '' : `${count} operations and inputs, `}more than ${limits.nodes}${count === null ? ' operations and inputs' : ''} (equal ones are counted once)`;

/** Adds every node that the results are made of; stops at those that are there already. */
function addReachable(nodes: Set<Expr>, results: readonly Expr[]): Set<Expr> {
  const pending = [...results];
  for (let e = pending.pop(); e !== undefined; e = pending.pop()) {
    if (nodes.has(e)) continue;
    nodes.add(e);
    pending.push(...operands(e));
  }
  return nodes;
}

/** Whether a sum over tracers stands in a graph. */
export const hasTracerSum: (e: Expr) => boolean = memoised<boolean>((e, of) =>
  e.kind === 'input' ? e.leaf.role === 'sum' : operands(e).some(of),
);
