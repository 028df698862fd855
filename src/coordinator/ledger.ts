/**
 * What is counted over a run? Seats, blocks and pairs as beats tell them, bytes, and what was lost and done again.
 */
import type { Beat, Join, Phase, SeatId } from '../protocol.ts';
import type { Counts } from './checkpoint.ts';
import type { Evaluated } from './coordinator.ts';
import type { Notice } from './notice.ts';

/** How far a run is. Blocks of 256 rows are counted over all seats, once for the phase that is going on. */
export interface Progress {
  readonly phase: Phase;
  readonly iteration: number;
  readonly blocksDone: number;
  readonly blocksTotal: number;
}

/** Blocks and pairs of one seat, as it last said. */
interface Tally {
  readonly join: Join;
  blocks: number;
  pairs: number;
  /** Blocks it had done when the current phase was asked. */
  blocksBefore: number;
}

export class Ledger {
  readonly #blocksTotal: number;
  readonly #pairsBefore: number;
  readonly #tallies = new Map<SeatId, Tally>();
  #counts: Counts;
  #phase: Phase = 'sums';

  /** @param before - what other coordinators of this run counted */
  constructor(blocksTotal: number, before: Counts) {
    this.#blocksTotal = blocksTotal;
    this.#pairsBefore = before.pairs;
    this.#counts = before;
  }

  counts(): Counts {
    const pairs = [...this.#tallies.values()].reduce((sum, tally) => sum + tally.pairs, this.#pairsBefore);
    return { ...this.#counts, pairs };
  }

  /** What the run took. */
  summary(): Omit<Evaluated, 'gradient' | 'loss' | 'numerics' | 'sourceStates'> {
    const { bytes, published, ...counts } = this.counts();
    const joins = [...this.#tallies.values()].map(({ join }) => join);
    return { ...counts, joins, bytesPerIteration: bytes / Math.max(1, published) };
  }

  progress(): Progress {
    const done = [...this.#tallies.values()].reduce((sum, t) => sum + t.blocks - t.blocksBefore, 0);
    return {
      phase: this.#phase,
      iteration: this.#counts.iterations,
      // A seat that was lost may have done blocks that another did again.
      blocksDone: Math.min(done, this.#blocksTotal),
      blocksTotal: this.#blocksTotal,
    };
  }

  joined(join: Join): void {
    this.#tallies.set(join.seat, { join, blocks: 0, pairs: 0, blocksBefore: 0 });
  }

  /** Whether the seat is one that was taken. */
  beat({ seat, blocks, pairs }: Beat): boolean {
    const tally = this.#tallies.get(seat);
    if (tally === undefined) return false;
    tally.blocks = blocks;
    tally.pairs = pairs;
    return true;
  }

  published(number: number, phase: Phase, bytes: number): void {
    // Later phases of an iteration have its number.
    const published = this.#counts.published + (number >= this.#counts.iterations ? 1 : 0);
    this.#phase = phase;
    this.#counts = { ...this.#counts, published, iterations: number + 1, bytes: this.#counts.bytes + bytes };
    for (const tally of this.#tallies.values()) tally.blocksBefore = tally.blocks;
  }

  answered(bytes: number): void {
    this.#counts = { ...this.#counts, bytes: this.#counts.bytes + bytes };
  }

  /** Losses are counted as they are told. */
  told(notice: Notice): void {
    const { workersLost, redone, seats } = this.#counts;
    switch (notice.code) {
      case 'JOINED':
      case 'REJOINED':
        this.#counts = { ...this.#counts, seats: Math.max(seats, notice.seats) };
        return;
      case 'QUARANTINED':
        this.#counts = { ...this.#counts, workersLost: workersLost + 1, redone: redone + notice.withdrawn };
        return;
      case 'UNRESPONSIVE':
      case 'WORKER_LEFT':
        this.#counts = { ...this.#counts, redone: redone + notice.leaves };
        return;
      case 'WORKER_LOST':
        this.#counts = { ...this.#counts, workersLost: workersLost + 1, redone: redone + notice.leaves };
        return;
      case 'AUDIT_MISMATCH':
      case 'CANCELLED':
      case 'FENCED':
      case 'HANDED_OVER':
      case 'MIXED_NUMERICS':
      case 'NON_FINITE':
      case 'NO_WORKERS':
      case 'POISON_SHARD':
      case 'REFUSED_WORKER':
      case 'RESUMING':
      case 'SPECULATING':
      case 'STATE_LOST':
      case 'UNREACHABLE':
      case 'WORKER_WAITS':
        return;
    }
  }
}
