import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const cores = availableParallelism();

/** Tests whose processes mostly wait for leases and deadlines: their own, over a Redis. */
const processes = ['test/**/*.redis.test.ts', 'test/faults/*.test.ts'];

const common = { testTimeout: 60_000, hookTimeout: 120_000, pool: 'forks' } as const;

export default defineConfig({
  test: {
    globalSetup: 'test/setup/global-setup.ts',
    projects: [
      // One after the other: what computes all the time would keep the first from their deadlines.
      {
        test: {
          ...common,
          name: 'processes',
          include: processes,
          maxWorkers: Math.max(4, cores),
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...common,
          name: 'rest',
          include: ['test/**/*.test.ts'],
          exclude: processes,
          // Two at a time also on two cores, where one is the default: commands that are run wait, too.
          maxWorkers: Math.max(2, cores - 1),
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
