/** What becomes of a run whose workers die, drain, freeze, are slow, or die of a shard: rows of the fault table, with real signals. */
import { beforeAll, expect, test } from 'vitest';
import { built } from '../cli/skewflow.ts';
import { startFleet } from '../fleet.ts';
import { describeWithRedis } from '../setup/describe-with.ts';
import {
  badWorker,
  childrenOf,
  count,
  expectBitsOfRun,
  limits,
  manyIterations,
  oneGradient,
  over,
  show,
  slowWorker,
  submit,
} from './drill.ts';

beforeAll(built);

describeWithRedis('a run whose workers fail', () => {
  test('loses one to SIGKILL in mid-iteration: one line, the same bits', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    const [killed] = [slowWorker(fleet, 400), slowWorker(fleet, 400)];
    const id = await submit(fleet, oneGradient);
    await coordinator.says(/worker joined.*worker joined/s);
    killed.kill('SIGKILL');
    await coordinator.says(/worker lost/);
    await expectBitsOfRun(fleet, id);
    expect(count(coordinator, /worker lost/)).toBe(1);
    expect(await show(fleet, id)).toMatchObject({ summary: { workersLost: 1 } });
  });

  test('loses one to SIGTERM: it drains, and exits 0 within 25 s', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    const [told] = [slowWorker(fleet, 250), slowWorker(fleet, 250)];
    const id = await submit(fleet, oneGradient);
    await coordinator.says(/worker joined.*worker joined/s);
    const begun = Date.now();
    told.kill('SIGTERM');
    expect(await told.ended).toBe(0);
    expect(Date.now() - begun).toBeLessThan(25_000);
    expect(told.log()).toMatch(/draining/);
    await expectBitsOfRun(fleet, id);
    expect(coordinator.log()).not.toMatch(/worker lost/);
  });

  test('has one frozen and thawed: unresponsive, rejoined, no double effect', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    const [frozen] = [slowWorker(fleet, 40), slowWorker(fleet, 40)];
    const id = await submit(fleet, manyIterations(14));
    await coordinator.says(/worker joined.*worker joined/s);
    const pids = [frozen.pid, ...childrenOf(frozen.pid)];
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    await coordinator.says(/unresponsive/);
    await coordinator.says(/worker lost/);
    for (const pid of pids) process.kill(pid, 'SIGCONT');
    await coordinator.says(/rejoined/);
    await expectBitsOfRun(fleet, id);
  });

  test('has a straggler: its shard is copied with a warning that names the ratio', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    slowWorker(fleet, 8000);
    const id = await submit(fleet, oneGradient);
    await coordinator.says(/worker joined/);
    fleet.worker();
    await coordinator.says(/straggler: shard \d+ rows [\d.]+ takes [\d.]+ times the average/);
    await expectBitsOfRun(fleet, id);
  });

  test(
    'has a shard that kills: POISON_SHARD after three workers, and the fleet survives',
    limits,
    async () => {
      await using fleet = await startFleet();
      const coordinator = fleet.coordinator();
      const bad = [1, 2, 3].map(() => badWorker(fleet, 'poison 7'));
      const id = await submit(fleet, manyIterations(3));
      expect((await over(fleet, id)).state).toBe('failed');
      expect(coordinator.log()).toMatch(
        /POISON_SHARD: shard 7 rows [\d.]+ iteration \d+ took 3 workers along/,
      );
      for (const worker of bad) worker.kill('SIGKILL');
      fleet.worker();
      await expectBitsOfRun(fleet, await submit(fleet, oneGradient));
    },
  );
});
