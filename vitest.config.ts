import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/setup/global-setup.ts',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Tests of processes mostly wait for them: two at a time, also on two cores, where one is the default.
    maxWorkers: Math.max(2, availableParallelism() - 1),
  },
});
