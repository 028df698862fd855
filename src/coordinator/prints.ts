/**
 * Are two answers the same? By a digest of all their numbers.
 */
import { createHash } from 'node:crypto';
import type { LeafPartial, Posting } from '../protocol.ts';

/** SHA-256 of an answer, all its numbers. */
export function printOf(answer: Posting['answer']): string {
  const hash = createHash('sha256');
  if (answer.kind === 'non-finite') return hash.update(JSON.stringify(answer)).digest('hex');
  const { sums, winners, loss, gradient, seeds, sourceStates }: LeafPartial = answer;
  for (const array of [sums, winners, Float64Array.of(loss), gradient, seeds, sourceStates]) {
    hash.update(`${array?.length ?? 'none'};`);
    if (array !== null) hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  }
  return hash.digest('hex');
}
