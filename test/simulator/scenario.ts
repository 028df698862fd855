/** What happens in the world of a seed? Who works on what, what goes wrong and when, and how it should end. */

import { type Rules, watchful } from '../../src/coordinator/rules.ts';
import type { LeafName } from '../../src/protocol.ts';
import { type Chance, chanceOf } from './chance.ts';
import type { JobShape } from './job.ts';
import { type Muteness, mutenessOf } from './muteness.ts';
import { type TimedTrouble, troublesOf } from './troubles.ts';

/** What a worker is like. */
export interface WorkerNature {
  readonly answers: 'broken' | 'honest' | 'lies';
  readonly slowness: number;
  readonly version: string;
  readonly numerics: string;
  /** A leaf that kills it, and whether it can say so; and one that is not finite wherever it is computed; null: none. */
  readonly poison: { readonly leaf: LeafName; readonly told: boolean } | null;
  readonly faulty: LeafName | null;
  /** What it keeps to itself; null: nothing. */
  readonly muteness: Muteness | null;
  /** When it comes. */
  readonly startMs: number;
}

export type Kind =
  | 'broken'
  | 'cancel'
  | 'chaos'
  | 'data'
  | 'honest'
  | 'liar'
  | 'mute'
  | 'outage'
  | 'poison'
  | 'quiet';

export interface Scenario {
  readonly kind: Kind;
  readonly job: JobShape;
  readonly rules: Rules;
  readonly workers: readonly WorkerNature[];
  readonly seatsMax: number;
  readonly coordinators: number;
  readonly troubles: readonly TimedTrouble[];
  /** How long a leaf takes at least and at most, where nothing slows it down. */
  readonly leafMs: readonly [least: number, most: number];
}

type Range = readonly [least: number, most: number];

/** What the worlds of one kind have in common. */
interface Climate {
  /** How often it comes in every 25 seeds. */
  readonly share: number;
  readonly shards: Range;
  readonly iterationsMax: number;
  readonly workers: Range;
  /** How long the fastest leaf takes, and how many times as long the slowest at most. */
  readonly leafMs: Range;
  readonly leafSpread: number;
  readonly rules: Partial<Rules>;
}

const fair: Omit<Climate, 'share'> = {
  shards: [2, 9],
  iterationsMax: 3,
  workers: [1, 4],
  leafMs: [10, 150],
  leafSpread: 4,
  rules: {},
};

/** Those who judge are there, and nobody is in a hurry. */
const patience: Partial<Rules> = { seatsMin: 3, auditMs: Infinity, voteMs: Infinity, silentMs: Infinity };

const climates: Readonly<Record<Kind, Climate>> = {
  quiet: { ...fair, share: 2 },
  honest: { ...fair, share: 7 },
  mute: {
    ...fair,
    share: 4,
    shards: [2, 6],
    workers: [2, 5],
    rules: { stragglerMs: 500, stragglerBlindMs: 3000 },
  },
  chaos: { ...fair, share: 1, workers: [3, 4], leafMs: [30, 450] },
  // A leaf for each, which takes longer than the next outage is away.
  outage: { ...fair, share: 2, shards: [3, 3], workers: [3, 3], leafMs: [900, 1200] },
  // Liars are caught for certain only where every leaf is computed twice.
  liar: {
    share: 3,
    shards: [4, 9],
    iterationsMax: 2,
    workers: [4, 4],
    leafMs: [20, 60],
    leafSpread: 2,
    rules: { ...patience, auditShare: 1 },
  },
  broken: {
    ...fair,
    share: 2,
    workers: [4, 4],
    rules: { ...patience, stragglerMs: 500, stragglerBlindMs: 3000 },
  },
  data: { ...fair, share: 1 },
  poison: { ...fair, share: 2, workers: [3, 4] },
  cancel: { ...fair, share: 1 },
};

const kinds = Object.keys(climates) as readonly Kind[];
const calendar = kinds.flatMap((kind) => Array.from({ length: climates[kind].share }, () => kind));

export function scenarioOf(seed: number): { readonly scenario: Scenario; readonly chance: Chance } {
  const chance = chanceOf(seed);
  // 7 and 25 have no common divisor: neighbours differ.
  const kind = calendar[(seed * 7) % calendar.length] ?? 'honest';
  const { shards, iterationsMax, workers, leafMs, leafSpread, rules } = climates[kind];
  const job: JobShape = {
    shards: among(chance, shards),
    phases: chance.happens(0.4) ? 2 : 1,
    iterations: chance.within(1, iterationsMax),
  };
  const count = kind === 'mute' && isCrowd(job) ? chance.within(5, 6) : among(chance, workers);
  const least = among(chance, leafMs);
  const scenario: Scenario = {
    kind,
    job,
    rules: { ...watchful, version: '1', tickMs: 250, checkpointMs: 1500, auditShare: 0.1, ...rules },
    workers: Array.from({ length: count }, (_, w) => natureOf(chance, kind, w, job)),
    seatsMax: seatsOf(chance, kind, count),
    coordinators: 2,
    troubles: troublesOf(chance, kind, count),
    leafMs: [least, least * chance.within(1, leafSpread)],
  };
  return { scenario, chance };
}

function among(chance: Chance, [least, most]: Range): number {
  return least === most ? least : chance.within(least, most);
}

/** The dead hold their seats until their leases lapse; where workers die all the time, there are enough for the living, too. */
function seatsOf(chance: Chance, kind: Kind, count: number): number {
  if (kind === 'chaos' || kind === 'outage') return 4 * count;
  // Here the mute may hold all that there are.
  if (kind === 'mute') return chance.within(Math.max(1, count - 2), count);
  const trusting = kind === 'liar' || kind === 'broken';
  return trusting ? count : chance.within(Math.max(1, count - 1), count + 1);
}

function natureOf(chance: Chance, kind: Kind, w: number, job: JobShape): WorkerNature {
  const plain: WorkerNature = {
    answers: 'honest',
    slowness: 1,
    version: '1',
    numerics: 'reference/f64',
    poison: null,
    faulty: null,
    muteness: null,
    startMs: 0,
  };
  switch (kind) {
    case 'broken':
      // Two who can tell are enough: the third may be mute, asked or not.
      if (w === 3 && chance.happens(0.4)) return { ...plain, muteness: mutenessOf(chance, job) };
      return { ...plain, answers: w === 0 ? 'broken' : 'honest' };
    case 'data':
      return { ...plain, faulty: job.shards - 1 };
    case 'liar':
      // A liar is fast: its answers wait to be compared, and it may be gone and back before they are.
      return w === 0 ? { ...plain, answers: 'lies' } : { ...plain, slowness: chance.within(15, 35) };
    case 'mute':
      return { ...plain, ...muteOrNot(chance, w, job) };
    case 'poison':
      return { ...plain, poison: { leaf: job.shards - 1, told: job.shards % 2 === 0 } };
    case 'chaos':
    case 'outage':
    case 'quiet':
      return plain;
    case 'cancel':
    case 'honest':
      return { ...plain, ...oddity(chance, w), startMs: startOf(chance) };
  }
}

function startOf(chance: Chance): number {
  return chance.happens(0.3) ? chance.within(0, 6000) : 0;
}

/** The second is mute, others may be; the first is not, so that somebody may answer, and comes last to a crowd of them. */
function muteOrNot(chance: Chance, w: number, job: JobShape): Partial<WorkerNature> {
  const crowd = isCrowd(job);
  if (w === 0) return { startMs: crowd ? chance.within(500, 4000) : startOf(chance) };
  const muteness = w === 1 || crowd || chance.happens(0.6) ? mutenessOf(chance, job) : null;
  return { muteness, startMs: crowd ? 0 : startOf(chance) };
}

/** Where there are few leaves, all but the first are mute, and there are more of them than leaves. */
function isCrowd({ shards }: JobShape): boolean {
  return shards <= 3;
}

/** Somebody may be slow, old or of another kind; the first is none of it, so that somebody may sit, and is fast. */
function oddity(chance: Chance, w: number): Partial<WorkerNature> {
  const odd = chance.next();
  if (w === 0 || odd > 0.3) return {};
  if (odd < 0.15) return { slowness: chance.within(10, 40) };
  return odd < 0.22 ? { version: '0' } : { numerics: 'wasm/f32' };
}
