/**
 * What happens when the disk is full or fails, or the storage does not answer? The work waits with the path in the log, and goes on
 * when there is room, or an answer.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, isCodeOfFull, isSkewflowError, SkewflowError } from '../errors.ts';
import { unreachableCode } from '../objects/object-store.ts';

/** Between two tries; the disk of somebody who frees space by hand. */
const againMs = 1000;

/** Told once when the work begins to wait, with what the system says, and once (null) when it goes on. */
export type OnFull = (error: Error | null) => void;

/** Whether a write failed because there is no room; it may be taken up again when there is. */
export function isFull(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ('code' in at && isCodeOfFull(at.code)) return true;
  }
  return false;
}

/**
 * A failure of a disk below a root, as what it is to a run: nothing is wrong with the run, and later, or from another machine, the same
 * may succeed. Other errors as they are.
 */
export function asOutOfReach(error: unknown): unknown {
  if (!(error instanceof Error) || isSkewflowError(error, 'OutOfReachError')) return error;
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const code = codeOf(at);
    if ('syscall' in at && code !== null)
      return new SkewflowError('OutOfReachError', error.message, { code }, { cause: error });
  }
  return error;
}

/** Whether time alone may mend it. */
function mayPass(error: unknown): boolean {
  return isFull(error) || (isSkewflowError(error) && error.details['code'] === unreachableCode);
}

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
      if (!mayPass(error) || !(error instanceof Error)) throw error;
      if (!waiting) onFull(error);
      await sleep(againMs, undefined, { signal });
    }
  }
}
