/**
 * Where is a run evaluated next? At the job's own point and nowhere else, or where an optimiser leads (`descent.ts`).
 *
 * The coordinator begins with `begin`, and after each evaluation asks `next`. A course is the only part of a run that
 * remembers more than one iteration, so a run is taken up again by giving the coordinator the course as it stood.
 */
import { errorOf } from '../exchange/error-report.ts';
import type { ErrorReport } from '../protocol.ts';

export interface Course {
  readonly begin: Leg;
  /**
   * Where to go from here; null: the run is done, and the last evaluation is its result. It resolves when what has to
   * survive this process does; a rejection ends the run with that error.
   */
  readonly next: (outcome: Outcome) => Promise<Leg | null>;
  /** All that it remembers, as text: a course made from it goes on with the same bits. Null: it remembers nothing. */
  readonly record: () => string | null;
}

/** One evaluation that is to be made. */
export interface Leg {
  /** Evaluations before this one, in this process and those before it: the number of its iteration. */
  readonly number: number;
  /** Y₀, sets, pairs, θ and source `with` arrays by name, all of them. */
  readonly fields: ReadonlyMap<string, Float64Array>;
  /** Nothing is evaluated after this one: it leaves the N-sized results, too. */
  readonly last: boolean;
}

/** What came of an evaluation. */
export type Outcome =
  /** The gradient in the order of `program.layout.gradient`; empty when none is wanted. It may be kept, not written to. */
  | { readonly kind: 'finite'; readonly loss: number | null; readonly gradient: Float64Array }
  /** A trajectory, the loss or the gradient is not finite here. */
  | { readonly kind: 'not-finite'; readonly error: ErrorReport };

/** The course of a job that is evaluated once. */
export function once(fields: ReadonlyMap<string, Float64Array>): Course {
  return {
    begin: { number: 0, fields, last: true },
    next: async (outcome) => {
      if (outcome.kind === 'not-finite') throw errorOf(outcome.error);
      return null;
    },
    record: () => null,
  };
}
