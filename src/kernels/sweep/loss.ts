/**
 * How the terms of the loss are evaluated: a part with one value a tracer row, and a part of one row for everything.
 *
 * A term that is affine in its sums over tracers, L = Σ_k c_k·Σ_i s_k(x_i) + r with c_k of params and time alone, is
 * one number a row, Σ_k c_k·s_k(x_i), and r: one phase is enough. Every other term needs its sums first (two phases).
 */
import { concat, type Expr, input } from '../ir/expr.ts';
import { substitute } from '../ir/substitute.ts';
import { postorder } from '../ir/walk.ts';
import { simplify } from '../simplify/simplify.ts';
import { isZero } from '../simplify/structure.ts';
import type { TracerSum } from '../system.ts';
import { affineIn } from './affine.ts';
import type { PlacedTerm } from './integrals.ts';
import { momentsOf } from './moments.ts';
import type { TermProgram, TermRows, TermScalar } from './program.ts';
import type { Reach } from './reach.ts';
import { forwardRows, leavesSomething, type OwnFields, transposedRows } from './rows.ts';

/** A term split into its two parts, before anything is derived from it. */
interface SplitTerm {
  readonly rows: { readonly linear: boolean; readonly sums: readonly TracerSum[] } | null;
  readonly scalar: Expr | null;
}

export interface TermInputs {
  readonly reach: Reach;
  readonly tracers: OwnFields;
  /** Whether any gradient is wanted. */
  readonly backward: boolean;
}

/** Number of values a row (columns of plane `terms`) of each term. */
export function termComponents(terms: readonly PlacedTerm[]): number {
  return Math.max(0, ...terms.map((t) => componentsOf(split(t).rows?.sums ?? [])));
}

export function lowerTerm(term: PlacedTerm, index: number, inputs: TermInputs): TermProgram {
  const { rows, scalar } = split(term);
  return {
    term: index,
    at: term.at.kind === 'times' ? term.at : { kind: 'every-step' },
    weights: term.at.kind === 'every-point' ? 'trapezoid' : 'one',
    moments: momentsOf([term.value, ...term.sums.map((s) => s.body)]),
    sliced: term.with.filter((w) => w.slices > 1).map((w) => w.name),
    rows: rows === null ? null : lowerRows(`loss${index}.rows`, rows.linear, rows.sums, inputs),
    scalar: scalar === null ? null : lowerScalar(`loss${index}.scalar`, scalar, inputs),
  };
}

function componentsOf(sums: readonly TracerSum[]): number {
  return sums.reduce((n, s) => n + s.body.width, 0);
}

function split(term: PlacedTerm): SplitTerm {
  const used = postorder(term.value).some(isSum);
  if (!used) return { rows: null, scalar: nonZero(simplify(term.value)) };
  const parts = term.sums.every((s) => s.by === 'sum') ? affineIn(term.value, isSum) : null;
  if (parts?.linear != null && !postorder(parts.linear).some((e) => e.kind === 'reduce')) {
    const body = substitute(parts.linear, (e) =>
      e.kind === 'input' && e.leaf.role === 'sum' ? (term.sums[e.leaf.index]?.body ?? null) : null,
    );
    return {
      rows: { linear: true, sums: [{ by: 'sum', body: simplify(body) }] },
      scalar: parts.rest === null ? null : nonZero(simplify(parts.rest)),
    };
  }
  return { rows: { linear: false, sums: term.sums }, scalar: byComponent(term) };
}

function isSum(e: Expr): boolean {
  return e.kind === 'input' && e.leaf.role === 'sum';
}

function nonZero(e: Expr): Expr | null {
  return isZero(e) ? null : e;
}

/** h with its sums numbered by component: the sum of a vector is as many numbers as the vector has components. */
function byComponent(term: PlacedTerm): Expr {
  const starts: number[] = [];
  let start = 0;
  for (const s of term.sums) {
    starts.push(start);
    start += s.body.width;
  }
  return substitute(term.value, (e) => {
    if (e.kind !== 'input' || e.leaf.role !== 'sum') return null;
    const first = starts[e.leaf.index] ?? 0;
    return concat(...Array.from({ length: e.width }, (_, c) => input({ role: 'sum', index: first + c }, 1)));
  });
}

function lowerRows(
  name: string,
  linear: boolean,
  sums: readonly TracerSum[],
  { reach, tracers, backward }: TermInputs,
): TermRows {
  const value = concat(...sums.map((s) => s.body));
  const cotangent = input({ role: 'cotangent', name: 'terms' }, value.width);
  const vjp = backward
    ? transposedRows(`${name}.vjp`, [{ value, cotangent }], 'tracers', tracers, reach)
    : null;
  return {
    linear,
    by: sums.flatMap((s) => Array.from({ length: s.body.width }, () => s.by)),
    value: forwardRows(name, new Map([['terms', value]])),
    vjp: vjp !== null && leavesSomething(vjp) ? vjp : null,
  };
}

function lowerScalar(name: string, expr: Expr, { reach, backward }: TermInputs): TermScalar {
  const cotangent = input({ role: 'cotangent', name: 'h' }, 1);
  const nobody: OwnFields = { state: [], constant: [] };
  const vjp = backward
    ? transposedRows(`${name}.vjp`, [{ value: expr, cotangent }], 'scalar', nobody, reach)
    : null;
  return {
    expr,
    value: forwardRows(name, new Map([['h', expr]])),
    vjp: vjp !== null && leavesSomething(vjp) ? vjp : null,
  };
}
