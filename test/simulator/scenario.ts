/** What happens in the world of a seed? Who works on what, what goes wrong and when, and how it should end. */

import { type Rules, watchful } from '../../src/coordinator/rules.ts';
import type { LeafName } from '../../src/protocol.ts';
import { type Chance, chanceOf } from './chance.ts';
import type { JobShape } from './job.ts';

/** What a worker is like. */
export interface WorkerNature {
  readonly answers: 'broken' | 'honest' | 'lies';
  readonly slowness: number;
  readonly version: string;
  readonly numerics: string;
  /** A leaf that kills it, and whether it can say so; and one that is not finite wherever it is computed; null: none. */
  readonly poison: { readonly leaf: LeafName; readonly told: boolean } | null;
  readonly faulty: LeafName | null;
  /** When it comes. */
  readonly startMs: number;
}

export type Trouble =
  | { readonly kind: 'cancel' | 'empty' }
  | {
      readonly kind: 'crash' | 'cut' | 'freeze';
      readonly whom: 'coordinator' | 'worker';
      readonly which: number;
      readonly ms: number;
    }
  | { readonly kind: 'drain'; readonly which: number };

export interface Scenario {
  readonly kind: 'broken' | 'cancel' | 'chaos' | 'data' | 'honest' | 'liar' | 'poison' | 'quiet';
  readonly job: JobShape;
  readonly rules: Rules;
  readonly workers: readonly WorkerNature[];
  readonly seatsMax: number;
  readonly coordinators: number;
  readonly troubles: readonly { readonly atMs: number; readonly trouble: Trouble }[];
  /** How long a leaf takes at least and at most, where nothing slows it down. */
  readonly leafMs: readonly [least: number, most: number];
}

/** How often each kind of world comes in every 25 seeds. */
const kinds: readonly (readonly [Scenario['kind'], number])[] = [
  ['quiet', 2],
  ['honest', 12],
  ['chaos', 2],
  ['liar', 3],
  ['broken', 2],
  ['data', 1],
  ['poison', 2],
  ['cancel', 1],
];

/** No trouble begins later; in chaos, none that is a worker’s death. */
const troubleUntilMs = 6000;
const deathsUntilMs = 40_000;

export function scenarioOf(seed: number): { readonly scenario: Scenario; readonly chance: Chance } {
  const chance = chanceOf(seed);
  const kind = kindOf(seed);
  const job: JobShape = {
    shards: chance.within(2, 9),
    phases: chance.happens(0.4) ? 2 : 1,
    iterations: chance.within(1, kind === 'liar' ? 2 : 3),
  };
  const trusting = kind === 'liar' || kind === 'broken';
  const count = trusting ? 4 : chance.within(kind === 'poison' || kind === 'chaos' ? 3 : 1, 4);
  const least = leastMs(chance, kind);
  const scenario: Scenario = {
    kind,
    job,
    rules: rulesOf(kind),
    workers: Array.from({ length: count }, (_, w) => natureOf(chance, kind, w, job)),
    seatsMax: seatsOf(chance, kind, count),
    coordinators: 2,
    troubles: troublesOf(chance, kind, count),
    leafMs: [least, least * chance.within(1, 4)],
  };
  return { scenario, chance };
}

function leastMs(chance: Chance, kind: Scenario['kind']): number {
  if (kind === 'liar') return chance.within(20, 60);
  return chance.within(10, 150) * (kind === 'chaos' ? 3 : 1);
}

/** The dead hold their seats until their leases lapse; where workers die all the time, there are enough for the living, too. */
function seatsOf(chance: Chance, kind: Scenario['kind'], count: number): number {
  if (kind === 'chaos') return 4 * count;
  const trusting = kind === 'liar' || kind === 'broken';
  return trusting ? count : chance.within(Math.max(1, count - 1), count + 1);
}

function kindOf(seed: number): Scenario['kind'] {
  const all = kinds.flatMap(([kind, count]) => Array.from({ length: count }, () => kind));
  // 7 and 25 have no common divisor: neighbours differ.
  return all[(seed * 7) % all.length] ?? 'honest';
}

/** Liars are caught for certain only where every leaf is computed twice, and nobody is in a hurry. */
function rulesOf(kind: Scenario['kind']): Rules {
  const rules: Rules = { ...watchful, version: '1', tickMs: 250, checkpointMs: 1500, auditShare: 0.1 };
  const patience = { seatsMin: 3, auditMs: Infinity, voteMs: Infinity, silentMs: Infinity };
  switch (kind) {
    case 'broken':
      return { ...rules, ...patience };
    case 'liar':
      return { ...rules, ...patience, auditShare: 1 };
    case 'cancel':
    case 'chaos':
    case 'data':
    case 'honest':
    case 'poison':
    case 'quiet':
      return rules;
  }
}

function natureOf(chance: Chance, kind: Scenario['kind'], w: number, job: JobShape): WorkerNature {
  const plain: WorkerNature = {
    answers: 'honest',
    slowness: 1,
    version: '1',
    numerics: 'reference/f64',
    poison: null,
    faulty: null,
    startMs: 0,
  };
  switch (kind) {
    case 'broken':
      return { ...plain, answers: w === 0 ? 'broken' : 'honest' };
    case 'data':
      return { ...plain, faulty: job.shards - 1 };
    case 'liar':
      // A liar is fast: its answers wait to be compared, and it may be gone and back before they are.
      return w === 0 ? { ...plain, answers: 'lies' } : { ...plain, slowness: chance.within(8, 25) };
    case 'poison':
      return { ...plain, poison: { leaf: job.shards - 1, told: job.shards % 2 === 0 } };
    case 'chaos':
    case 'quiet':
      return plain;
    case 'cancel':
    case 'honest':
      return { ...plain, ...oddity(chance, w), startMs: chance.happens(0.3) ? chance.within(0, 6000) : 0 };
  }
}

/** Somebody may be slow, old or of another kind; the first is none of it, so that somebody may sit, and is fast. */
function oddity(chance: Chance, w: number): Partial<WorkerNature> {
  const odd = chance.next();
  if (w === 0 || odd > 0.3) return {};
  if (odd < 0.15) return { slowness: chance.within(10, 40) };
  return odd < 0.22 ? { version: '0' } : { numerics: 'wasm/f32' };
}

function troublesOf(chance: Chance, kind: Scenario['kind'], count: number): Scenario['troubles'] {
  const at = <T extends Trouble>(trouble: T): { readonly atMs: number; readonly trouble: T } => ({
    atMs: chance.within(50, troubleUntilMs),
    trouble,
  });
  switch (kind) {
    case 'poison':
    case 'quiet':
      return [];
    case 'broken':
      return [...honestTroubles(chance, count).map(at), ...changeOfSeats(chance)];
    case 'data':
      return interregna(chance).map(at);
    case 'liar':
      return [...interregna(chance).map(at), ...changeOfSeats(chance)];
    case 'chaos':
      return deaths(chance, count);
    case 'cancel':
      return [...honestTroubles(chance, count).map(at), at({ kind: 'cancel' })];
    case 'honest':
      return honestTroubles(chance, count).map(at);
  }
}

function honestTroubles(chance: Chance, workers: number): readonly Trouble[] {
  return Array.from({ length: chance.within(1, 8) }, () =>
    chance.happens(0.5) ? coordinatorTrouble(chance) : workerTrouble(chance, workers),
  );
}

/** Nobody who could tell right from wrong goes away. */
function interregna(chance: Chance): readonly Trouble[] {
  return Array.from({ length: chance.within(0, 2) }, () => coordinatorTrouble(chance));
}

/** Perhaps the first worker changes seats, so that its answers are those of a seat that is gone. */
function changeOfSeats(chance: Chance): Scenario['troubles'] {
  const atMs = chance.within(300, 1500);
  switch (chance.pick(['interregnum', 'never', 'restart', 'restart'] as const)) {
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
function interregnum(chance: Chance, atMs: number): Scenario['troubles'] {
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
function restart(chance: Chance, atMs: number): Scenario['troubles'] {
  const othersMs = atMs + chance.within(600, 1500);
  const others = [1, 2, 3].map((which) => ({
    atMs: othersMs + chance.within(0, 900),
    trouble: drain(which),
  }));
  return [{ atMs, trouble: drain(0) }, ...others];
}

/** Workers die all the time, each for a reason of its own. */
function deaths(chance: Chance, workers: number): Scenario['troubles'] {
  const troubles: { atMs: number; trouble: Trouble }[] = [];
  for (let atMs = 300; atMs < deathsUntilMs; atMs += chance.within(200, 900)) {
    const which = chance.within(0, workers - 1);
    troubles.push({ atMs, trouble: { kind: 'crash', whom: 'worker', which, ms: chance.within(100, 900) } });
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
