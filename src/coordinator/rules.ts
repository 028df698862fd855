/**
 * How patient is a coordinator, and whom does it trust? Every limit that its decisions know, as data.
 */

export interface Rules {
  /** Version of the package that workers must run; null: any. */
  readonly version: string | null;
  /** Whether workers of other numerics classes than the first are taken; the result is then equal within tolerance only. */
  readonly allowMixed: boolean;
  /** With fewer seats nothing new is given out. */
  readonly seatsMin: number;
  /** Seats that may break before the run fails. */
  readonly breakagesMax: number;
  /** Distinct workers that may break at a leaf, by their own word, before the run fails with it. */
  readonly poisonWorkers: number;
  /**
   * Distinct workers that may be lost without a word while they are at a leaf. Where a worker is killed within the time of a
   * leaf with probability p, so many of them are at a sound one with p⁹: 1 in 20 000 where every third is.
   */
  readonly poisonLosses: number;
  /** Whether an answer that is not finite is computed once more elsewhere. */
  readonly secondOpinions: boolean;
  /** Part of all leaves that is computed twice. */
  readonly auditShare: number;
  /**
   * How long a stage may wait for nothing but second answers, beyond a straggler's limit. Infinity: as long as it takes, and
   * for workers that are not there yet, too.
   */
  readonly auditMs: number;
  /** How long two answers that differ may wait for a third. */
  readonly voteMs: number;
  /** Silence of a seat after which its leaves are given to others. */
  readonly silentMs: number;
  /** A seat that was heard of so lately has missed no beat: what is given away goes to such seats, if there are any. */
  readonly livelyMs: number;
  /** Between two lines that say that nobody works on the run. */
  readonly noWorkersMs: number;
  /** A leaf is copied when it takes longer than this, and than so many times the average. */
  readonly stragglerMs: number;
  readonly stragglerFactor: number;
  /** Leaves of the run that must have finished for an average; before, a leaf is copied when it takes longer than `stragglerBlindMs`. */
  readonly stragglerAfter: number;
  readonly stragglerBlindMs: number;
  /** Work that is worth moving to an idle seat. */
  readonly stealMs: number;
  /** Between two checkpoints of a run whose checkpoints are large, or whose iterations are long. */
  readonly checkpointMs: number;
  /** Between two looks at the clock. */
  readonly tickMs: number;
}

/**
 * How long the answers of so many seats are on their way, in milliseconds: they come one after another, and each costs worker,
 * store and coordinator some tenths of one. Work that takes no longer is not worth a plan, which costs every seat a look, nor does it
 * tell how fast anyone is.
 */
export function queueMs(seats: number): number {
  return 0.5 * seats;
}

/**
 * For one worker in the same process: nothing is timed, because nobody else could do better. A second worker is met with
 * stealing only.
 */
export const patient: Rules = Object.freeze({
  version: null,
  allowMixed: false,
  seatsMin: 1,
  breakagesMax: 0,
  poisonWorkers: Infinity,
  poisonLosses: Infinity,
  secondOpinions: false,
  auditShare: 0,
  auditMs: Infinity,
  voteMs: Infinity,
  silentMs: Infinity,
  livelyMs: Infinity,
  noWorkersMs: Infinity,
  stragglerMs: Infinity,
  stragglerFactor: 4,
  stragglerAfter: 3,
  stragglerBlindMs: Infinity,
  stealMs: 50,
  checkpointMs: 30_000,
  tickMs: Infinity,
});

/**
 * For workers that come, go and fail. A seat is lively while it beats every second, and silent when two beats are missing, one
 * second before its lease of three lapses.
 */
export const watchful: Rules = Object.freeze({
  ...patient,
  breakagesMax: Infinity,
  poisonWorkers: 3,
  poisonLosses: 9,
  secondOpinions: true,
  auditShare: 0.01,
  auditMs: 1000,
  voteMs: 60_000,
  silentMs: 2_000,
  livelyMs: 1_200,
  noWorkersMs: 30_000,
  stragglerMs: 1000,
  stragglerBlindMs: 30_000,
  tickMs: 100,
});
