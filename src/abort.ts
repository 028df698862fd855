/** How is a task waited for no longer than somebody wants what it comes to? */

/** What a task comes to, or the signal's reason at once; what the task comes to later is let go. */
export async function unlessAborted<T>(task: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = (): void => reject(signal.reason);
  });
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  try {
    return await Promise.race([task, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
