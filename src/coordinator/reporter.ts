/**
 * How far is a run, in the figures that `follow` shows? Shares and pairs from what seats count, the rest from what was
 * committed.
 */
import type { SeatId } from '../protocol.ts';
import type { Commit } from './coordinator.ts';
import type { Progress } from './ledger.ts';
import type { Notice } from './notice.ts';
import type { Story } from './story.ts';

export class Reporter {
  readonly #story: Story;
  #commit: Commit | null = null;
  #pairsPerSecond = 0;
  #since = performance.now();
  #pairs = 0;
  /** Held now, as the notices tell it. */
  readonly #seats = new Set<SeatId>();
  /** Those whose work waits for what somebody must mend. */
  readonly #waiting = new Set<SeatId>();
  #paused = false;

  constructor(story: Story) {
    this.#story = story;
  }

  progressed({ iteration, blocksDone, blocksTotal }: Progress): void {
    this.#tell(iteration, blocksTotal === 0 ? 0 : Math.min(1, blocksDone / blocksTotal), false);
  }

  committed(commit: Commit): void {
    const seconds = (performance.now() - this.#since) / 1000;
    this.#pairsPerSecond = Math.max(0, commit.counts.pairs - this.#pairs) / Math.max(seconds, 1e-3);
    this.#since = performance.now();
    this.#pairs = commit.counts.pairs;
    this.#commit = commit;
    this.#tell(commit.iteration, 1, false);
  }

  noticed(notice: Notice): void {
    const { code } = notice;
    if (code === 'JOINED' || code === 'REJOINED') this.#seats.add(notice.who.seat);
    if (code === 'REFUSED_WORKER' || code === 'WORKER_LEFT' || code === 'WORKER_LOST') {
      this.#seats.delete(notice.who.seat);
      this.#waiting.delete(notice.who.seat);
    }
    if (code === 'STATE_LOST') {
      this.#seats.clear();
      this.#waiting.clear();
    }
    if (code === 'WORKER_WAITS') {
      if (notice.why === null) this.#waiting.delete(notice.who.seat);
      else this.#waiting.add(notice.who.seat);
    }
    this.#pause();
  }

  /** A run whose workers all wait is paused, and says so. */
  #pause(): void {
    const paused = this.#seats.size > 0 && this.#waiting.size === this.#seats.size;
    if (paused === this.#paused) return;
    this.#paused = paused;
    this.#story.state(paused ? 'paused' : 'active');
  }

  #tell(iteration: number, share: number, now: boolean): void {
    const { loss = null, counts } = this.#commit ?? {};
    const seats = this.#seats.size;
    const { redone = 0, workersLost = 0 } = counts ?? {};
    const pairsPerSecond = this.#pairsPerSecond;
    this.#story.progress({ iteration, share, loss, pairsPerSecond, seats, redone, workersLost }, now);
  }
}
