/** What becomes of a run when the disk is full for one of its workers, and for nobody else. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { built } from '../cli/skewflow.ts';
import { type Fleet, startFleet } from '../fleet.ts';
import { describeWithRedis } from '../setup/describe-with.ts';
import { limits, oneGradient, onProcessor, over, show, submit, until } from './drill.ts';
import { growByOnePage, noSmallDisks, withFullDisk } from './small-disk.ts';

beforeAll(built);

const none = noSmallDisks();

describeWithRedis(`a run${none === null ? '' : ` (skipped: ${none})`}`, () => {
  const drill = none === null ? test : test.skip;

  drill(
    'waits for room on the disk of its only worker, or for another one; the next run has both',
    limits,
    async () => {
      await using fleet = await startFleet();
      const coordinator = fleet.coordinator();
      const disk = join(fleet.storage, 'runs');
      await mkdir(disk, { recursive: true });
      const worker = fleet.start(onProcessor, {}, undefined, withFullDisk(disk));
      // Its tracers' gradient is as large as they are, and written by the workers.
      const withRows = oneGradient.replace('gradient: [', 'gradient: [x, ');
      const id = await submit(fleet, withRows);
      const byRun = fleet.run('run', 'job.yaml', '--out', 'by-run', '--engine', 'wasm');
      await coordinator.says(/worker waits: .*rows-read\/0: the disk is full/);
      await paused(fleet, id);
      growByOnePage(worker.pid, disk);
      await coordinator.says(/worker waits: .*rows\/gradient\/x.npy: .*no space left/);
      await paused(fleet, id);

      fleet.worker();
      expect((await over(fleet, id)).state).toBe('done');
      await fleet.client.run(id).fetch({ out: join(fleet.folder, id) });
      expect((await byRun).code).toBe(0);
      for (const file of ['gradient.npz', 'gradient/x.npy']) {
        expect(await fleet.file(id, file), file).toEqual(await fleet.file('by-run', file));
      }

      const next = await submit(fleet, withRows, { key: 'the next', workers: { min: 2, max: 2 } });
      expect((await over(fleet, next)).state).toBe('done');
      expect(coordinator.log()).not.toMatch(/worker lost/);
    },
  );
});

const paused = (fleet: Fleet, id: string): Promise<void> =>
  until(async () => (await show(fleet, id)).state === 'paused', 'the run to be paused');
