/**
 * What does whoever wanted a run see of its end? Nothing to throw when it is done.
 */
import { invariant, SkewflowError } from '../errors.ts';
import { errorOf } from '../exchange/error-report.ts';
import type { RunState } from './run-events.ts';

/**
 * What a run that is over failed for, or who has it now; null: it is done.
 *
 * @param iteration - where it was
 */
export function failureOf(state: RunState, iteration: number): Error | null {
  invariant(state.kind === 'ended' || state.kind === 'dropped', 'a run is asked for its end when it is over');
  if (state.kind === 'dropped') {
    const why = state.why === 'fenced' ? 'a later coordinator holds the run' : 'the run was handed over';
    return new SkewflowError('AbortedError', why, { why: state.why, iteration });
  }
  switch (state.end.kind) {
    case 'cancelled':
      return new SkewflowError('AbortedError', 'the run was cancelled', { why: 'cancelled', iteration });
    case 'done':
      return null;
    case 'failed':
      return errorOf(state.end.error);
  }
}
