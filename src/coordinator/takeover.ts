/**
 * What of a run that another coordinator had, or this one in a store that is gone, is taken up as it stands? Whom it sent away,
 * the answers it kept of the question that is asked first, and those that the store still has.
 */
import type { Standing } from '../exchange/exchange.ts';
import { type Leaf, leavesFrom } from '../partition/seats.ts';
import { type Posting, protocolVersion, type RunId, SeatId } from '../protocol.ts';
import type { Checkpoint, KeptAnswer } from './checkpoint.ts';
import { type Crew, nobody } from './crew.ts';
import { printOf } from './prints.ts';
import type { RunState } from './run-events.ts';

/** Where what a checkpoint brings was answered from; no seat has this name. */
export const before = SeatId.parse('checkpoint');

/** The crew that a checkpoint remembers: nobody, but whom to take and whom not. */
export function crewOf(checkpoint: Checkpoint | null): Crew {
  if (checkpoint === null) return nobody;
  const { numerics, classes, quarantined, dismissed } = checkpoint;
  return {
    ...nobody,
    numerics,
    classes,
    quarantined: new Set(quarantined),
    dismissed: new Set(dismissed),
  };
}

/** What of a crew a checkpoint remembers; `crewOf` undoes it. */
export function remembered(
  crew: Crew,
): Pick<Checkpoint, 'classes' | 'dismissed' | 'numerics' | 'quarantined'> {
  const { numerics, classes, quarantined, dismissed } = crew;
  return { numerics, classes, quarantined: [...quarantined], dismissed: [...dismissed] };
}

/** What an answer says it answers, if it is of the question that is asked; null: none is. */
export function questionOf(
  state: RunState,
  run: RunId,
): Pick<Posting, 'number' | 'parameterDigest' | 'phase' | 'protocolVersion' | 'run'> | null {
  if (state.kind !== 'asking') return null;
  const { number, asked, digest } = state;
  return { protocolVersion, run, number, phase: asked.phase, parameterDigest: digest };
}

/** The answers that were kept, if they are of this very question. */
export function resumable(
  checkpoint: Checkpoint | null,
  { number, stage, digest }: Pick<Checkpoint, 'digest' | 'number' | 'stage'>,
): readonly KeptAnswer[] {
  const same = checkpoint?.number === number && checkpoint.stage === stage && checkpoint.digest === digest;
  return same ? checkpoint.answers : [];
}

/**
 * The postings of this very question that the store has. They may be taken as they stand only if no two answers of one leaf
 * differ, because then one worker lied and it is not known which.
 */
export function adoptable(
  standing: Standing | null,
  { number, phase, parameterDigest }: Pick<Posting, 'number' | 'parameterDigest' | 'phase'>,
): { readonly postings: readonly Posting[]; readonly agree: boolean } {
  const asked = standing?.iteration ?? null;
  if (standing === null || asked === null) return noPostings;
  if (asked.number !== number || asked.phase !== phase || asked.parameterDigest !== parameterDigest)
    return noPostings;
  const { postings } = standing;
  const prints = new Map<Leaf, string>();
  for (const { leaf, count, answer } of postings) {
    // Leaves that were answered together are never compared; whose answer was not believed is in the checkpoint.
    if (count > 1) continue;
    const print = printOf(answer);
    if ((prints.get(leaf) ?? print) !== print) return { postings, agree: false };
    prints.set(leaf, print);
  }
  return { postings, agree: true };
}

const noPostings = { postings: [], agree: true } as const;

/** How often each leaf was asked, as far as its postings tell. */
export function copiesOf(postings: readonly Posting[]): ReadonlyMap<Leaf, number> {
  const copies = new Map<Leaf, number>();
  for (const { leaf: first, count, copy } of postings) {
    for (const leaf of leavesFrom(first, count)) copies.set(leaf, Math.max(copies.get(leaf) ?? 0, copy));
  }
  return copies;
}
