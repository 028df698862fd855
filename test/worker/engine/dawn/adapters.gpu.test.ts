import { execFileSync } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findGpus } from '../../../../src/worker/engine/dawn/adapters.ts';
import { temporaryFolder } from '../../../arrays/folder.ts';
import { describeWithGpu, describeWithLavapipe } from '../../../setup/describe-with.ts';

/** The machine as if it had the drivers of these files and no other. */
function withDrivers(...files: readonly string[]): NodeJS.ProcessEnv {
  const list = files.join(':');
  return { ...process.env, VK_DRIVER_FILES: list, VK_ICD_FILENAMES: list };
}

describeWithGpu('the GPUs of this machine', () => {
  test('are listed with driver and limits', async () => {
    const { gpus } = await findGpus();
    expect(gpus.length).toBeGreaterThan(0);
    for (const { adapter } of gpus) {
      expect(adapter.driver).not.toBe('');
      expect(adapter.limits['maxStorageBufferBindingSize']).toBeGreaterThanOrEqual(2 ** 27);
    }
  });

  test('are none without a driver', async () => {
    expect(await findGpus({ environment: withDrivers('/nowhere.json') })).toEqual({ gpus: [], notes: [] });
  });
});

describeWithLavapipe('drivers that are', (driver) => {
  test('a software one, are known as such', async () => {
    const { gpus } = await findGpus({ environment: withDrivers(driver) });
    expect(gpus.map((gpu) => [gpu.index, gpu.adapter.software, gpu.place])).toEqual([[0, true, null]]);
  });

  test('two identical ones, give two GPUs, each seen alone under its own variables', async () => {
    const folder = await temporaryFolder();
    const files = [join(folder, 'first.json'), join(folder, 'second.json')];
    for (const file of files) await copyFile(driver, file);
    const environment = withDrivers(...files);
    const { gpus, notes } = await findGpus({ environment });
    expect(notes).toEqual([]);
    expect(gpus.map((gpu) => [gpu.index, gpu.place])).toEqual([
      [0, files[0]],
      [1, files[1]],
    ]);
    expect(gpus[0]?.adapter).toEqual(gpus[1]?.adapter);
    for (const gpu of gpus) {
      const alone = await findGpus({ environment: { ...environment, ...gpu.environment } });
      expect(alone.gpus.map((g) => g.adapter)).toEqual([gpu.adapter]);
    }
  });

  test('broken, are named, and cost nothing but themselves', async () => {
    const folder = await temporaryFolder();
    // A pipe nobody writes to: whoever loads this driver waits for ever.
    const broken = join(folder, 'broken.json');
    execFileSync('mkfifo', [broken]);
    const { gpus, notes } = await findGpus({ environment: withDrivers(broken, driver), patienceMs: 4000 });
    expect(notes).toEqual([expect.stringContaining(`${broken} crashes or hangs`)]);
    expect(gpus.map((gpu) => gpu.place)).toEqual([driver]);
  });
});
