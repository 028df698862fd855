/**
 * What is computed in a simulated world? Numbers that are no sums of powers of two, so that an order of summation, a lost leaf
 * or a leaf that is counted twice shows in the bits; and each iteration is at a point that the one before led to.
 */
import type { Coordination } from '../../src/coordinator/coordinator.ts';
import type { Course, Leg } from '../../src/coordinator/course.ts';
import { digestOf } from '../../src/coordinator/given.ts';
import type { Grid, Program } from '../../src/kernels/sweep/program.ts';
import type { Entry } from '../../src/partition/adding.ts';
import { planShards } from '../../src/partition/plan.ts';
import { sumInTree } from '../../src/partition/tree.ts';
import type { Fault, Iteration, LeafName, LeafPartial, Phase } from '../../src/protocol.ts';
import type { WorkerNature } from './scenario.ts';

export interface JobShape {
  readonly shards: number;
  readonly phases: 1 | 2;
  readonly iterations: number;
}

/** As much of a program as a coordinator looks at: one sum over tracers, and in two phases a scalar function of it. */
export function programOf({ phases }: JobShape): Program {
  const term = { scalar: phases === 2 ? {} : null, rows: { by: ['sum'], linear: phases === 1 } };
  return { terms: [term], phases, wants: { any: true }, sources: null } as unknown as Program;
}

/** What workers add: whether h makes the loss of it is not theirs to know. */
export const entries: readonly Entry[] = [{ by: 'sum', linear: true }];

const grid = { times: Float64Array.of(0, 0.1), terms: [[{ sum: 0 }]] } as unknown as Grid;

export function coordinationOf(
  shape: JobShape,
): Pick<Coordination, 'grid' | 'program' | 'rows' | 'shards' | 'times'> {
  return {
    program: programOf(shape),
    grid,
    times: null,
    shards: planShards(256 * shape.shards, shape.shards),
    rows: { gradient: [], final: false, trajectory: [], values: false },
  };
}

/** In (0, 1), with all bits of a double in use. */
function numberOf(digest: string, leaf: LeafName, phase: Phase, k: number): number {
  let h =
    Number.parseInt(digest.slice(0, 8), 16) ^
    (leaf === 'sources' ? 9973 : leaf * 7919) ^
    (phase.length << 20);
  h = Math.imul(h ^ (h >>> 16) ^ (k * 101), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (((h ^ (h >>> 16)) >>> 0) + 1) / 4294967311 + leafScale(leaf);
}

/** Summands of different size make rounding depend on the order. */
function leafScale(leaf: LeafName): number {
  return leaf === 'sources' ? 1 / 3 : (leaf % 3) / 7;
}

/** The answer of a leaf: a pure function of the question, as it has to be. */
export function answerOf(digest: string, leaf: LeafName, phase: Phase): LeafPartial {
  const own = leaf === 'sources';
  const value = (k: number): number => numberOf(digest, leaf, phase, k);
  return {
    kind: 'partial',
    sums: own ? new Float64Array(0) : Float64Array.of(value(0)),
    winners: own ? new Float64Array(0) : Float64Array.of(-1),
    loss: own ? value(1) : 0,
    gradient: phase === 'gradient' ? Float64Array.of(value(2), value(3)) : new Float64Array(0),
    seeds: phase === 'head' ? Float64Array.of(value(4)) : null,
    sourceStates: null,
  };
}

const fault: Fault = { kind: 'non-finite', group: 'tracers', what: 'state', row: 3, step: 1 };

/** What a worker of this nature says: right, wrong by little, or not finite. */
export function saidOf(
  { answers, faulty }: Pick<WorkerNature, 'answers' | 'faulty'>,
  { parameterDigest, phase }: Pick<Iteration, 'parameterDigest' | 'phase'>,
  leaf: LeafName,
): Fault | LeafPartial {
  const right = answerOf(parameterDigest, leaf, phase);
  switch (faulty === leaf ? 'broken' : answers) {
    case 'broken':
      return fault;
    case 'honest':
      return right;
    case 'lies': {
      const [gradient, sums] = [
        right.gradient.map((x) => x * (1 + 2 ** -40)),
        right.sums.map((x) => x + 1e-9),
      ];
      return { ...right, gradient, sums };
    }
  }
}

// --- the course -------------------------------------------------------------------------------------------

interface Standing {
  readonly number: number;
  readonly point: readonly number[];
}

const start: Standing = { number: 0, point: [0.1, 0.7] };

/** So many iterations, each a step down the gradient. */
export function courseOf({ iterations }: JobShape, record: string | null): Course {
  let standing = record === null ? start : (JSON.parse(record) as Standing);
  return {
    begin: legAt(standing, iterations),
    next: async (outcome) => {
      if (outcome.kind === 'not-finite') throw new Error(outcome.error.message);
      if (standing.number + 1 === iterations) return null;
      standing = stepFrom(standing, outcome.gradient);
      return legAt(standing, iterations);
    },
    record: () => JSON.stringify(standing),
  };
}

function stepFrom({ number, point }: Standing, gradient: Float64Array): Standing {
  return { number: number + 1, point: point.map((x, k) => x - 0.1 * (gradient[k] ?? 0)) };
}

function legAt({ number, point }: Standing, iterations: number): Leg {
  return { number, fields: new Map([['p', Float64Array.from(point)]]), last: number + 1 === iterations };
}

// --- what it should come to -------------------------------------------------------------------------------

const known = new Map<string, readonly number[]>();

/** Loss and gradient without any fault, by nothing but the tree. */
export function expectedOf(shape: JobShape): readonly number[] {
  const key = JSON.stringify(shape);
  const result = known.get(key) ?? compute(shape);
  known.set(key, result);
  return result;
}

function compute(shape: JobShape): readonly number[] {
  let standing = start;
  for (;;) {
    const { fields, last } = legAt(standing, shape.iterations);
    const { loss, gradient } = shape.phases === 1 ? onePhase(shape, fields) : twoPhases(shape, fields);
    if (last) return [loss, ...gradient];
    standing = stepFrom(standing, gradient);
  }
}

type Fields = ReadonlyMap<string, Float64Array>;
type Result = { readonly loss: number; readonly gradient: Float64Array };

function onePhase({ shards }: JobShape, fields: Fields): Result {
  const digest = digestOf({ times: null, fields, sums: null, seeds: null });
  const parts = Array.from({ length: shards }, (_, leaf) => answerOf(digest, leaf, 'gradient'));
  return { loss: 0 + sumInTree(parts.map((p) => p.sums[0] as number)), gradient: gradientOf(parts) };
}

function twoPhases({ shards }: JobShape, fields: Fields): Result {
  const given = { times: null, fields, sums: null, seeds: null };
  const first = Array.from({ length: shards }, (_, leaf) => answerOf(digestOf(given), leaf, 'sums'));
  const sums = Float64Array.of(sumInTree(first.map((p) => p.sums[0] as number)));
  const withSums = { ...given, sums };
  const head = answerOf(digestOf(withSums), 'sources', 'head');
  const seeds = { values: head.seeds as Float64Array, winners: Float64Array.of(-1) };
  const last = digestOf({ ...withSums, seeds });
  const leaves: readonly LeafName[] = [...Array(shards).keys(), 'sources'];
  return { loss: head.loss, gradient: gradientOf(leaves.map((leaf) => answerOf(last, leaf, 'gradient'))) };
}

function gradientOf(parts: readonly LeafPartial[]): Float64Array {
  return Float64Array.of(
    sumInTree(parts.map((p) => p.gradient[0] as number)),
    sumInTree(parts.map((p) => p.gradient[1] as number)),
  );
}
