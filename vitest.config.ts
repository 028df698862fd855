import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { isFresh } from './test/setup/build.ts';
import { compiledEntries } from './test/setup/compiled-entries.ts';
import { LongestFirst } from './test/setup/longest-first.ts';

const cores = availableParallelism();

/** Tests whose processes mostly wait for leases and deadlines: their own, over a Redis. */
const processes = ['test/**/*.redis.test.ts', 'test/faults/*.test.ts'];

/** Tests of what is pure: they may share a process, which spares each the loading of what all of them load. */
const pure = ['test/{kernels,partition}/**/!(*.gpu).test.ts'];

const plugins = isFresh() ? [compiledEntries()] : [];

const common = {
  testTimeout: 120_000,
  hookTimeout: 240_000,
  expect: { poll: { timeout: 10_000 } },
  pool: 'forks',
} as const;

/** Three at a time also on two cores: threads that start, commands that are run, and GPUs that hang are waited for. */
const computing = Math.max(3, cores - 1);

export default defineConfig({
  test: {
    globalSetup: 'test/setup/global-setup.ts',
    sequence: { sequencer: LongestFirst },
    projects: [
      // One after the other: what computes all the time would keep the first from their deadlines.
      {
        plugins,
        test: {
          ...common,
          name: 'processes',
          include: processes,
          maxWorkers: Math.max(4, cores),
          sequence: { groupOrder: 0 },
        },
      },
      {
        plugins,
        test: {
          ...common,
          name: 'pure',
          include: pure,
          isolate: false,
          maxWorkers: computing,
          sequence: { groupOrder: 1 },
        },
      },
      {
        plugins,
        test: {
          ...common,
          name: 'rest',
          include: ['test/**/*.test.ts'],
          exclude: [...processes, ...pure],
          maxWorkers: computing,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
