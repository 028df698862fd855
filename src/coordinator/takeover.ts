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

/** Postings of a question that is asked: those that are taken as they stand, and those that are there and not believed. */
interface Claim {
  readonly postings: readonly Posting[];
  readonly refused: readonly Posting[];
}

const nothing: Claim = Object.freeze({ postings: [], refused: [] });

/** What the store had of a run when this coordinator came to it, until the first question is asked. */
export class Legacy {
  #standing: Standing | null = null;
  #claim: Claim = nothing;

  found(standing: Standing): void {
    this.#standing = standing;
  }

  /** What was found, for the last time. */
  close(): Standing | null {
    const standing = this.#standing;
    this.#standing = null;
    return standing;
  }

  /** A question is asked: whether there are answers to it that are taken as they stand. */
  claim(question: Question): boolean {
    this.#claim = claimOf(this.#standing, question);
    return this.#claim.postings.length > 0;
  }

  get postings(): readonly Posting[] {
    return this.#claim.postings;
  }

  /** What there is of the question that was asked last, once. */
  take(): Claim {
    const claim = this.#claim;
    this.#claim = nothing;
    return claim;
  }
}

type Question = Pick<Posting, 'number' | 'parameterDigest' | 'phase'>;

/**
 * The postings of this very question that the store has. They may be taken as they stand only if no two answers of one leaf
 * differ, because then one worker lied and it is not known which.
 */
function claimOf(standing: Standing | null, { number, phase, parameterDigest }: Question): Claim {
  const asked = standing?.iteration ?? null;
  if (standing === null || asked === null) return nothing;
  if (asked.number !== number || asked.phase !== phase || asked.parameterDigest !== parameterDigest)
    return nothing;
  const { postings } = standing;
  const prints = new Map<Leaf, string>();
  for (const { leaf, count, answer } of postings) {
    // Leaves that were answered together are never compared; whose answer was not believed is in the checkpoint.
    if (count > 1) continue;
    const print = printOf(answer);
    if ((prints.get(leaf) ?? print) !== print) return { postings: [], refused: postings };
    prints.set(leaf, print);
  }
  return { postings, refused: [] };
}

/** How often each leaf was asked, as far as its postings tell. */
export function copiesOf(postings: readonly Posting[]): ReadonlyMap<Leaf, number> {
  const copies = new Map<Leaf, number>();
  for (const { leaf: first, count, copy } of postings) {
    for (const leaf of leavesFrom(first, count)) copies.set(leaf, Math.max(copies.get(leaf) ?? 0, copy));
  }
  return copies;
}

/** How many leaves these answer. */
export function leavesAnswered(answers: readonly Pick<Posting, 'count' | 'leaf'>[]): number {
  return new Set(answers.flatMap(({ leaf, count }) => leavesFrom(leaf, count))).size;
}
