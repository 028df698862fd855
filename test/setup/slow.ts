/** Does an input keep a reader busy? However much it promises, no input of a fuzz may take longer than this. */
import { expect } from 'vitest';

/** A bound on work, a hundred times what inputs take. */
const slowMs = 50;

/** Reads an input; it is slow when it is slow every time: once or twice may have met the garbage collector or a busy machine. */
export function refuseSlow(read: () => void): void {
  const timed = (): number => {
    const began = performance.now();
    read();
    return performance.now() - began;
  };
  if (timed() < slowMs) return;
  expect(Math.min(...Array.from({ length: 5 }, timed))).toBeLessThan(slowMs);
}

/** As `refuseSlow`, of a reader that waits for something. */
export async function refuseSlowly(read: () => Promise<void>): Promise<void> {
  let least = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 6; tries++) {
    const began = performance.now();
    await read();
    least = Math.min(least, performance.now() - began);
    if (least < slowMs) return;
  }
  expect(least).toBeLessThan(slowMs);
}

/** Of the errors of a fuzz nobody reads the stacks, which cost it a sixth of its time; a counterexample says more. Undone by its result. */
export function traceNoStacks(): () => void {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  return () => {
    Error.stackTraceLimit = stackTraceLimit;
  };
}

/** No input may have given all objects a property. */
export function expectNothingPolluted(): void {
  const every: Record<string, unknown> = {};
  for (const name in every) expect.unreachable(`every object has ${name} now`);
  expect(Object.getOwnPropertyNames(Object.prototype)).toHaveLength(ofObjects);
}

const ofObjects = Object.getOwnPropertyNames(Object.prototype).length;
