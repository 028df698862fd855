/**
 * What does whoever wanted a run see of its end? Nothing to throw when it is done.
 */
import { invariant, SkewflowError } from '../errors.ts';
import { errorOf } from '../exchange/error-report.ts';
import type { RunEnd } from '../protocol.ts';
import type { RunState } from './run-events.ts';

/**
 * What a run that is over failed for, or who has it now; null: it is done.
 *
 * @param iteration - where it was
 */
export function failureOf(state: RunState, iteration: number): Error | null {
  invariant(state.kind === 'ended' || state.kind === 'dropped', 'a run is asked for its end when it is over');
  if (state.kind === 'dropped') {
    if (state.why === 'out-of-reach') return errorOf(state.error);
    const why = state.why === 'fenced' ? 'a later coordinator holds the run' : 'the run was handed over';
    return new SkewflowError('AbortedError', why, { why: state.why, iteration });
  }
  return state.end.kind === 'done' ? null : endOf(state.end, iteration);
}

/**
 * What a run came to whose end seats were told by a coordinator that did not live to tell others. Results are there before seats hear
 * of them, so who finds a run done has nothing to ask of seats.
 */
export function endedBefore(end: RunEnd, iteration: number): SkewflowError {
  return end.kind === 'done'
    ? new SkewflowError('ProtocolError', 'the run is done, and its results are not there any more')
    : endOf(end, iteration);
}

function endOf(end: Exclude<RunEnd, { kind: 'done' }>, iteration: number): SkewflowError {
  return end.kind === 'failed'
    ? errorOf(end.error)
    : new SkewflowError('AbortedError', 'the run was cancelled', { why: 'cancelled', iteration });
}
