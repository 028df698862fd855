/** What becomes of a run whose Redis is killed, forgets, freezes or cannot be reached. */
import { beforeAll, expect, test } from 'vitest';
import { built } from '../cli/skewflow.ts';
import { startFleet } from '../fleet.ts';
import { describeWithRedis } from '../setup/describe-with.ts';
import { cutLink } from './cut-link.ts';
import { expectBitsOfRun, limits, manyIterations, pause, shortJob, show, submit, until } from './drill.ts';

beforeAll(built);

describeWithRedis('a run whose Redis fails', () => {
  test('pauses and goes on when it is killed and has kept everything', limits, async () => {
    await using fleet = await startFleet({ aof: true });
    const coordinator = fleet.coordinator();
    const workers = [fleet.worker(), fleet.worker()];
    const id = await submit(fleet, manyIterations(80));
    await until(async () => (await show(fleet, id)).iteration > 3, 'iterations');
    await fleet.redis.kill();
    await pause(3000);
    await fleet.redis.restart();
    await expectBitsOfRun(fleet, id);
    expect(coordinator.log()).toMatch(/unreachable \d/);
    for (const { log } of [coordinator, ...workers]) expect(log()).not.toMatch(/state lost|worker lost/);
  });

  test('is rebuilt from its checkpoint when it is killed and has forgotten everything', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    fleet.worker();
    fleet.worker();
    const id = await submit(fleet, manyIterations(80));
    await until(async () => (await show(fleet, id)).iteration > 3, 'iterations');
    await fleet.redis.restart();
    await coordinator.says(/state lost|STATE_LOST/);
    await until(async () => (await fleet.run('show', id)).code === 0, 'the run is known again');
    await expectBitsOfRun(fleet, id);
  });

  test('says that it is out of reach, and goes on soon after', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    fleet.worker();
    fleet.worker();
    const id = await submit(fleet, manyIterations(80));
    await until(async () => (await show(fleet, id)).iteration > 3, 'iterations');
    await fleet.redis.kill('SIGSTOP');
    await coordinator.says(/unreachable [\d.]+ s, retrying/);
    await fleet.redis.kill('SIGCONT');
    await coordinator.says(/Redis answers again/);
    await expectBitsOfRun(fleet, id);
  });

  test('loses a worker whose link is cut, and takes it back', limits, async () => {
    await using fleet = await startFleet();
    await using link = await cutLink(fleet.redis.port);
    const coordinator = fleet.coordinator();
    fleet.worker();
    fleet.start(['worker', '--threads', '1', '--engine', 'wasm'], { REDIS_URL: link.url });
    const id = await submit(fleet, manyIterations(250));
    await coordinator.says(/worker joined.*worker joined/s);
    link.cut();
    await coordinator.says(/unresponsive.*worker lost/s);
    link.mend();
    await coordinator.says(/rejoined/);
    await expectBitsOfRun(fleet, id);
  });

  test('is taken over from a coordinator whose link is cut, and which drops it', limits, async () => {
    await using fleet = await startFleet();
    await using link = await cutLink(fleet.redis.port);
    const first = fleet.start(['coordinator'], { REDIS_URL: link.url });
    fleet.worker();
    const id = await submit(fleet, manyIterations(150));
    await until(async () => (await show(fleet, id)).iteration > 3, 'iterations');
    const standby = fleet.coordinator();
    await standby.says(/coordinator ready/);
    link.cut();
    await standby.says(/resuming from iteration [1-9]/);
    link.mend();
    await first.says(/fenced by|carried by another coordinator/);
    await expectBitsOfRun(fleet, id);
  });

  test('that nobody works on says NO_WORKERS, with the queue and what it needs', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    const id = await submit(fleet, shortJob);
    await coordinator.says(/NO_WORKERS for 30 s: no seat is taken; queue seats waits for any worker/);
    fleet.worker();
    await expectBitsOfRun(fleet, id);
  });
});
