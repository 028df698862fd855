import { setTimeout as after } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { quietPolling } from '../../../../src/worker/engine/dawn/polling.ts';

/** Timers of a process whose GPU is waited for: a native callback that asks for the next poll from within. */
function waiting(): {
  readonly polls: () => number;
  readonly wait: (ms: number) => Promise<void>;
  readonly timers: { setImmediate: typeof setImmediate; readonly setTimeout: typeof setTimeout };
} {
  const timers = { setImmediate: globalThis.setImmediate, setTimeout: globalThis.setTimeout };
  let polls = 0;
  const wait = async (ms: number): Promise<void> => {
    const end = performance.now() + ms;
    // A bound function has no source to print, as a native one.
    const poll = ((): void => {
      polls += 1;
      if (performance.now() < end) timers.setImmediate(poll);
    }).bind(null);
    timers.setImmediate(poll);
    await after(ms + 20);
  };
  return { polls: () => polls, wait, timers };
}

describe('polling for a GPU', () => {
  test('is as fast as the event loop without help', async () => {
    const { polls, wait } = waiting();
    await wait(200);
    expect(polls()).toBeGreaterThan(500);
  });

  test('is eager for a few milliseconds, then every one or two', async () => {
    const { polls, wait, timers } = waiting();
    quietPolling(timers);
    await wait(300);
    const first = polls();
    expect(first).toBeLessThan(20_000);
    await wait(3);
    // The next wait is eager again: far more polls than one every two milliseconds.
    expect(polls() - first).toBeGreaterThan(5);
  });

  test('leaves callbacks of JavaScript alone', async () => {
    const { timers } = waiting();
    quietPolling(timers);
    const said = await new Promise((resolve) => {
      timers.setImmediate((word: string) => resolve(word), 'hello');
    });
    expect(said).toBe('hello');
  });
});
