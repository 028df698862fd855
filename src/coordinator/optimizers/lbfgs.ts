/**
 * L-BFGS: along the quasi-Newton direction as far as the strong Wolfe conditions ask; with bounds, towards the minimum of
 * the model within them (L-BFGS-B).
 *
 * Where no step leads down, the pairs are forgotten and steepest descent is tried; where that does not lead down either,
 * the iterate is the best that the precision of the loss can tell, and the method has stalled.
 *
 * Liu & Nocedal, Math. Programming 45 (1989); Byrd, Lu, Nocedal & Zhu, SIAM J. Sci. Comput. 16 (1995); Nocedal & Wright,
 * _Numerical Optimization_, 2nd ed., Springer 2006, algorithm 7.5.
 */
import { type Box, bounded, clamp, reach } from './box.ts';
import { boundedDirection } from './cauchy.ts';
import { beginSearch, judgeStep, type Search } from './line-search.ts';
import type { Iterate, Judgement, Method, Seen, Trial, Tuning } from './method.ts';
import { type Pair, quasiNewton, withStep } from './quasi-newton.ts';
import { along, dot, length, negative } from './vector.ts';

export interface LbfgsMemory {
  readonly kind: 'lbfgs';
  readonly pairs: readonly Pair[];
  /** The search under way; null before the first and between two. */
  readonly line: Line | null;
}

interface Line {
  readonly direction: Float64Array;
  readonly search: Search;
  /** The lowest point of this search that lies below its start; null while there is none. */
  readonly lowest: Iterate | null;
}

export const lbfgs: Method<LbfgsMemory> = {
  begin: () => ({ kind: 'lbfgs', pairs: [], line: null }),
  leave: (tuning, memory, at) => leave(tuning, memory.pairs, at),
  judge,
};

function leave(tuning: Tuning, pairs: readonly Pair[], at: Iterate): Trial<LbfgsMemory> | null {
  const direction = directionFrom(tuning.box, pairs, at);
  const slope = direction === null ? 0 : dot(at.gradient, direction);
  if (direction !== null && slope < 0) {
    // A model has a length; the first step of steepest descent is one unit long, as nothing is known.
    const step = pairs.length === 0 ? Math.min(1, 1 / length(direction)) : 1;
    const search = beginSearch(at.loss, slope, step, reach(tuning.box, at.point, direction));
    return trial(tuning, pairs, at, { direction, search, lowest: null });
  }
  return pairs.length === 0 ? null : leave(tuning, [], at);
}

function directionFrom(box: Box, pairs: readonly Pair[], { point, gradient }: Iterate): Float64Array | null {
  if (bounded(box)) return boundedDirection(box, pairs, point, gradient);
  return pairs.length === 0 ? negative(gradient) : quasiNewton(pairs, gradient);
}

function trial(tuning: Tuning, pairs: readonly Pair[], at: Iterate, line: Line): Trial<LbfgsMemory> {
  const { direction, search } = line;
  return {
    memory: { kind: 'lbfgs', pairs, line },
    // A step to a bound lands on it, whatever x + α d rounds to.
    point: clamp(tuning.box, along(at.point, search.step, direction)),
  };
}

function judge(
  tuning: Tuning,
  { pairs, line }: LbfgsMemory,
  at: Iterate,
  point: Float64Array,
  { loss, gradient }: Seen,
): Judgement<LbfgsMemory> {
  if (line === null) return { kind: 'stalled' };
  const finite = Number.isFinite(loss);
  const here: Iterate | null = finite ? { point, loss, gradient } : null;
  const slope = finite ? dot(gradient, line.direction) : Number.NaN;
  const found = judgeStep(line.search, loss, slope, tuning.noise);
  if (found.kind === 'accept' && here !== null) return accept(tuning, pairs, at, here);
  const lowest = here !== null && loss < (line.lowest ?? at).loss ? here : line.lowest;
  if (found.kind === 'again') {
    return { kind: 'again', ...trial(tuning, pairs, at, { ...line, search: found.search, lowest }) };
  }
  // The conditions cannot be met, but there is a lower point: go on from there.
  if (lowest !== null) return accept(tuning, pairs, at, lowest);
  const afresh = pairs.length === 0 ? null : leave(tuning, [], at);
  return afresh === null ? { kind: 'stalled' } : { kind: 'again', ...afresh };
}

function accept(
  tuning: Tuning,
  pairs: readonly Pair[],
  at: Iterate,
  iterate: Iterate,
): Judgement<LbfgsMemory> {
  return {
    kind: 'accept',
    memory: { kind: 'lbfgs', pairs: withStep(pairs, at, iterate, tuning), line: null },
    iterate,
  };
}
