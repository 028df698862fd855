/**
 * How an integral over time is computed: as one more thing that evolves, by the same scheme.
 *
 *   ∫ h(S(t); Y, θ, t) dt,  h = Σ_k c_k(θ, t)·Σ_i s_k(x_i) + Σ_j g(y_j) + r
 *
 *   tracers   ∫ᵢ' = Σ_k c_k·s_k(x_i)             one component a row, from 0, added over the rows at the end
 *   sources   ∫ⱼ' = g(y_j) + r/M                 r: what is no plain sum over the sources (over the tracers, r/N,
 *                                                when the job has no sources)
 *
 * So its value and gradient are exact for the scheme that ran, stage by stage: z_{k+1} = z_k + h Σ_s b_s K_s is
 * S += h Σ_s b_s s(X_s, Y_s, t_s). The leapfrog has no stage at which positions and velocities are both known to
 * second order; there an integral is a term at every grid point with the weights of the trapezoid.
 */
import { SkewflowError } from '../../errors.ts';
import {
  apply,
  constant,
  type Expr,
  input,
  type Loop,
  loopKey,
  now,
  operands,
  type Reduce,
  reduce,
} from '../ir/expr.ts';
import { rebuild, substitute } from '../ir/substitute.ts';
import { memoised } from '../ir/walk.ts';
import { simplify } from '../simplify/simplify.ts';
import { isZero } from '../simplify/structure.ts';
import type { Field, LossTerm, System } from '../system.ts';
import { affineIn } from './affine.ts';
import { momentsOf } from './moments.ts';

/** A term as it is evaluated. `every-point`: at every grid point, with the weights of the trapezoid. */
export type PlacedTerm = Omit<LossTerm, 'at'> & {
  readonly at: Exclude<LossTerm['at'], { readonly kind: 'integral' }> | { readonly kind: 'every-point' };
};

/** A running integral: a field of width 1 that starts at 0. */
export interface Running {
  readonly field: Field;
  readonly flow: Expr;
}

export interface Integrals {
  readonly terms: readonly PlacedTerm[];
  readonly sources: readonly Running[];
  readonly tracers: readonly Running[];
}

/** The bound row of an outermost reduction over the sources. */
const outermost: Loop = { over: 'sources', depth: 0 };

/**
 * The terms of the loss with every integral turned into something evaluated at grid points.
 *
 * @throws SkewflowError('JobFileError') for an integral that is not linear in its sums over tracers, that reads other
 *   moments than the present, or without a scheme
 */
export function placeIntegrals(system: System): Integrals {
  const sources: Running[] = [];
  const tracers: Running[] = [];
  const terms = system.terms.map((term, index): PlacedTerm => {
    const { at } = term;
    if (at.kind !== 'integral') return { ...term, at };
    if (system.scheme === null) {
      throw new SkewflowError(
        'JobFileError',
        `the integral of \`${term.text}\` needs \`integrate\`: without it there is no time to integrate over`,
      );
    }
    refuseOtherTimes(term);
    const parts = integrand(system, term);
    if (system.scheme === 'leapfrog') return { ...term, at: { kind: 'every-point' } };
    const field: Field = { name: `∫${index}`, width: 1 };
    if (parts.sources !== null) sources.push({ field, flow: parts.sources });
    if (parts.tracers !== null) tracers.push({ field, flow: parts.tracers });
    return {
      ...term,
      at: { kind: 'times', times: [system.to] },
      value: atTheEnd(field, parts),
      sums:
        parts.tracers === null
          ? []
          : [{ by: 'sum', body: input({ role: 'own', field: field.name, at: now }, 1) }],
    };
  });
  return { terms, sources, tracers };
}

/** What is integrated is a rate at the present: a flow, which knows neither other moments nor times by number. */
function refuseOtherTimes(term: LossTerm): void {
  const moment = momentsOf([term.value, ...term.sums.map((s) => s.body)])[0];
  if (moment !== undefined) {
    throw new SkewflowError(
      'JobFileError',
      `the integral of \`${term.text}\` reads a field at \`${moment}\`: what is integrated may read the present only. ` +
        'Give the values of the other moment as a constant field',
    );
  }
  const sliced = term.with.find((w) => w.slices > 1);
  if (sliced !== undefined) {
    throw new SkewflowError(
      'JobFileError',
      `\`${sliced.name}\` has ${sliced.slices} slices, and an integral has no list of times: give one slice, for all times`,
    );
  }
}

interface Integrand {
  readonly sources: Expr | null;
  readonly tracers: Expr | null;
}

/** The running integral, added over the rows of its groups. */
function atTheEnd(field: Field, parts: Integrand): Expr {
  const overTracers = parts.tracers === null ? null : input({ role: 'sum', index: 0 }, 1);
  const ofRow = input({ role: 'row', loop: outermost, field: field.name, at: now }, 1);
  const overSources = parts.sources === null ? null : reduce('sum', outermost, ofRow);
  return sum(overTracers, overSources) ?? constant(0);
}

/** What each row of a group adds to the integral per unit of time. */
function integrand(system: System, term: LossTerm): Integrand {
  const inSums = affineIn(term.value, (e) => e.kind === 'input' && e.leaf.role === 'sum');
  const sums = term.sums;
  if (inSums === null || sums.some((s) => s.by !== 'sum')) {
    throw new SkewflowError(
      'JobFileError',
      `the integral of \`${term.text}\` is not linear in its sums over tracers: an integral may be a sum or a mean ` +
        'over tracers times something without tracers, and what is added to it',
    );
  }
  const ofTracers =
    inSums.linear === null
      ? null
      : substitute(inSums.linear, (e) =>
          e.kind === 'input' && e.leaf.role === 'sum' ? (sums[e.leaf.index]?.body ?? null) : null,
        );
  const { rest } = inSums;
  if (system.sources === null) {
    return { sources: null, tracers: settled(sum(ofTracers, shared(rest, system.tracers?.rows ?? 1))) };
  }
  const inRows = rest === null ? null : affineIn(rest, isSumOverSources);
  const plain = inRows?.linear == null ? null : substitute(inRows.linear, ownPart);
  const remaining = inRows === null ? rest : inRows.rest;
  return {
    sources: settled(sum(plain, shared(remaining, system.sources.rows))),
    tracers: settled(ofTracers),
  };
}

function sum(a: Expr | null, b: Expr | null): Expr | null {
  if (a === null || b === null) return a ?? b;
  return apply('add', a, b);
}

function shared(e: Expr | null, rows: number): Expr | null {
  return e === null ? null : apply('mul', constant(1 / rows), e);
}

function settled(e: Expr | null): Expr | null {
  if (e === null) return null;
  const simpler = simplify(e);
  return isZero(simpler) ? null : simpler;
}

function isSumOverSources(e: Expr): boolean {
  return e.kind === 'reduce' && e.by === 'sum' && loopKey(e.loop) === loopKey(outermost);
}

/** What the own row of the sources adds to a sum over them. */
function ownPart(e: Expr): Expr | null {
  if (e.kind !== 'reduce' || !isSumOverSources(e)) return null;
  const body = ownRow(e.body);
  return e.where === null ? body : apply('select', ownRow(e.where), body, constant(0));
}

/** The body of an outermost reduction over the sources, read as a formula of the own row: depths decrease by one. */
function ownRow(e: Expr): Expr {
  return memoised<Expr>((node, of) => {
    if (node.kind === 'input') return ownLeaf(node, node.width);
    const args = operands(node).map(of);
    return node.kind === 'reduce' ? outwards(node, args) : rebuild(node, args);
  })(e);
}

function outwards(node: Reduce, [body, where]: readonly Expr[]): Expr {
  return reduce(node.by, shallower(node.loop), body ?? node.body, where ?? null);
}

function shallower(loop: Loop): Loop {
  return { over: loop.over, depth: Math.max(0, loop.depth - 1) };
}

function ownLeaf(e: Extract<Expr, { kind: 'input' }>, width: number): Expr {
  const { leaf } = e;
  const bound = 'loop' in leaf && leaf.loop !== null && loopKey(leaf.loop) === loopKey(outermost);
  switch (leaf.role) {
    case 'index':
      if (leaf.loop === null) return e;
      return input({ role: 'index', loop: bound ? null : shallower(leaf.loop) }, width);
    case 'row':
      return bound
        ? input({ role: 'own', field: leaf.field, at: leaf.at }, width)
        : input({ ...leaf, loop: shallower(leaf.loop) }, width);
    case 'cotangent':
    case 'own':
    case 'pair':
    case 'param':
    case 'sum':
    case 'time':
      return e;
  }
}
