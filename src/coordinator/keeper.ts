/**
 * Is what has to outlive this process on the disk? Checkpoints are kept beside the work, one at a time, and what cannot be
 * kept stops a run.
 */
import { isSkewflowError } from '../errors.ts';
import { reportOf } from '../exchange/error-report.ts';
import { type Checkpoint, checkpointBytes } from './checkpoint.ts';
import type { Coordination } from './coordinator.ts';
import type { RunEvent } from './run-events.ts';

/** A checkpoint up to this size is kept whenever something is committed; a larger one when it is due by time. */
const smallBytes = 2 ** 20;

export class Keeper {
  readonly #keep: Coordination['keep'];
  #keeping: Promise<void> = Promise.resolve();

  /** @param keep - null: nobody keeps anything */
  constructor(keep: Coordination['keep']) {
    this.#keep = keep;
  }

  /**
   * Keep a checkpoint beside the work; the one before has to be kept first, so that a full disk stops a run.
   *
   * @returns what follows from it at once: the one before could not be kept
   */
  async keep(due: boolean, checkpoint: () => Checkpoint): Promise<RunEvent | undefined> {
    if (this.#keep === null) return undefined;
    const state = checkpoint();
    if (!due && checkpointBytes(state) > smallBytes) return undefined;
    try {
      await this.#keeping;
    } catch (error) {
      return notKept(error);
    }
    this.#keeping = this.#keep(state);
    // Its failure is met by whoever waits for it next.
    this.#keeping.catch(() => {});
    return undefined;
  }

  /** Nothing is said under an epoch that is not on the disk: a store that forgot it would give it to another. */
  async secure(checkpoint: () => Checkpoint): Promise<RunEvent | undefined> {
    try {
      await this.#keeping;
      await this.#keep?.(checkpoint());
      return undefined;
    } catch (error) {
      return notKept(error);
    }
  }

  /** All that was to be kept is. */
  async kept(): Promise<void> {
    await this.#keeping;
  }
}

/** Another coordinator has kept a checkpoint that this one must not replace, or nothing can be kept at all. */
function notKept(error: unknown): RunEvent {
  return isSkewflowError(error, 'AbortedError')
    ? { kind: 'fenced', epoch: null }
    : { kind: 'stuck', error: reportOf(error) };
}
