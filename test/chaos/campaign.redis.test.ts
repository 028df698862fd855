/** A short campaign from a fixed seed; the long ones are `npm run chaos`. */
import { beforeAll, expect, test } from 'vitest';
import { built } from '../cli/skewflow.ts';
import { describeWithRedis } from '../setup/describe-with.ts';
import { campaign } from './campaign.ts';

beforeAll(built);

describeWithRedis('a campaign of faults', () => {
  test('leaves every run with the bytes of `run`', { timeout: 120_000 }, async () => {
    const { runs, different, hit } = await campaign({
      seed: 4,
      faults: 5,
      iterations: 100,
      secondsMax: 15,
      say: () => {},
    });
    expect(different).toEqual([]);
    expect(runs).toBeGreaterThan(0);
    expect(hit.size).toBeGreaterThan(0);
  });
});
