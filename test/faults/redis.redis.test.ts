/** What becomes of a run whose Redis is killed, forgets, freezes or cannot be reached. */
import { beforeAll, expect, test } from 'vitest';
import { built } from '../cli/skewflow.ts';
import { startFleet } from '../fleet.ts';
import { describeWithRedis } from '../setup/describe-with.ts';
import {
  expectBitsOfRun,
  iterated,
  limits,
  manyIterations,
  oneGradient,
  over,
  pause,
  slowWorker,
  submit,
} from './drill.ts';

beforeAll(built);

/** How long Redis is out of reach; what is promised is that 30 s do no harm either. */
const outageMs = 1000 * Number(process.env['SKEWFLOW_DRILL_OUTAGE'] ?? 8);

describeWithRedis('a run whose Redis fails', () => {
  test('pauses and goes on when it is killed and has kept everything', limits, async () => {
    await using fleet = await startFleet({ aof: true });
    const coordinator = fleet.coordinator();
    const workers = [slowWorker(fleet, 20), slowWorker(fleet, 20)];
    const id = await submit(fleet, manyIterations(16));
    const follower = fleet.run('follow', id);
    await iterated(fleet, id, 4);
    await fleet.redis.kill();
    await pause(3000);
    await fleet.redis.restart();
    await expectBitsOfRun(fleet, id);
    expect((await follower).code).toBe(0);
    expect(coordinator.log()).toMatch(/unreachable \d/);
    for (const { log } of [coordinator, ...workers]) expect(log()).not.toMatch(/state lost|worker lost/);
  });

  test('is rebuilt from its checkpoint when it is killed and has forgotten everything', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    slowWorker(fleet, 20);
    slowWorker(fleet, 20);
    const id = await submit(fleet, manyIterations(16));
    await iterated(fleet, id, 4);
    await fleet.redis.restart();
    await coordinator.says(/state lost, rebuilding from .*resuming from iteration ([2-9]|\d\d)/s);
    await expectBitsOfRun(fleet, id);
    expect((await fleet.run('show', id)).code).toBe(0);
  });

  test('says that it is out of reach, and goes on soon after', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    slowWorker(fleet, 20);
    slowWorker(fleet, 20);
    const id = await submit(fleet, manyIterations(16));
    await iterated(fleet, id, 4);
    await fleet.redis.kill('SIGSTOP');
    await coordinator.says(/unreachable [\d.]+ s, retrying/);
    await pause(outageMs);
    await fleet.redis.kill('SIGCONT');
    await coordinator.says(/Redis answers again/);
    await expectBitsOfRun(fleet, id);
  });

  test('that nobody works on says NO_WORKERS, with the queue and what it needs', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    const id = await submit(fleet, oneGradient);
    await coordinator.says(/NO_WORKERS for 30 s: no seat is taken; queue seats waits for any worker/);
    fleet.worker();
    expect((await over(fleet, id)).state).toBe('done');
  });
});
