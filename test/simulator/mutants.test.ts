import { describe, expect, it } from 'vitest';
import { mutants } from './mutants.ts';
import { simulate } from './world.ts';

/** The first world that goes wrong under a bug; null: none of so many does. */
async function caughtBy(name: string, seeds: number): Promise<number | null> {
  for (let seed = 1; seed <= seeds; seed++) {
    const { breaches } = await simulate(seed, mutants[name]);
    if (breaches.length > 0) return seed;
  }
  return null;
}

describe('a bug in the protocol is caught within 50 worlds', () => {
  it.each(Object.keys(mutants))('%s', async (name) => {
    expect(await caughtBy(name, 50)).not.toBeNull();
  });
});
