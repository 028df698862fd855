/** What goes wrong in a world of each kind, and when? */
import type { Chance } from './chance.ts';
import type { Kind } from './scenario.ts';

export type Trouble =
  | { readonly kind: 'cancel' | 'empty' }
  | {
      readonly kind: 'crash' | 'cut' | 'freeze';
      readonly whom: 'coordinator' | 'worker';
      readonly which: number;
      readonly ms: number;
    }
  | { readonly kind: 'drain'; readonly which: number }
  /** There are so many seats more. */
  | { readonly kind: 'room'; readonly seats: number };

export interface TimedTrouble {
  readonly atMs: number;
  readonly trouble: Trouble;
}

/** No trouble begins later; in chaos, none that is a worker’s death. */
const troubleUntilMs = 6000;
const deathsUntilMs = 40_000;

/** @param count - how many workers there are */
export function troublesOf(chance: Chance, kind: Kind, count: number): readonly TimedTrouble[] {
  const at = (trouble: Trouble): TimedTrouble => ({ atMs: chance.within(50, troubleUntilMs), trouble });
  switch (kind) {
    case 'broken':
      return [...honestTroubles(chance, count).filter(spares(0)).map(at), ...changeOfSeats(chance)];
    case 'cancel':
      return [...honestTroubles(chance, count).map(at), at({ kind: 'cancel' })];
    case 'chaos':
      return deaths(chance, count);
    case 'data':
      return interregna(chance).map(at);
    case 'honest':
      return honestTroubles(chance, count).map(at);
    case 'liar':
      return [...interregna(chance).map(at), ...changeOfSeats(chance)];
    case 'mute':
      return [
        ...interregna(chance).map(at),
        ...upToTwo(chance, () => workerTrouble(chance, count)).map(at),
        roomFor(chance, count),
      ];
    case 'outage':
      return outages(chance, count);
    case 'poison':
    case 'quiet':
      return [];
  }
}

function honestTroubles(chance: Chance, workers: number): readonly Trouble[] {
  return Array.from({ length: chance.within(1, 8) }, () =>
    chance.happens(0.5) ? coordinatorTrouble(chance) : workerTrouble(chance, workers),
  );
}

/** Where all seats are taken by workers that answer nothing, nobody is to blame that nothing goes on: until there are more. */
function roomFor(chance: Chance, seats: number): TimedTrouble {
  return { atMs: chance.within(6000, 12_000), trouble: { kind: 'room', seats } };
}

/** In another life a broken worker is another worker to everyone: two witnesses that agree. */
function spares(which: number): (trouble: Trouble) => boolean {
  return (trouble) => !(trouble.kind === 'crash' && trouble.whom === 'worker' && trouble.which === which);
}

/** Nobody who could tell right from wrong goes away. */
function interregna(chance: Chance): readonly Trouble[] {
  return upToTwo(chance, () => coordinatorTrouble(chance));
}

function upToTwo(chance: Chance, one: () => Trouble): readonly Trouble[] {
  return Array.from({ length: chance.within(0, 2) }, one);
}

/** Perhaps the first worker changes seats, so that its answers are those of a seat that is gone. */
function changeOfSeats(chance: Chance): readonly TimedTrouble[] {
  const atMs = chance.within(800, 1600);
  switch (chance.happens(0.75) ? 'restart' : chance.pick(['interregnum', 'never'] as const)) {
    case 'interregnum':
      return interregnum(chance, atMs);
    case 'never':
      return [];
    case 'restart':
      return restart(chance, atMs);
  }
}

function drain(which: number): Trouble {
  return { kind: 'drain', which };
}

/** It does while nobody has the run: whoever takes it over has not seen it on its first seat. */
function interregnum(chance: Chance, atMs: number): readonly TimedTrouble[] {
  const crash = (which: number): Trouble => {
    return { kind: 'crash', whom: 'coordinator', which, ms: chance.within(500, 3000) };
  };
  return [
    { atMs, trouble: crash(0) },
    { atMs, trouble: crash(1) },
    { atMs: atMs + chance.within(100, 2500), trouble: drain(0) },
  ];
}

/** All do, it first: when it is back, those who were to compare its answers leave, one soon after the other. */
function restart(chance: Chance, atMs: number): readonly TimedTrouble[] {
  const othersMs = atMs + chance.within(600, 1500);
  const others = [1, 2, 3].map((which) => ({
    atMs: othersMs + chance.within(0, 900),
    trouble: drain(which),
  }));
  return [{ atMs, trouble: drain(0) }, ...others];
}

/** Workers die all the time, each for a reason of its own. */
function deaths(chance: Chance, workers: number): readonly TimedTrouble[] {
  const troubles: TimedTrouble[] = [];
  for (let atMs = 300; atMs < deathsUntilMs; atMs += chance.within(200, 900)) {
    const which = chance.within(0, workers - 1);
    troubles.push({ atMs, trouble: { kind: 'crash', whom: 'worker', which, ms: chance.within(100, 900) } });
  }
  return troubles;
}

/** The power fails at once for all, each time when others have just been given what the dead were at. */
function outages(chance: Chance, workers: number): readonly TimedTrouble[] {
  const troubles: TimedTrouble[] = [];
  let atMs = chance.within(1000, 1500);
  for (let left = chance.within(3, 5); left > 0; left--) {
    for (let which = 0; which < workers; which++) {
      troubles.push({ atMs, trouble: { kind: 'crash', whom: 'worker', which, ms: chance.within(100, 500) } });
    }
    atMs += chance.within(2400, 3000);
  }
  return troubles;
}

function coordinatorTrouble(chance: Chance): Trouble {
  if (chance.happens(0.2)) return { kind: 'empty' };
  const kind = chance.pick(['crash', 'freeze', 'cut'] as const);
  return { kind, whom: 'coordinator', which: chance.within(0, 1), ms: chance.within(500, 7000) };
}

function workerTrouble(chance: Chance, workers: number): Trouble {
  const which = chance.within(0, workers - 1);
  if (chance.happens(0.15)) return { kind: 'drain', which };
  const kind = chance.pick(['crash', 'freeze', 'cut'] as const);
  return { kind, whom: 'worker', which, ms: chance.within(200, 6000) };
}
