/** Where does a simulated world take its chances from? One seeded stream, so that a seed is a world. */

export interface Chance {
  /** In [0, 1). */
  readonly next: () => number;
  /** Whether something of this probability happens. */
  readonly happens: (probability: number) => boolean;
  /** A whole number in [low, high]. */
  readonly within: (low: number, high: number) => number;
  readonly pick: <T>(items: readonly T[]) => T;
}

/** Tommy Ettinger's mulberry32, public domain. */
export function chanceOf(seed: number): Chance {
  let state = (seed ^ 0x9e3779b9) >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const within = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    next,
    happens: (probability) => next() < probability,
    within,
    pick: (items) => items[within(0, items.length - 1)] as (typeof items)[number],
  };
}
