/** What becomes of a run whose workers die, drain, freeze, hang or are slow: rows of the fault table, with real signals. */
import { beforeAll, expect, test } from 'vitest';
import { built } from '../cli/skewflow.ts';
import { startFleet } from '../fleet.ts';
import { describeWithRedis } from '../setup/describe-with.ts';
import {
  badWorker,
  childrenOf,
  count,
  endless,
  expectBitsOfRun,
  limits,
  longIteration,
  longShards,
  manyIterations,
  pause,
  shortJob,
  show,
  submit,
  until,
} from './drill.ts';

beforeAll(built);

describeWithRedis('a run whose workers fail', () => {
  test('loses one to SIGKILL in mid-iteration: one line, the same bits', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    const [killed] = [fleet.worker(), fleet.worker()];
    await coordinator.says(/coordinator ready/);
    const id = await submit(fleet, longIteration);
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
    const [told] = [fleet.worker(), fleet.worker()];
    const id = await submit(fleet, longIteration);
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
    const [frozen] = [fleet.worker(), fleet.worker()];
    const id = await submit(fleet, manyIterations(250));
    await coordinator.says(/worker joined.*worker joined/s);
    for (const pid of [frozen.pid, ...childrenOf(frozen.pid)]) process.kill(pid, 'SIGSTOP');
    await coordinator.says(/unresponsive/);
    await coordinator.says(/worker lost/);
    for (const pid of [frozen.pid, ...childrenOf(frozen.pid)]) process.kill(pid, 'SIGCONT');
    await coordinator.says(/rejoined/);
    await expectBitsOfRun(fleet, id);
  });

  test('has a compute child killed: it is started again, nobody is lost', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    const worker = fleet.worker();
    const id = await submit(fleet, longIteration);
    await worker.says(/serving run/);
    await until(() => childrenOf(worker.pid).length > 0, 'a compute child');
    await coordinator.says(/worker joined/);
    for (const pid of childrenOf(worker.pid)) process.kill(pid, 'SIGKILL');
    await worker.says(/ended by SIGKILL/);
    await expectBitsOfRun(fleet, id);
    expect(coordinator.log()).not.toMatch(/worker lost/);
  });

  test('has a compute child that hangs: it is killed and started again', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    const worker = fleet.worker();
    const id = await submit(fleet, longShards);
    await coordinator.says(/worker joined/);
    // A child is known by its pace from its first sign on; before that it is given a minute.
    await pause(3000);
    const [child] = childrenOf(worker.pid);
    process.kill(child as number, 'SIGSTOP');
    await worker.says(/no progress for \d+/);
    await expectBitsOfRun(fleet, id);
  });

  test('has a straggler: its shard is copied with a warning that names the ratio', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    badWorker(fleet, 'slow 8000');
    fleet.worker();
    const id = await submit(fleet, longIteration);
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
      const id = await submit(fleet, manyIterations(40));
      const followed = await fleet.run('follow', id);
      expect(followed.code).toBe(1);
      expect(coordinator.log()).toMatch(
        /POISON_SHARD: shard 7 rows [\d.]+ iteration \d+ took 3 workers along/,
      );
      expect(await show(fleet, id)).toMatchObject({ state: 'failed' });
      for (const worker of bad) worker.kill('SIGKILL');
      fleet.worker();
      await expectBitsOfRun(fleet, await submit(fleet, shortJob));
    },
  );

  test('is cancelled in mid-shard: the compute child is idle within seconds', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    const worker = fleet.worker();
    const id = await submit(fleet, endless);
    await coordinator.says(/worker joined/);
    await pause(1000);
    expect((await fleet.run('cancel', id)).code).toBe(0);
    await coordinator.says(/cancelled at iteration \d+/);
    await until(() => childrenOf(worker.pid).length === 0, 'no compute child is left');
    await expectBitsOfRun(fleet, await submit(fleet, shortJob));
  });
});
