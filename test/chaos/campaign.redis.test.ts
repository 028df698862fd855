/** A short campaign from a fixed seed; the long ones are `npm run chaos`. */
import { beforeAll, expect, test } from 'vitest';
import { built } from '../cli/skewflow.ts';
import { describeWithRedis } from '../setup/describe-with.ts';
import { campaign } from './campaign.ts';

beforeAll(built);

describeWithRedis('a campaign of faults', () => {
  test('hits work and leaves every run with the bytes of `run`', { timeout: 120_000 }, async () => {
    const { strikes, runs, different } = await campaign({
      seed: 4,
      faults: 3,
      perMinute: 90,
      size: { steps: 80, iterations: 6 },
      runs: 1,
      workers: 3,
      secondsMax: 60,
      say: () => {},
    });
    expect(different).toEqual([]);
    expect(runs).toBeGreaterThan(0);
    expect(strikes.total).toBeGreaterThan(0);
  });
});
