/**
 * What does a coordinator cost beside the exchange? The one of production, with its rules for workers that come, go and fail,
 * audits included, carries a run whose workers answer at once.
 */
import { coordinate, inOneProcess } from '../src/coordinator/coordinator.ts';
import type { Course, Leg } from '../src/coordinator/course.ts';
import { watchful } from '../src/coordinator/rules.ts';
import type { Desk } from '../src/exchange/exchange.ts';
import { loadJob } from '../src/job/load.ts';
import type { JobObject } from '../src/job/schema.ts';
import { logTo } from '../src/log.ts';
import { prepare } from '../src/prepare.ts';
import { version } from '../src/version.ts';

export interface Carried {
  readonly shards: number;
  /** Doubles of one answer's gradient; even. */
  readonly length: number;
  readonly seats: number;
  readonly warmUp: number;
  readonly iterations: number;
  /** Called when the warm-up is over. */
  readonly onWarm: () => Promise<void>;
}

/** Milliseconds each iteration took, from commit to commit. */
export async function carried(
  desk: Desk,
  { shards: count, length, seats, warmUp, iterations, onWarm }: Carried,
): Promise<number[]> {
  const object: JobObject = {
    name: 'crowd',
    sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, rows: length / 2 },
    tracers: { x: { uniform: [-1, 1], dim: 2, seed: 2 }, rows: count },
    loss: 'mean(i, sum(j, exp(-sqdist(x, q[j]))))',
    gradient: ['q'],
    shards: count,
  };
  const { program, grid, times, shards, fields } = await prepare(await loadJob({ object }));
  const last = warmUp + iterations - 1;
  const legAt = (number: number): Leg => {
    const moved = [...fields].map(
      ([name, array]) => [name, array.map((x) => x * (1 + number * 1e-3))] as const,
    );
    return { number, fields: new Map(moved), last: number === last };
  };
  let number = 0;
  const course: Course = {
    begin: legAt(0),
    next: async () => {
      if (number === warmUp - 1) await onWarm();
      number += 1;
      return number > last ? null : legAt(number);
    },
    record: () => null,
  };
  const commits: number[] = [];
  await coordinate({
    ...inOneProcess,
    desk,
    program,
    grid,
    times,
    course,
    shards,
    rows: { gradient: [], final: false, trajectory: [], values: false },
    rules: { ...watchful, version, seatsMin: seats },
    retain: true,
    log: logTo('error'),
    onProgress: () => {},
    onCommit: () => commits.push(performance.now()),
    signal: new AbortController().signal,
  });
  return commits.slice(warmUp).map((at, n) => at - (commits[warmUp - 1 + n] ?? at));
}
