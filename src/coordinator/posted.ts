/**
 * What of an answer do the rules look at? Whose it is, of what, and whether it is the same as another; its numbers are the
 * worksheet's.
 */
import type { Posting } from '../protocol.ts';
import { isCompared } from './audited.ts';
import { printOf } from './prints.ts';
import type { PostedEvent } from './run-events.ts';
import type { RunShape } from './stage.ts';
import { before } from './takeover.ts';

export function postedOf(shape: RunShape, posting: Posting): PostedEvent {
  const { seat, answer } = posting;
  return {
    kind: 'posted',
    seat,
    worker: posting.worker,
    numerics: posting.numerics,
    number: posting.number,
    phase: posting.phase,
    digest: posting.parameterDigest,
    leaf: posting.leaf,
    count: posting.count,
    copy: posting.copy,
    tookMs: seat === before ? null : posting.tookMs,
    fault: answer.kind === 'non-finite' ? answer : null,
    print: isCompared(shape, posting) ? printOf(answer) : null,
  };
}
