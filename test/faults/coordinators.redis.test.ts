/** What becomes of a run whose coordinator dies or freezes, or whose checkpoint is not what was written. */
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { built } from '../cli/skewflow.ts';
import { type Fleet, type Service, startFleet } from '../fleet.ts';
import { describeWithRedis } from '../setup/describe-with.ts';
import {
  expectBitsOfRun,
  iterated,
  limits,
  manyIterations,
  oneGradient,
  slowWorker,
  submit,
} from './drill.ts';

beforeAll(built);

describeWithRedis('a run whose coordinator fails', () => {
  test('is taken over when it is killed, from the iteration it had come to', limits, async () => {
    await using fleet = await startFleet();
    const { first, id } = await underWay(fleet);
    const standby = fleet.coordinator();
    await standby.says(/coordinator ready/);
    first.kill('SIGKILL');
    await standby.says(/resuming from iteration ([2-9]|\d\d)/);
    await expectBitsOfRun(fleet, id);
  });

  test('has one at a time: one that was frozen is fenced and drops the run', limits, async () => {
    await using fleet = await startFleet();
    const { first, id } = await underWay(fleet);
    const standby = fleet.coordinator();
    await standby.says(/coordinator ready/);
    first.kill('SIGSTOP');
    await standby.says(/resuming from iteration ([2-9]|\d\d)/);
    first.kill('SIGCONT');
    await first.says(/fenced by|carried by another coordinator/);
    await expectBitsOfRun(fleet, id);
    // It goes on with other runs.
    standby.kill('SIGKILL');
    const next = await submit(fleet, oneGradient);
    await first.says(new RegExp(`taking (over )?run ${next}`));
    await expectBitsOfRun(fleet, next);
  });

  test.each([
    ['corrupt', corrupt],
    ['torn', (path: string): Promise<void> => truncate(path, 100)],
  ])('goes on from the checkpoint before one that is %s', limits, async (_, spoil) => {
    await using fleet = await startFleet();
    const { first, id } = await underWay(fleet);
    first.kill('SIGKILL');
    await first.ended;
    const folder = join(fleet.storage, 'runs', id, 'checkpoints');
    const names = (await readdir(folder)).filter((name) => name.endsWith('.checkpoint')).sort();
    expect(names.length).toBe(2);
    await spoil(join(folder, names[1] as string));
    const next = fleet.coordinator();
    await next.says(/checkpoint corrupt, taking the one before/);
    await next.says(/resuming from iteration ([2-9]|\d\d)/);
    await expectBitsOfRun(fleet, id);
  });
});

/** A coordinator, two workers, and a run that has been going on for some iterations. */
async function underWay(fleet: Fleet): Promise<{ readonly first: Service; readonly id: string }> {
  const first = fleet.coordinator();
  slowWorker(fleet, 20);
  slowWorker(fleet, 20);
  await first.says(/coordinator ready/);
  const id = await submit(fleet, manyIterations(16));
  await iterated(fleet, id, 4);
  return { first, id };
}

async function corrupt(path: string): Promise<void> {
  const bytes = await readFile(path);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(path, bytes);
}
