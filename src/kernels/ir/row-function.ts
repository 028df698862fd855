/**
 * What is computed for each row of a group: the unit that every engine compiles and the reference interprets.
 *
 * A row function reads the row's own values, the parameters, the time and (under its reductions) the rows of
 * the sources and sets. It leaves three kinds of result, and every device program of the project is made of them:
 *
 *   planes     a vector for each row                                   x', ζ = F_xᵀκ, a density
 *   rowSums    a vector summed over the rows of a block                θ̄
 *   scatters   a vector added to a bound row, summed over own rows     Γ_j = Σ_i F_y(x_i, y_j)ᵀ κ_i
 */
import type { Expr, Leaf, Loop } from './expr.ts';

export interface RowFunction {
  /** Name in listings and messages, e.g. `tracers.flow`, `tracers.flow.vjp`, `loss0.rows`. */
  readonly name: string;
  readonly planes: readonly Plane[];
  readonly rowSums: readonly RowSum[];
  readonly scatters: readonly Scatter[];
}

/** One vector a row, written to the bank of that name. */
export interface Plane {
  readonly name: string;
  readonly value: Expr;
}

/** A vector added over all rows: the cotangent of what every row reads (a parameter, a sum over tracers). */
export interface RowSum {
  readonly target: Extract<Leaf, { role: 'param' | 'sum' }>;
  readonly value: Expr;
}

/**
 * A vector added to one bound row (or to one weight of a pair) for every own row and every combination of `loops`.
 * `loops` go from the outermost in; `where` (null: always) has the meaning it has in `Reduce`.
 * `target.loop` is one of `loops`.
 */
export interface Scatter {
  readonly target: Extract<Leaf, { role: 'pair' | 'row' }>;
  readonly loops: readonly Loop[];
  readonly where: Expr | null;
  readonly value: Expr;
}
