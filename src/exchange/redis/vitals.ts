/**
 * How is the store, and how much waits there? Asked by whoever measures a process, with commands that the ACL lets through.
 */
import type { Traffic } from '../exchange.ts';
import { queueStates, queues } from './keys.ts';
import type { Link } from './link.ts';
import { numberOf } from './script.ts';

export interface Vitals {
  /** How long Redis has been out of reach; 0: it is not. */
  readonly unreachableMs: () => number;
  /** From a PING to its answer, in milliseconds. */
  readonly roundTripMs: () => Promise<number>;
  /** Iterations, plans and answers that went over this link, in bytes. */
  readonly traffic: () => Traffic;
  /** Jobs of every queue in every state. */
  readonly depths: () => Promise<readonly Depth[]>;
}

export interface Depth {
  readonly queue: string;
  readonly state: string;
  readonly jobs: number;
}

export function vitalsOf(link: Link): Vitals {
  return {
    unreachableMs: () => link.unreachableMs,
    roundTripMs: async () => {
      const begun = performance.now();
      await link.call('PING');
      return performance.now() - begun;
    },
    traffic: () => link.traffic,
    depths: () =>
      Promise.all(
        Object.values(queues).flatMap((queue) =>
          Object.entries(queueStates).map(async ([state, { suffix, count }]) => {
            const jobs = numberOf(await link.call(count, link.keys.queue(queue, suffix)));
            return { queue, state, jobs };
          }),
        ),
      ),
  };
}
