/** Who gets the workers when several runs want them? First the run of the highest priority, then whichever has the fewest. */
import { beforeAll, expect, test } from 'vitest';
import { built } from '../cli/skewflow.ts';
import { startFleet } from '../fleet.ts';
import { describeWithRedis } from '../setup/describe-with.ts';
import { expectBitsOfRun, limits, oneGradient, slowWorker, submit, until } from './drill.ts';

beforeAll(built);

describeWithRedis('runs that compete for a fleet', () => {
  test('get workers by priority, and where that is equal none takes them all', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    await coordinator.says(/coordinator ready/);
    const many = { min: 1, max: 8 };
    const early = await submit(fleet, oneGradient, { key: 'early', workers: many });
    const late = await submit(fleet, oneGradient, { key: 'late', workers: many });
    const urgent = await submit(fleet, oneGradient, {
      key: 'urgent',
      priority: 9,
      workers: { min: 1, max: 2 },
    });
    await until(
      async () => (await fleet.client.list({ states: ['active'] })).length === 3,
      'three active runs',
    );
    const served: (string | undefined)[] = [];
    for (let n = 0; n < 4; n++) {
      // Slow enough for no run to be over before all of them have chosen.
      const worker = slowWorker(fleet, 1500);
      await worker.says(/serving run/);
      served.push(/serving run (\w+)/.exec(worker.log())?.[1]);
    }
    expect(served.slice(0, 2)).toEqual([urgent, urgent]);
    expect(new Set(served.slice(2))).toEqual(new Set([early, late]));
    for (const id of [urgent, early, late]) await expectBitsOfRun(fleet, id);
  });
});
