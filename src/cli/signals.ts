/** What does Ctrl-C do? Once: the work stops cleanly and leaves nothing half-written. Twice: the process ends at once. */
import { exitCodes, isSkewflowError, SkewflowError } from '../errors.ts';

/**
 * Do `work` under a signal that SIGINT and SIGTERM abort.
 *
 * @param left - what a user should know of what was done until then
 * @throws AbortedError, `details.signal` naming the signal, when one ended the work
 */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  left = 'nothing was written',
): Promise<T> {
  const controller = new AbortController();
  let received: 'SIGINT' | 'SIGTERM' | null = null;
  const interrupt = (signal: 'SIGINT' | 'SIGTERM') => (): void => {
    if (received !== null) process.exit(signal === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated);
    received = signal;
    process.stderr.write(
      `${signal === 'SIGINT' ? '\ninterrupted' : 'terminated'}: stopping; once more to stop at once\n`,
    );
    controller.abort();
  };
  const [onInterrupt, onTerminate] = [interrupt('SIGINT'), interrupt('SIGTERM')];
  process.on('SIGINT', onInterrupt).on('SIGTERM', onTerminate);
  try {
    return await work(controller.signal);
  } catch (error) {
    const aborted = isSkewflowError(error, 'AbortedError') || controller.signal.aborted;
    if (!aborted) throw error;
    // Work that can be gone on with says so itself; a run that was told to end only says why.
    const { iteration, why } = isSkewflowError(error, 'AbortedError') ? error.details : {};
    const resumable = iteration !== undefined && why === undefined && error instanceof SkewflowError;
    throw new SkewflowError(
      'AbortedError',
      resumable ? error.message : `stopped; ${left}`,
      { signal: received },
      { cause: error },
    );
  } finally {
    process.off('SIGINT', onInterrupt).off('SIGTERM', onTerminate);
  }
}
