/**
 * How does a process wait for a GPU without burning a core? While a promise of the GPU is pending, Dawn asks its queue again in
 * every turn of the event loop, by `setImmediate` with a native callback. Those calls, and no others, are slowed down.
 *
 * A wait is polled at full speed while it is short, since a job of milliseconds is a few of them and a poll that comes late is
 * what the user waits for; then every millisecond or two.
 * (Measured on a wait of 1.75 s: 1750 ms of processor time before, 20 ms after.)
 */

/** A wait is polled at full speed for so long, then once a millisecond, and once it has proved long every other. */
const eagerMs = 16;
const longMs = 100;

interface Timers {
  setImmediate: typeof setImmediate;
  readonly setTimeout: typeof setTimeout;
}

const quieted = new WeakSet<object>();

/** Make the waits of these timers quiet. */
export function quietPolling(timers: Timers): void {
  if (quieted.has(timers)) return;
  quieted.add(timers);
  const original = timers.setImmediate;
  let since = 0;
  let polling = false;

  const paced = (callback: (...args: unknown[]) => void, ...args: unknown[]): unknown => {
    if (!isNative(callback)) return original(callback, ...args);
    // A poll asks for the next one from within; a call from elsewhere begins another wait.
    if (!polling) since = performance.now();
    const poll = (): void => {
      polling = true;
      try {
        callback(...args);
      } finally {
        polling = false;
      }
    };
    const waited = performance.now() - since;
    if (waited < eagerMs) return original(poll);
    return timers.setTimeout(poll, waited < longMs ? 1 : 2);
  };
  timers.setImmediate = Object.assign(paced, original) as typeof setImmediate;
}

function isNative(callback: unknown): boolean {
  return (
    typeof callback === 'function' && Function.prototype.toString.call(callback).includes('[native code]')
  );
}
