/** Which leaves are computed twice? */

import type { Leaf } from '../partition/seats.ts';
import type { Phase } from '../protocol.ts';
import type { PostedEvent } from './run-events.ts';
import type { RunShape } from './stage.ts';

/** Whether this leaf is computed twice: a function of what it is, so that nobody can foresee or prevent it by being late. */
export function isAudited({ run, rules }: RunShape, number: number, phase: Phase, leaf: Leaf): boolean {
  return rules.auditShare > 0 && hash(`${run} ${number} ${phase} ${leaf}`) < rules.auditShare * 2 ** 32;
}

/** Whether a digest of this answer is needed. */
export function isCompared(
  shape: RunShape,
  { number, phase, leaf, count, copy }: Pick<PostedEvent, 'copy' | 'count' | 'leaf' | 'number' | 'phase'>,
): boolean {
  return count === 1 && (copy > 0 || isAudited(shape, number, phase, leaf));
}

/** FNV-1a, its bits mixed as MurmurHash3 ends (Appleby, public domain). */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
