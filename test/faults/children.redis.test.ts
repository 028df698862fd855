/** What becomes of a run whose worker's compute child dies or hangs: the worker starts it again and stays. */
import { beforeAll, expect, test } from 'vitest';
import { built } from '../cli/skewflow.ts';
import { startFleet } from '../fleet.ts';
import { describeWithRedis } from '../setup/describe-with.ts';
import {
  badWorker,
  childrenOf,
  expectBitsOfRun,
  limits,
  oneGradient,
  show,
  slowWorker,
  submit,
  until,
} from './drill.ts';

beforeAll(built);

describeWithRedis('a run whose compute child fails', () => {
  test('by a kill has it started again, and loses nobody', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    const worker = slowWorker(fleet, 200);
    const id = await submit(fleet, oneGradient);
    await coordinator.says(/worker joined/);
    for (const pid of childrenOf(worker.pid)) process.kill(pid, 'SIGKILL');
    await worker.says(/ended by SIGKILL/);
    await expectBitsOfRun(fleet, id);
    expect(coordinator.log()).not.toMatch(/worker lost/);
  });

  test('by hanging has it killed and started again, and loses nobody', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    // A device's first answers tell how long one takes; what it is at when it hangs is held against that.
    const worker = slowWorker(fleet, 1200);
    const id = await submit(fleet, oneGradient);
    await until(async () => ((await show(fleet, id)).progress?.share ?? 0) > 0, 'a sign of progress');
    for (const pid of childrenOf(worker.pid)) process.kill(pid, 'SIGSTOP');
    await worker.says(/no progress for \d+/);
    fleet.worker();
    await expectBitsOfRun(fleet, id);
    expect(coordinator.log()).not.toMatch(/worker lost/);
  });

  test('again and again is given up: the worker is quarantined, the run goes on', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    const bad = badWorker(fleet, 'die');
    const id = await submit(fleet, oneGradient);
    await bad.says(/CHILD_CRASHED: .*starting it again, 3 of 3/);
    expect(await bad.ended).toBe(3);
    expect(bad.log()).toMatch(/quarantined: the device failed 3 times in a row/);
    fleet.worker();
    await expectBitsOfRun(fleet, id);
    expect(coordinator.log()).not.toMatch(/POISON_SHARD/);
  });
});
