/**
 * Which leaves are computed twice?
 */
import type { Leaf } from '../partition/seats.ts';
import type { Phase } from '../protocol.ts';
import type { PostedEvent } from './run-events.ts';
import type { RunShape } from './stage.ts';

/** Whether a leaf is computed twice: a function of what it is, so that nobody can foresee or prevent it by being late. */
export function auditedIn({ run, rules }: RunShape, number: number, phase: Phase): (leaf: Leaf) => boolean {
  if (rules.auditShare <= 0) return () => false;
  const begun = hashed(firstHash, `${run} ${number} ${phase} `);
  return (leaf) => mixed(hashed(begun, String(leaf))) < rules.auditShare * 2 ** 32;
}

/** Whether a digest of this answer is needed. */
export function isCompared(
  shape: RunShape,
  { number, phase, leaf, count, copy }: Pick<PostedEvent, 'copy' | 'count' | 'leaf' | 'number' | 'phase'>,
): boolean {
  return count === 1 && (copy > 0 || auditedIn(shape, number, phase)(leaf));
}

/** FNV-1a of no text, and of a text that goes on. */
const firstHash = 0x811c9dc5;
function hashed(before: number, text: string): number {
  let h = before;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h;
}

/** A hash with its bits mixed, as MurmurHash3 ends (Appleby, public domain). */
function mixed(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
