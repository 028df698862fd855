/** What becomes of a run whose data is wrong, whose inputs change, whose disk is full, which is submitted twice. */
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { built } from '../cli/skewflow.ts';
import { startFleet } from '../fleet.ts';
import { describeWithRedis } from '../setup/describe-with.ts';
import {
  expectBitsOfRun,
  gradientJob,
  iterated,
  limits,
  manyIterations,
  oneGradient,
  over,
  slowWorker,
  submit,
} from './drill.ts';

beforeAll(built);

describeWithRedis('a run', () => {
  test('fails when its data is not finite: NON_FINITE, another worker finds the same', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    fleet.worker();
    fleet.worker();
    const text = gradientJob(4000, 10).replace('* p[j])\n  q:', '* p[j]) + 90 * sqnorm(x) * x\n  q:');
    const id = await submit(fleet, text, { workers: { min: 2, max: 2 } });
    const { state, error } = await over(fleet, id);
    expect(state).toBe('failed');
    expect(coordinator.log()).toMatch(
      /NON_FINITE shard \d+ rows \d+\.\.\d+ iteration \d+: another worker finds the same: it is the data/,
    );
    expect(coordinator.log()).not.toMatch(/quarantined/);
    expect(error?.message).toMatch(/stopped being finite/);
    await expectBitsOfRun(fleet, await submit(fleet, oneGradient));
  });

  test.each([
    ['is read where it lies', '--root'],
    ['was copied to the storage root', '--storage'],
  ])('fails before any work when an input that %s was changed meanwhile', limits, async (_, option) => {
    await using fleet = await startFleet();
    const rows = Array.from({ length: 30_000 }, (_, i) => `${Math.sin(i)},${Math.cos(3 * i)}`);
    const input = join(fleet.folder, 'inputs', 'x.csv');
    await mkdir(join(fleet.folder, 'inputs'));
    await writeFile(input, rows.join('\n'));
    const name = await fleet.job(
      'job.yaml',
      oneGradient
        .replace('x: { uniform: [-1, 1], dim: 2, seed: 3 }', 'x: inputs/x.csv')
        .replace('rows: 4000', 'rows: 30000'),
    );
    const where = option === '--root' ? ['--root', fleet.folder] : [];
    const { stdout } = await fleet.run('submit', name, '--json', ...where);
    const { id } = JSON.parse(stdout) as { id: string };
    if (option === '--root') await writeFile(input, rows.with(7, '0.1,0.2').join('\n'));
    else await flipOneBit(join(fleet.storage, 'inputs'));
    fleet.coordinator(...where);
    fleet.worker(...where);
    const { state, error } = await over(fleet, id);
    expect(state).toBe('failed');
    expect(error?.message).toMatch(/INPUT_CHANGED/);
  });

  test('is one, however often it is submitted', limits, async () => {
    await using fleet = await startFleet();
    fleet.coordinator();
    fleet.worker();
    const ids = [await submit(fleet, oneGradient), await submit(fleet, oneGradient)];
    expect(ids[1]).toBe(ids[0]);
    await expectBitsOfRun(fleet, ids[0] as string);
    expect(await submit(fleet, oneGradient)).toBe(ids[0]);
    expect(await submit(fleet, oneGradient, { key: 'another' })).not.toBe(ids[0]);
  });

  (canMount() ? test : test.skip)(
    `pauses with the path while the disk is full, and goes on${canMount() ? '' : ' (skipped: no mount without root)'}`,
    limits,
    async () => {
      await using fleet = await startFleet();
      await mkdir(fleet.storage);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', fleet.storage]);
      try {
        const coordinator = fleet.coordinator();
        slowWorker(fleet, 30);
        const id = await submit(fleet, manyIterations(10));
        await iterated(fleet, id, 3);
        const filler = join(fleet.storage, 'filler');
        await writeFile(filler, Buffer.alloc(8 << 20)).catch(() => {});
        await coordinator.says(/paused: .*storage.*runs/);
        await rm(filler);
        await expectBitsOfRun(fleet, id);
        coordinator.kill('SIGKILL');
        await coordinator.ended;
      } finally {
        execFileSync('umount', ['-l', fleet.storage]);
      }
    },
  );
});

/** Of the one file there. */
async function flipOneBit(folder: string): Promise<void> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile());
  expect(files).toHaveLength(1);
  const path = join(files[0]?.parentPath ?? '', files[0]?.name ?? '');
  const bytes = await readFile(path);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

function canMount(): boolean {
  try {
    execFileSync('unshare', ['-m', 'true'], { stdio: 'ignore' });
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
}
