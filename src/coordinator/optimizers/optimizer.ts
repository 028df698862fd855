/**
 * Where does a minimisation go next, and when is it over? A pure function (state, what was seen) → { state, next }, the
 * same for every method.
 *
 *   begin ─▶ point ─▶ (evaluated) ─▶ advance ─┬▶ another point of the same step
 *                        ▲                    ├▶ an iterate ─▶ the first point of the next step
 *                        └────────────────────┘ done: converged, at a limit, or nothing lower within the precision
 */
import { SkewflowError } from '../../errors.ts';
import type { AdamMemory } from './adam.ts';
import { adam } from './adam.ts';
import { projectedNorm } from './box.ts';
import type { GdMemory } from './gd.ts';
import { gd } from './gd.ts';
import type { LbfgsMemory } from './lbfgs.ts';
import { lbfgs } from './lbfgs.ts';
import type { Iterate, Judgement, Method, Seen, Trial, Tuning } from './method.ts';
import { length, minus } from './vector.ts';

export type MethodName = 'adam' | 'gd' | 'lbfgs';

/** The method, what it is told, and when to stop. */
export interface Rules extends Tuning {
  readonly method: MethodName;
  readonly iterations: number;
  readonly evaluations: number;
  /** For ‖P(x − ∇L) − x‖∞, which is ‖∇L‖∞ away from bounds. */
  readonly gradientTolerance: number;
  /** For (L − L⁺) / max(|L|, |L⁺|). */
  readonly decreaseTolerance: number;
}

export type Memory = AdamMemory | GdMemory | LbfgsMemory;

/** All that a minimisation knows: plain data. */
export interface OptimizerState {
  /** Steps taken, and evaluations seen. */
  readonly iteration: number;
  readonly evaluations: number;
  /** Where the next evaluation is. */
  readonly point: Float64Array;
  /** The last iterate; null until the start has been evaluated. */
  readonly at: Iterate | null;
  /** The lowest iterate; of those equal within the noise, the latest. */
  readonly best: Iterate | null;
  /** The smallest gradient norm so far, and iterations in a row that bettered neither it nor the loss. */
  readonly norm: number;
  readonly idle: number;
  readonly memory: Memory;
}

/**
 * Why it is over.
 *
 *   gradient     the gradient is below its tolerance
 *   decrease     the loss fell by less than its tolerance
 *   precision    no lower loss can be told from this one at the precision it is computed in
 *   iterations, evaluations      the limit is reached
 */
export type Reason = 'decrease' | 'evaluations' | 'gradient' | 'iterations' | 'precision';

/** One accepted step, as the history tells it. */
export interface Step {
  /** Steps taken so far; 0 is the start. */
  readonly iteration: number;
  /** Evaluations of the loss and its gradient so far. */
  readonly evaluations: number;
  /** L, in its own units. */
  readonly loss: number;
  /** ‖∇L‖∞ of the free variables; components that push against a bound are left out. */
  readonly gradientNorm: number;
  /** ‖x⁺ − x‖₂; 0 for the start. */
  readonly step: number;
}

export interface Advance {
  readonly state: OptimizerState;
  /** The step this evaluation completed; null while it is under way. */
  readonly taken: Step | null;
  /** null: evaluate at `state.point`. */
  readonly done: { readonly reason: Reason; readonly optimum: Iterate } | null;
}

/** Iterations in a row that may better nothing: rounding can hide a descent for some steps, not for many. */
const idleMax = 5;

export function begin({ method }: Pick<Rules, 'method'>, start: Float64Array): OptimizerState {
  const memory = methodOf(method).begin();
  return {
    iteration: 0,
    evaluations: 0,
    point: start,
    at: null,
    best: null,
    norm: Infinity,
    idle: 0,
    memory,
  };
}

/**
 * What the evaluation at `state.point` means.
 *
 * @throws NonFiniteError when the start is not finite, and when a method without a line search has gone where it is not
 */
export function advance(rules: Rules, before: OptimizerState, seen: Seen): Advance {
  const state = { ...before, evaluations: before.evaluations + 1 };
  const { at, point } = state;
  if (at === null) {
    if (!Number.isFinite(seen.loss)) throw notFinite('the loss is not finite where the optimisation starts');
    return arrive(rules, state, state.memory, { point, loss: seen.loss, gradient: seen.gradient });
  }
  const judgement: Judgement<Memory> = methodOf(rules.method).judge(rules, state.memory, at, point, seen);
  switch (judgement.kind) {
    case 'accept':
      return arrive(rules, { ...state, iteration: state.iteration + 1 }, judgement.memory, judgement.iterate);
    case 'again':
      return settle(rules, { ...state, memory: judgement.memory, point: judgement.point });
    case 'diverged':
      throw notFinite(
        `the loss is not finite after step ${state.iteration + 1} of ${rules.method}: lower \`rate\`, or set \`bounds\``,
      );
    case 'stalled':
      return { state, taken: null, done: { reason: 'precision', optimum: state.best ?? at } };
  }
}

/** At a new iterate: stop, or leave it. */
function arrive(rules: Rules, state: OptimizerState, memory: Memory, iterate: Iterate): Advance {
  const { at: before, iteration, evaluations } = state;
  const norm = projectedNorm(rules.box, iterate.point, iterate.gradient);
  const fall = before === null ? Infinity : before.loss - iterate.loss;
  const size = before === null ? 1 : Math.max(Math.abs(before.loss), Math.abs(iterate.loss));
  const better = fall > rules.noise * size || norm < 0.9 * state.norm;
  const best = state.best;
  const lowest = best === null || iterate.loss <= best.loss + rules.noise * Math.abs(best.loss);
  const arrived: OptimizerState = {
    ...state,
    memory,
    at: iterate,
    best: lowest ? iterate : best,
    norm: Math.min(norm, state.norm),
    idle: better ? 0 : state.idle + 1,
  };
  const step = before === null ? 0 : length(minus(iterate.point, before.point));
  const taken: Step = { iteration, evaluations, loss: iterate.loss, gradientNorm: norm, step };
  const over = (reason: Reason): Advance => ({
    state: arrived,
    taken,
    done: { reason, optimum: arrived.best ?? iterate },
  });
  if (norm <= rules.gradientTolerance) return over('gradient');
  if (fall >= 0 && fall <= rules.decreaseTolerance * size && tellsDecrease(rules)) return over('decrease');
  if (iteration >= rules.iterations) return over('iterations');
  if (arrived.idle >= idleMax && rules.method === 'lbfgs') return over('precision');
  const trial: Trial<Memory> | null = methodOf(rules.method).leave(rules, memory, iterate);
  if (trial === null) return over('precision');
  return { ...settle(rules, { ...arrived, memory: trial.memory, point: trial.point }), taken };
}

/**
 * Whether a fall that small means anything. Within the noise of the loss, L-BFGS still follows the gradient, and stops
 * when neither betters; without a line search, a loss that stands still is all there is to see.
 */
function tellsDecrease({ method, decreaseTolerance, noise }: Rules): boolean {
  return method !== 'lbfgs' || decreaseTolerance >= noise;
}

/** Go on to `state.point`, unless no evaluation is left. */
function settle(rules: Rules, state: OptimizerState): Advance {
  const spent = state.evaluations >= rules.evaluations && state.best !== null;
  return { state, taken: null, done: spent ? { reason: 'evaluations', optimum: state.best } : null };
}

const methods = { adam, gd, lbfgs } as const;

/** A method whose memory is no longer known to be its own; states hold the memory of the method that made them. */
function methodOf(name: MethodName): Method<Memory> {
  return methods[name] as Method<Memory>;
}

function notFinite(message: string): SkewflowError {
  return new SkewflowError('NonFiniteError', message);
}
