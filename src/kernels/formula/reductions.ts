/** The reductions over rows: how each is made of `sum`, `min`, `max` and `stop`. */
import { apply, constant, type Expr, type Loop, type ReduceBy, reduce } from '../ir/expr.ts';
import { Misuse } from './functions.ts';
import type { ReductionName } from './syntax.ts';

/** The rows a reduction runs over. */
export interface Counted {
  readonly loop: Loop;
  readonly where: Expr | null;
  /** Rows that count: M, or M − 1 when the own row is left out. */
  readonly count: number;
}

/** Everything the language knows about one reduction. */
export interface Reduction {
  /** Names of what follows the index, for messages. */
  readonly parameters: readonly string[];
  /** Whether it has a value over no rows. */
  readonly overNothing: boolean;
  /** Over the rows of the sources or a set. */
  readonly build: (rows: Counted, args: readonly Expr[]) => Expr | Misuse;
  /** Over the tracers: what is added (or compared), and the factor the result of N rows gets; null if it cannot be. */
  readonly overTracers: {
    readonly by: 'max' | 'min' | 'sum';
    readonly factor: (count: number) => number;
  } | null;
}

const over = (by: ReduceBy, { loop, where }: Counted, body: Expr): Expr => reduce(by, loop, body, where);

function plain(by: 'max' | 'min' | 'sum'): Reduction {
  return {
    parameters: ['F'],
    overNothing: by === 'sum',
    build: (rows, [body]) => over(by, rows, body!),
    overTracers: { by, factor: () => 1 },
  };
}

/**
 * The greatest F, between ±3e38 and without derivative: any number near it serves to shift by, and a finite one
 * keeps ∞ − ∞ away. (3e38 is finite in f32 too.)
 */
function shift(rows: Counted, score: Expr): Expr {
  return apply('stop', apply('clamp', over('max', rows, score), constant(-3e38), constant(3e38)));
}

/**
 * log Σ_j exp(F_j) = m + log Σ_j exp(F_j − m),  m = max_j F_j
 *
 * Over no rows, or with every F_j = −∞, the sum is 0 and the value −∞. The derivative does not pass through m,
 * whose two occurrences cancel.
 */
function logsumexp(rows: Counted, score: Expr): Expr {
  const m = shift(rows, score);
  return apply('add', m, apply('log', over('sum', rows, apply('exp', apply('sub', score, m)))));
}

/**
 * Σ_j w_j v_j,  w_j = exp(s_j) / Σ_l exp(s_l)
 *
 * as the quotient of two sums over one loop, both shifted by the greatest score.
 */
function softmax(rows: Counted, score: Expr, value: Expr): Expr | Misuse {
  if (score.width !== 1) return new Misuse(0, `takes a score of width 1, this one has width ${score.width}`);
  const weight = apply('exp', apply('sub', score, shift(rows, score)));
  return apply('div', over('sum', rows, apply('mul', weight, value)), over('sum', rows, weight));
}

export const reductions: Readonly<Record<ReductionName, Reduction>> = {
  logsumexp: {
    parameters: ['F'],
    overNothing: true,
    build: (rows, [body]) => logsumexp(rows, body!),
    overTracers: null,
  },
  max: plain('max'),
  mean: {
    parameters: ['F'],
    overNothing: false,
    build: (rows, [body]) => apply('mul', constant(1 / rows.count), over('sum', rows, body!)),
    overTracers: { by: 'sum', factor: (count) => 1 / count },
  },
  min: plain('min'),
  softmax: {
    parameters: ['score', 'value'],
    overNothing: false,
    build: (rows, [score, value]) => softmax(rows, score!, value!),
    overTracers: null,
  },
  sum: plain('sum'),
};
