/**
 * How many leaves are begun together? As many as take about as long as leaves may be kept from other seats, by what the
 * last ones took; the first time as many as there are threads.
 */
import type { Phase } from '../protocol.ts';

/** A wave is at most so much longer than the one before: an estimate from few leaves may be far off. */
const growthMax = 8;

export class Pace {
  readonly #waveMs: number;
  readonly #first: number;
  readonly #next = new Map<Phase, number>();

  /** @param waveMs - how long a wave may take; infinite: everything is begun at once */
  constructor(waveMs: number, threads: number) {
    this.#waveMs = waveMs;
    this.#first = Number.isFinite(waveMs) ? threads : Number.POSITIVE_INFINITY;
  }

  /** How many leaves the next wave of this phase may have; at least 1. */
  leaves(phase: Phase): number {
    return this.#next.get(phase) ?? this.#first;
  }

  /** So many leaves took so long. */
  took(phase: Phase, leaves: number, ms: number): void {
    if (!Number.isFinite(this.#waveMs)) return;
    const fitting = Math.floor((leaves * this.#waveMs) / Math.max(ms, 1));
    this.#next.set(phase, Math.max(1, Math.min(fitting, growthMax * leaves)));
  }
}
