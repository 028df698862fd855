/**
 * What does a run cost with the coordinator of production, its rules for workers that come, go and fail, audits included? It
 * carries one whose sources move a little from one evaluation to the next.
 */
import { coordinate, inOneProcess } from '../src/coordinator/coordinator.ts';
import type { Course, Leg } from '../src/coordinator/course.ts';
import { watchful } from '../src/coordinator/rules.ts';
import type { Desk } from '../src/exchange/exchange.ts';
import { logTo } from '../src/log.ts';
import type { Prepared } from '../src/prepare.ts';
import { version } from '../src/version.ts';

export interface Carried {
  /** One: a worker of the same process, with the rules for one. */
  readonly seats: number;
  /** Evaluations that are left out, and those that are measured. */
  readonly warmUp: number;
  readonly iterations: number;
  /** Called when the warm-up is over. Default: nobody. */
  readonly onWarm?: () => Promise<void>;
}

/** Milliseconds each iteration took, from commit to commit. */
export async function carried(
  desk: Desk,
  { program, grid, times, shards, fields }: Prepared,
  { seats, warmUp, iterations, onWarm = async (): Promise<void> => {} }: Carried,
): Promise<number[]> {
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
    ...(seats > 1 ? { rules: { ...watchful, version, seatsMin: seats }, retain: true } : {}),
    log: logTo('error'),
    onProgress: () => {},
    onCommit: () => commits.push(performance.now()),
    signal: new AbortController().signal,
  });
  return commits.slice(warmUp).map((at, n) => at - (commits[warmUp - 1 + n] ?? at));
}
