/** What becomes of a run when the link between Redis and one of its processes is cut without a word, and mended later. */
import { beforeAll, expect, test } from 'vitest';
import { built } from '../cli/skewflow.ts';
import { type Fleet, type Service, startFleet } from '../fleet.ts';
import { describeWithRedis } from '../setup/describe-with.ts';
import {
  badDevice,
  expectBitsOfRun,
  iterated,
  limits,
  manyIterations,
  onProcessor,
  pause,
  slowWorker,
  submit,
} from './drill.ts';
import { type Link, namespaceTo, noNamespaces, open, relayTo } from './link.ts';

beforeAll(built);

const none = noNamespaces();
const kinds = [
  ['a relay', relayTo, {}, null],
  ['a network namespace', namespaceTo, open, none],
] as const;

for (const [what, linkTo, config, missing] of kinds) {
  const title = `a run over ${what}${missing === null ? '' : ` (skipped: ${missing})`}`;
  describeWithRedis(title, () => {
    const drill = missing === null ? test : test.skip;

    drill('loses a worker whose link is cut, and takes it back', limits, async () => {
      await using fleet = await startFleet({ config });
      await using link = await linkTo(fleet.redis.port);
      const coordinator = fleet.coordinator();
      slowWorker(fleet, 40);
      const away = beyond(fleet, link, onProcessor, badDevice('slow 40'));
      const id = await submit(fleet, manyIterations(16));
      await coordinator.says(/worker joined.*worker joined/s);
      link.cut();
      await coordinator.says(/unresponsive.*worker lost/s);
      link.mend();
      await coordinator.says(/rejoined/);
      await expectBitsOfRun(fleet, id);
      expect(away.log()).toMatch(/seat lost/);
    });

    drill('is taken over from a coordinator whose link is cut, which drops it', limits, async () => {
      await using fleet = await startFleet({ config });
      await using link = await linkTo(fleet.redis.port);
      const first = beyond(fleet, link, ['coordinator'], {});
      await first.says(/coordinator ready/);
      slowWorker(fleet, 20);
      const id = await submit(fleet, manyIterations(20));
      await iterated(fleet, id, 4);
      const standby = fleet.coordinator();
      await standby.says(/coordinator ready/);
      link.cut();
      await standby.says(/resuming from iteration ([2-9]|\d\d)/);
      await pause(1000);
      link.mend();
      await first.says(/fenced by|carried by another coordinator/);
      await expectBitsOfRun(fleet, id);
    });
  });
}

/** A process that reaches Redis through the link only. */
function beyond(
  fleet: Fleet,
  { url, under, options }: Link,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): Service {
  return fleet.start([...args, ...options], { ...environment, REDIS_URL: url }, undefined, under);
}
