/** What becomes of a run whose devices are wrong, or whose workers do not belong together. */
import { cp, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { built } from '../cli/skewflow.ts';
import { type Fleet, startFleet } from '../fleet.ts';
import { describeWithRedis } from '../setup/describe-with.ts';
import {
  badWorker,
  expectBitsOfRun,
  limits,
  manyIterations,
  oneGradient,
  slowWorker,
  submit,
} from './drill.ts';

beforeAll(built);

const root = fileURLToPath(new URL('../../', import.meta.url));

describeWithRedis('a run', () => {
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
    const id = await submit(fleet, manyIterations(12));
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
    const script = await otherVersion(fleet);
    const coordinator = fleet.coordinator();
    slowWorker(fleet, 40);
    const id = await submit(fleet, manyIterations(12));
    await coordinator.says(/worker joined/);
    const other = fleet.start(['worker', '--threads', '1', '--engine', 'wasm'], {}, script);
    await coordinator.says(new RegExp(`worker refused: [^:]+:${other.pid}:.*it runs version 0.0.1`));
    await expectBitsOfRun(fleet, id);
  });
});

/** The package under another version; its script. */
async function otherVersion(fleet: Fleet): Promise<string> {
  const copy = join(fleet.folder, 'other');
  for (const part of ['bin', 'dist']) await cp(join(root, part), join(copy, part), { recursive: true });
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  const text = await readFile(join(root, 'package.json'), 'utf8');
  await writeFile(join(copy, 'package.json'), text.replace(/"version": "[^"]+"/, '"version": "0.0.1"'));
  return join(copy, 'bin', 'skewflow.js');
}
