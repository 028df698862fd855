/**
 * How long do the parts of an iteration take? A phase, from when it is published to its last answer; and from there to the
 * next phase published: the sums, the course, the parameters to all.
 */
import type { Phase } from '../protocol.ts';
import type { Coordination } from './coordinator.ts';

export class Lap {
  readonly #run: Pick<Coordination, 'now' | 'onTimed'>;
  #published = 0;
  #answered: { readonly at: number; readonly number: number } | null = null;

  constructor(run: Pick<Coordination, 'now' | 'onTimed'>) {
    this.#run = run;
  }

  /** A phase is asked now. */
  published(): void {
    const endedMs = this.#run.now();
    this.#published = endedMs;
    if (this.#answered === null) return;
    const { at: begunMs, number } = this.#answered;
    this.#answered = null;
    this.#run.onTimed({ part: 'all-reduce', iteration: number + 1, begunMs, endedMs });
  }

  /** Its last answer is there. */
  answered(number: number, phase: Phase): void {
    const endedMs = this.#run.now();
    this.#answered = { at: endedMs, number };
    this.#run.onTimed({ part: phase, iteration: number + 1, begunMs: this.#published, endedMs });
  }
}
