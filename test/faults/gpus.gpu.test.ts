/** What becomes of a run whose workers compute on GPUs, two identical ones of one host, when these or their processes fail. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { built } from '../cli/skewflow.ts';
import { type Fleet, type Service, startFleet } from '../fleet.ts';
import { describeWithLavapipe, describeWithRedis } from '../setup/describe-with.ts';
import { badDevice, childrenOf, count, expectBitsOfRun, limits, oneGradient, submit } from './drill.ts';

beforeAll(built);

describeWithLavapipe('on two identical GPUs', (driver) => {
  describeWithRedis('a run', () => {
    test('has a compute child killed, and loses a worker: the same bits', limits, async () => {
      await using fleet = await startFleet();
      const gpus = await twoGpus(fleet, driver);
      const coordinator = fleet.coordinator();
      const [first, second] = [0, 1].map((n) => gpuWorker(fleet, n, { ...badDevice('slow 500'), ...gpus }));
      const id = await submit(fleet, oneGradient, { workers: { min: 2, max: 2 } });
      await coordinator.says(/worker joined.*worker joined/s);
      for (const pid of childrenOf(first?.pid ?? 0)) process.kill(pid, 'SIGKILL');
      await first?.says(/CHILD_CRASHED: .*starting it again, 1 of 3/);
      second?.kill('SIGKILL');
      await coordinator.says(/worker lost/);
      await expectBitsOfRun(fleet, id, 'webgpu');
      expect(count(coordinator, /worker lost/)).toBe(1);
    });

    test('loses a device, and another runs out of memory: the same bits', limits, async () => {
      await using fleet = await startFleet();
      const gpus = await twoGpus(fleet, driver);
      const coordinator = fleet.coordinator();
      const lost = badDevice(`lose ${join(fleet.folder, 'lost')}`);
      const full = badDevice(`full ${join(fleet.folder, 'full')}`);
      const [loser, filled] = [lost, full].map((bad, n) => gpuWorker(fleet, n, { ...bad, ...gpus }));
      const id = await submit(fleet, oneGradient, { workers: { min: 2, max: 2 } });
      await loser?.says(/GPU_LOST: .*starting it again, 1 of 3/);
      await filled?.says(/OUT_OF_MEMORY: .* at \d+ bytes.*starting it again, 1 of 3/);
      await expectBitsOfRun(fleet, id, 'webgpu');
      expect(coordinator.log()).not.toMatch(/worker lost|worker left/);
    });
  });
});

/** Variables under which a process sees two GPUs that only their places tell apart; `run` in this process's children, too. */
async function twoGpus(fleet: Fleet, driver: string): Promise<NodeJS.ProcessEnv> {
  const files = [join(fleet.folder, 'first.json'), join(fleet.folder, 'second.json')];
  for (const file of files) await copyFile(driver, file);
  const variables = { VK_DRIVER_FILES: files.join(':'), VK_ICD_FILENAMES: files.join(':') };
  const before = { ...process.env };
  onTestFinished(() => {
    process.env = before;
  });
  process.env = { ...before, ...variables };
  return variables;
}

function gpuWorker(fleet: Fleet, device: number, environment: NodeJS.ProcessEnv): Service {
  const args = ['worker', '--engine', 'webgpu', '--devices', String(device), '--threads', '1'];
  return fleet.start(args, environment);
}
