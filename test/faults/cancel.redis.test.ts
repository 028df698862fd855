/** What becomes of a run that is cancelled, in whatever phase? It ends within seconds, and the device with it. */
import { beforeAll, expect, test } from 'vitest';
import { built } from '../cli/skewflow.ts';
import { type Fleet, type Service, startFleet } from '../fleet.ts';
import { describeWithRedis } from '../setup/describe-with.ts';
import {
  childrenOf,
  endless,
  expectBitsOfRun,
  iterated,
  limits,
  manyIterations,
  oneGradient,
  pause,
  show,
  submit,
  until,
} from './drill.ts';

beforeAll(built);

/** What is promised is two seconds; a machine that is busy elsewhere may take longer. */
const soonMs = 10_000;

/** Within this a worker has read the rows of a shard of these; it computes on one for minutes. */
const readMs = 3000;

/** Two passes over the tracers: the sums of this loss are known before its gradient is begun. */
const twoPhases = endless.replace('mean(i, sqdist(x, goal))', 'log(sum(i, exp(-sqdist(x, goal))))');

describeWithRedis('a run that is cancelled', () => {
  test('while it is queued, and while it has no worker, ends at once', limits, async () => {
    await using fleet = await startFleet();
    await cancelled(fleet, await submit(fleet, endless), []);
    const coordinator = fleet.coordinator();
    const id = await submit(fleet, endless);
    await coordinator.says(/taking run/);
    await until(async () => (await show(fleet, id)).state === 'active', 'the run is active');
    await cancelled(fleet, id, []);
  });

  test(
    'while it is read, computed, added or minimised ends soon, and its worker goes on',
    limits,
    async () => {
      await using fleet = await startFleet();
      const coordinator = fleet.coordinator();
      const worker = fleet.worker();
      const joined = async (text: string, runs: number): Promise<string> => {
        const id = await submit(fleet, text);
        const seats = new RegExp(Array.from({ length: runs }, () => 'worker joined').join('.*'), 's');
        await coordinator.says(seats);
        return id;
      };
      await cancelled(fleet, await joined(endless, 1), [worker]);

      const inShard = await joined(endless.replace('seed: 1', 'seed: 11'), 2);
      await pause(readMs);
      await cancelled(fleet, inShard, [worker]);

      const inSums = await joined(twoPhases, 3);
      await pause(readMs);
      await cancelled(fleet, inSums, [worker]);

      const between = await joined(manyIterations(100_000), 4);
      await iterated(fleet, between, 5);
      await cancelled(fleet, between, [worker]);
      expect(coordinator.log()).toMatch(/cancelled at iteration ([6-9]|\d\d)/);

      await expectBitsOfRun(fleet, await submit(fleet, oneGradient));
    },
  );
});

/** Cancel a run; it says so, and no worker computes any more. */
async function cancelled(fleet: Fleet, id: string, workers: readonly Service[]): Promise<void> {
  await fleet.client.cancel(id);
  await until(async () => (await show(fleet, id)).state === 'cancelled', 'it is cancelled', soonMs);
  const idle = (): boolean => workers.every(({ pid }) => childrenOf(pid).length === 0);
  await until(idle, 'no compute child is left', soonMs);
}
