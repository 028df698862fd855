/**
 * What is a method of descent? A pure rule for where to go from an iterate, and for what to make of the loss found there.
 *
 * All numbers are f64 and all memories plain data (numbers, arrays, Float64Arrays), so that a run that was stopped goes
 * on from what was saved with the same bits. Arrays are never written to once they are in a state.
 */
import type { Box } from './box.ts';

/** A point with the loss and the gradient there, all finite. */
export interface Iterate {
  readonly point: Float64Array;
  readonly loss: number;
  readonly gradient: Float64Array;
}

/** What an evaluation gave. Where the loss or its gradient is not finite, the loss is +∞ and the gradient empty. */
export interface Seen {
  readonly loss: number;
  readonly gradient: Float64Array;
}

/** What the methods are told. */
export interface Tuning {
  readonly box: Box;
  /** Step length of adam and gd. */
  readonly rate: number;
  /** Pairs that lbfgs keeps. */
  readonly memory: number;
  /** How far, relatively, two evaluations of one loss may lie apart by rounding: below, a rise is no rise. */
  readonly noise: number;
}

export interface Method<M> {
  /** What the method remembers before the first step. */
  readonly begin: () => M;
  /** From an iterate: the next point. null: there is no way down from here. */
  readonly leave: (tuning: Tuning, memory: M, at: Iterate) => Trial<M> | null;
  /** What was found at the point asked last. */
  readonly judge: (tuning: Tuning, memory: M, at: Iterate, point: Float64Array, seen: Seen) => Judgement<M>;
}

/** A point to evaluate at. */
export interface Trial<M> {
  readonly memory: M;
  readonly point: Float64Array;
}

export type Judgement<M> =
  | { readonly kind: 'accept'; readonly memory: M; readonly iterate: Iterate }
  /** Another point from the same iterate. */
  | { readonly kind: 'again'; readonly memory: M; readonly point: Float64Array }
  /** The method has no way to go back from a loss that is not finite. */
  | { readonly kind: 'diverged' }
  /** No lower loss is to be found from this iterate. */
  | { readonly kind: 'stalled' };

/** The evaluation as an iterate, which is what a method without a line search makes of it; null where it is not finite. */
export function iterateOf(point: Float64Array, { loss, gradient }: Seen): Iterate | null {
  return Number.isFinite(loss) ? { point, loss, gradient } : null;
}
