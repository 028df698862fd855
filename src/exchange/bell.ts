/**
 * How does one wait for something to happen? At a bell: a ring wakes everyone who waits.
 */

interface Waiter {
  readonly wake: () => void;
  readonly fail: (reason: unknown) => void;
}

export class Bell {
  readonly #waiters = new Set<Waiter>();
  #closed: { readonly reason: unknown } | null = null;

  ring(): void {
    for (const { wake } of this.#waiters) wake();
  }

  /** Whoever waits, now or later, is told that nothing will happen any more. */
  close(reason: unknown): void {
    this.#closed ??= { reason };
    for (const { fail } of this.#waiters) fail(reason);
  }

  /** Resolves at the next ring, or after `timeoutMs`; rejects with the signal's reason when it aborts first. */
  wait(signal: AbortSignal, timeoutMs: number | null = null): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#closed !== null) return Promise.reject(this.#closed.reason);
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.#waiters.delete(waiter);
        signal.removeEventListener('abort', onAbort);
        if (timer !== null) clearTimeout(timer);
      };
      const wake = (): void => {
        settle();
        resolve();
      };
      const fail = (reason: unknown): void => {
        settle();
        reject(reason);
      };
      const waiter = { wake, fail };
      const onAbort = (): void => fail(signal.reason);
      const timer = timeoutMs === null ? null : setTimeout(wake, timeoutMs);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.add(waiter);
    });
  }
}
