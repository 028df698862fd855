/**
 * What happens when the disk is full? The work waits with the path in the log, and goes on when there is room.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isFull } from './folder.ts';

/** Between two tries; the disk of somebody who frees space by hand. */
const againMs = 1000;

/** Told once when the work begins to wait, with what the system says, and once (null) when it goes on. */
export type OnFull = (error: Error | null) => void;

/**
 * Do a task that may be done again, as often as it takes for there to be room.
 *
 * @throws what the task throws for another reason, and the signal's reason when it aborts while waiting
 */
export async function whenThereIsRoom<T>(
  task: () => Promise<T>,
  onFull: OnFull,
  signal: AbortSignal,
): Promise<T> {
  for (let waiting = false; ; waiting = true) {
    try {
      const done = await task();
      if (waiting) onFull(null);
      return done;
    } catch (error) {
      if (!isFull(error) || !(error instanceof Error)) throw error;
      if (!waiting) onFull(error);
      await sleep(againMs, undefined, { signal });
    }
  }
}
