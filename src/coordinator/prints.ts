/**
 * Are two answers the same? By a digest of all their numbers.
 */
import { createHash } from 'node:crypto';
import type { Standing } from '../exchange/exchange.ts';
import type { Leaf } from '../partition/seats.ts';
import type { LeafPartial, Posting } from '../protocol.ts';

/**
 * The postings that may be taken as they stand: of this very question, and only if no two answers of one leaf differ,
 * because then one worker lied and it is not known which.
 */
export function adoptable(
  standing: Standing | null,
  { number, phase, parameterDigest }: Pick<Posting, 'number' | 'parameterDigest' | 'phase'>,
): readonly Posting[] {
  const asked = standing?.iteration ?? null;
  if (standing === null || asked === null) return [];
  if (asked.number !== number || asked.phase !== phase || asked.parameterDigest !== parameterDigest)
    return [];
  const prints = new Map<Leaf, string>();
  for (const { leaf, answer } of standing.postings) {
    const print = printOf(answer);
    if ((prints.get(leaf) ?? print) !== print) return [];
    prints.set(leaf, print);
  }
  return standing.postings;
}

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
