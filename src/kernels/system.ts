/**
 * A checked problem: what `formula/` produces from a job's formulas, and what `sweep/` makes into a program.
 *
 *   sources  y_j' = g(y_j, Reduce_k G(y_j, y_k, θ), θ, t)      tracers  x_i' = f(x_i, Reduce_j F(x_i, y_j, θ), θ, t)
 *   loss     L = Σ_terms Σ_times h(S; Y, θ, t),   S_k = Reduce_i s_k(x_i)
 */
import type { Expr } from './ir/expr.ts';
import type { SchemeName } from './schemes/table.ts';

/** One named array: so many components a row. */
export interface Field {
  readonly name: string;
  readonly width: number;
}

/** Rows that belong together. `evolving` and `constant` are disjoint; each keeps the order of the job file. */
export interface Group {
  readonly rows: number;
  readonly evolving: readonly Field[];
  readonly constant: readonly Field[];
}

export interface System {
  /** The few; null when the job has none. */
  readonly sources: Group | null;
  /** The many; null for a job of sources alone. */
  readonly tracers: Group | null;
  /** Further sets: rows that do not move. `evolving` is always empty. */
  readonly sets: ReadonlyMap<string, Group>;
  /** Weights between sources, M × M × width. */
  readonly pairs: readonly Field[];
  readonly params: readonly Field[];
  /** d/dt of each evolving field, in terms of its own row. */
  readonly flow: ReadonlyMap<string, Expr>;
  readonly scheme: SchemeName | null;
  readonly from: number;
  readonly to: number;
  /** The times the labels of moments stand for: `start` ↦ from, `0.5` ↦ 0.5. */
  readonly moments: ReadonlyMap<string, number>;
  readonly terms: readonly LossTerm[];
  /** Outputs a row of the tracers at the end time. */
  readonly values: ReadonlyMap<string, Expr>;
  /** Fields of sources, sets, pairs, params and tracers whose gradient is wanted. */
  readonly gradient: readonly string[];
}

/** One term of the loss: h(S; Y, θ, t), added over its times or integrated. */
export interface LossTerm {
  /** The formula as written, for messages and `explain`. */
  readonly text: string;
  readonly at: TermTimes;
  /** h: over the `sum` leaves, params, time and reductions over sources and sets (bound rows only, no own row). */
  readonly value: Expr;
  /** The sums over tracers that h's `sum` leaves number. */
  readonly sums: readonly TracerSum[];
  /** Arrays of this term alone (`with`): `slices` = number of its times when they differ from time to time, else 1. */
  readonly with: readonly (Field & { readonly slices: number; readonly group: 'sources' | 'tracers' })[];
}

export type TermTimes =
  | { readonly kind: 'every-step' }
  | { readonly kind: 'integral' }
  /** Ascending, within [from, to]. */
  | { readonly kind: 'times'; readonly times: readonly number[] };

/** S = Reduce_i body(x_i): `body` is in terms of the tracer's own row. A mean is a sum with a coefficient 1/N in h. */
export interface TracerSum {
  readonly by: 'max' | 'min' | 'sum';
  readonly body: Expr;
}
