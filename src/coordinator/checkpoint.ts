/**
 * What does a run need to be taken up again? Plain data: where it is, what its course remembers, and the answers of the stage
 * that is going on. Who keeps it makes bytes of it.
 */
import type { Leaf } from '../partition/seats.ts';
import type { LeafPartial, ParameterDigest, SeatId, Seeds, WorkerId } from '../protocol.ts';

/** Raised whenever the shape changes; a checkpoint of another version is not taken up. */
export const checkpointVersion = 3;

export interface Checkpoint {
  readonly version: typeof checkpointVersion;
  /**
   * A coordinator that takes the run up acts under a later one. A store that forgot everything may give an epoch twice, so a
   * checkpoint is kept only where none of a later epoch is, and none of the same by another holder.
   */
  readonly epoch: number;
  readonly holder: string;
  /** The iteration and stage that is asked, and what it is given beside the course's point. */
  readonly number: number;
  readonly stage: number;
  readonly digest: ParameterDigest;
  readonly sums: Float64Array | null;
  readonly seeds: Seeds | null;
  /** The winning rows of phase `sums`. */
  readonly winners: Float64Array;
  /** What stages of this iteration before gave. */
  readonly loss: number | null;
  readonly gradient: Float64Array;
  readonly sourceStates: Float64Array | null;
  /** `Course.record` at this iteration. */
  readonly course: string | null;
  /** Answers of the stage so far; a leaf that is not finite is asked again. */
  readonly answers: readonly KeptAnswer[];
  /** The class that answers must have, and every class that took part. */
  readonly numerics: string | null;
  readonly classes: readonly string[];
  /** Whose answers are not believed, and the seats they had. */
  readonly quarantined: readonly WorkerId[];
  readonly dismissed: readonly SeatId[];
  readonly counts: Counts;
}

export interface KeptAnswer {
  readonly leaf: Leaf;
  /** How many leaves, from `leaf` on, it is the sum of. */
  readonly count: number;
  readonly answer: LeafPartial;
  /** Whose it is, and of which class. */
  readonly worker: WorkerId;
  readonly numerics: string;
}

/** What was counted over the whole run, whoever coordinated it. */
export interface Counts {
  readonly iterations: number;
  readonly workersLost: number;
  readonly redone: number;
  readonly pairs: number;
  /** Bytes given and answered, and in how many iterations. */
  readonly bytes: number;
  readonly published: number;
  /** Most seats at once. */
  readonly seats: number;
}

export const nothingCounted: Counts = Object.freeze({
  iterations: 0,
  workersLost: 0,
  redone: 0,
  pairs: 0,
  bytes: 0,
  published: 0,
  seats: 0,
});

/** About how large it is: arrays and the course's text. */
export function checkpointBytes(checkpoint: Checkpoint): number {
  const { sums, seeds, winners, gradient, sourceStates, course, answers } = checkpoint;
  const arrays = [sums, seeds?.values, seeds?.winners, winners, gradient, sourceStates];
  const own = arrays.reduce((bytes, array) => bytes + (array?.byteLength ?? 0), 0);
  return answers.reduce((bytes, { answer }) => bytes + partialBytes(answer), own + (course?.length ?? 0));
}

/** Bytes of an answer's arrays. */
export function partialBytes({ sums, winners, gradient, seeds, sourceStates }: LeafPartial): number {
  const most = sums.byteLength + winners.byteLength + gradient.byteLength;
  return most + (seeds?.byteLength ?? 0) + (sourceStates?.byteLength ?? 0);
}
