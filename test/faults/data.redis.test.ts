/** What becomes of a run whose data or devices are wrong, whose workers do not belong together, whose disk is full. */
import { execFileSync } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { built } from '../cli/skewflow.ts';
import { type Fleet, startFleet } from '../fleet.ts';
import { describeWithRedis } from '../setup/describe-with.ts';
import {
  badWorker,
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

const root = fileURLToPath(new URL('../../', import.meta.url));

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

  test(
    'goes on without a device that says NON_FINITE where another worker gets numbers',
    limits,
    async () => {
      await using fleet = await startFleet();
      const coordinator = fleet.coordinator();
      badWorker(fleet, 'nan');
      fleet.worker();
      const id = await submit(fleet, oneGradient, { workers: { min: 2, max: 2 } });
      await coordinator.says(/NON_FINITE shard .* it is the device.*quarantined/s);
      fleet.worker();
      await expectBitsOfRun(fleet, id);
    },
  );

  test(
    'finds a device that is silently wrong: AUDIT_MISMATCH, a third vote, quarantine',
    limits,
    async () => {
      await using fleet = await startFleet();
      const coordinator = fleet.coordinator();
      const liar = badWorker(fleet, 'lie');
      fleet.worker();
      fleet.worker();
      await submit(fleet, manyIterations(400), { workers: { min: 3, max: 3 } });
      await coordinator.says(/AUDIT_MISMATCH: shard \d+ rows \d+\.\.\d+ iteration \d+/);
      await coordinator.says(/quarantined: /);
      expect(coordinator.log()).toMatch(new RegExp(`quarantined: [^:]+:${liar.pid}:`));
    },
  );

  test('refuses a worker of another numerics class by name, and the others go on', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    slowWorker(fleet, 40);
    const id = await submit(fleet, manyIterations(8));
    await coordinator.says(/worker joined/);
    const other = fleet.start(['worker', '--engine', 'reference'], {});
    await coordinator.says(new RegExp(`worker refused: [^:]+:${other.pid}:.*its numerics class is`));
    await expectBitsOfRun(fleet, id);
  });

  test('says "equal within tolerance" where classes may be mixed', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    slowWorker(fleet, 40);
    await submit(fleet, manyIterations(60), { allowMixed: true });
    await coordinator.says(/worker joined/);
    fleet.start(['worker', '--engine', 'reference'], {});
    await coordinator.says(/numerics classes are mixed, results are equal within tolerance/);
  });

  test('refuses a worker of another version by name, and the others go on', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    slowWorker(fleet, 40);
    const id = await submit(fleet, manyIterations(8));
    await coordinator.says(/worker joined/);
    const script = await otherVersion(fleet);
    const other = fleet.start(['worker', '--threads', '1', '--engine', 'wasm'], {}, script);
    await coordinator.says(new RegExp(`worker refused: [^:]+:${other.pid}:.*it runs version 0.0.1`));
    await expectBitsOfRun(fleet, id);
  });

  test.each([
    ['is read where it lies', '--root', /INPUT_CHANGED/],
    ['was copied to the storage root', '--storage', /INPUT_C/],
  ])('fails before any work when an input that %s was changed meanwhile', limits, async (_, option, says) => {
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
    expect(error?.message).toMatch(says);
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

/** The package under another version; its script. */
async function otherVersion(fleet: Fleet): Promise<string> {
  const copy = join(fleet.folder, 'other');
  for (const part of ['bin', 'dist']) await cp(join(root, part), join(copy, part), { recursive: true });
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  const text = await readFile(join(root, 'package.json'), 'utf8');
  await writeFile(join(copy, 'package.json'), text.replace(/"version": "[^"]+"/, '"version": "0.0.1"'));
  return join(copy, 'bin', 'skewflow.js');
}

function canMount(): boolean {
  try {
    execFileSync('unshare', ['-m', 'true'], { stdio: 'ignore' });
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
}
