/**
 * How long do the parts of an iteration take? A phase, from when it is published to its last answer; and from there to the
 * next phase published: the sums, the course, the parameters to all.
 */
import type { Phase } from '../protocol.ts';
import type { Coordination } from './coordinator.ts';

type Timed = Pick<Coordination, 'desk' | 'log' | 'now' | 'onTimed'>;

export class Lap {
  readonly #run: Timed;
  #published = 0;
  #answered: { readonly at: number; readonly number: number } | null = null;

  constructor(run: Timed) {
    this.#run = run;
  }

  /** A phase is asked now. */
  published(): void {
    const endedMs = this.#run.now();
    this.#published = endedMs;
    if (this.#answered === null) return;
    const { at: begunMs, number } = this.#answered;
    this.#debug('ask', number);
    this.#answered = null;
    this.#run.onTimed({ part: 'all-reduce', iteration: number + 1, begunMs, endedMs });
  }

  /** Its last answer is there. */
  answered(number: number, phase: Phase): void {
    const endedMs = this.#run.now();
    this.#answered = { at: endedMs, number };
    this.#debug('commit', number);
    this.#run.onTimed({ part: phase, iteration: number + 1, begunMs: this.#published, endedMs });
  }

  /** Where this coordinator is, for whoever reads the log of one that died: `commit` until `ask`. */
  #debug(doing: 'ask' | 'commit', number: number): void {
    const { desk, log } = this.#run;
    log.debug({ run: desk.run, iteration: number + 1, doing }, `${doing} after iteration ${number + 1}`);
  }
}
