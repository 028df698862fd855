/**
 * Where a fleet's arrays lie: results as zarr, everything in a bucket, inputs behind URLs. Real processes, a real
 * redis-server, a real S3 server.
 */
import { execFileSync } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { npyBytes } from '../src/arrays/npy-writer.ts';
import { openS3 } from '../src/objects/s3.ts';
import { built } from './cli/skewflow.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { answerFile, listening } from './http-server.ts';
import { badLink, passingMishaps } from './objects/bad-link.ts';
import { motoMissing, motoPython, startMoto } from './objects/moto.ts';
import { pythonWith } from './python.ts';
import { describeWithRedis } from './setup/describe-with.ts';

beforeAll(built);

const limits = { timeout: 180_000 };
const rows = 150_000;

/** Shards that differ by a block of rows, an input that is too large to go with the job, and everything that can be saved. */
const job = (tracers: string, format: 'npy' | 'zarr'): string => `
name: ${format}
sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, p: { normal: [0, 0.3], dim: 2, seed: 2 }, rows: 4 }
tracers: { x: "${tracers}" }
flow:
  x: sum(j, exp(-sqdist(x, q[j]) / 0.49) * p[j])
integrate: { scheme: ralston, from: 0, to: 1, steps: 4 }
loss: mean(i, sqnorm(x))
gradient: [p, x]
values: { density: "sum(j, exp(-sqdist(x, q[j])))" }
output: { save: [final, trajectory], every: 2, format: ${format} }
shards: 4
`;

const tracers = npyBytes(
  'f4',
  [rows, 2],
  Float32Array.from({ length: 2 * rows }, (_, n) => Math.sin(n) / 3),
);

/** Every file of a folder but the one with the timings, and what is in it. */
async function contents(fleet: Fleet, folder: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(join(fleet.folder, folder), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name !== 'result.json');
  const read = files.map(async ({ parentPath, name }): Promise<[string, string]> => {
    const path = join(parentPath, name).slice(join(fleet.folder, folder).length + 1);
    return [path, (await fleet.file(folder, path)).toString('base64')];
  });
  return new Map((await Promise.all(read)).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Submit, wait, fetch; the files are those of `run`. */
async function expectFilesOfRun(fleet: Fleet, format: 'npy' | 'zarr', ...more: string[]): Promise<void> {
  const file = `${format}.yaml`;
  const sent = await fleet.run('submit', file, '--workers', '1..2', '--wait', '--json', ...more);
  expect(sent.code, sent.stderr).toBe(0);
  const { id } = JSON.parse(sent.stdout) as { id: string };
  const fetched = await fleet.run('fetch', id);
  expect(fetched.code, fetched.stderr).toBe(0);
  const ran = await fleet.run('run', file, '--out', `${format}-run`, '--engine', 'wasm', ...more);
  expect(ran.code, ran.stderr).toBe(0);
  const [ours, theirs] = [await contents(fleet, `${format}-out`), await contents(fleet, `${format}-run`)];
  expect([...ours.keys()]).toEqual([...theirs.keys()]);
  // The digest names inputs by where they lie.
  for (const [path, text] of theirs)
    if (!path.endsWith('tracers.zarr/zarr.json')) expect(ours.get(path) === text, path).toBe(true);
}

const python = pythonWith('xarray, zarr');

function openedByOthers(fleet: Fleet): unknown {
  const script = `
import json, sys, warnings
warnings.simplefilter("error")
import xarray
tree = xarray.open_datatree(sys.argv[1], engine="zarr")
x = tree["trajectory/x"]
print(json.dumps([list(x.dims), list(x.shape), x.t.values.tolist(), list(tree["values/density"].dims), bool(x.isnull().any())]))
`;
  const path = join(fleet.folder, 'zarr-out', 'tracers.zarr');
  return JSON.parse(execFileSync(python!, ['-c', script, path], { encoding: 'utf8' }));
}

/** Dimensions, shape and times of the trajectory, dimensions of the values, and whether a row is missing. */
const seenByOthers = [['t', 'tracer', 'x_component'], [3, rows, 2], [0, 0.5, 1], ['tracer'], false];

describeWithRedis('the arrays of a fleet', () => {
  test('are a zarr group that each worker wrote its rows of', limits, async () => {
    await using fleet = await startFleet();
    fleet.coordinator();
    fleet.worker();
    fleet.worker();
    await writeFile(join(fleet.folder, 'x.npy'), tracers);
    await fleet.job('zarr.yaml', job('x.npy', 'zarr'));
    await expectFilesOfRun(fleet, 'zarr');
    if (python === null) return;
    expect(openedByOthers(fleet)).toEqual(seenByOthers);
  });

  test('are read behind URLs only where coordinators and workers allow the host', limits, async () => {
    await using server = await listening((request, response) =>
      answerFile(request, response, tracers, { etag: '"1"' }),
    );
    await using fleet = await startFleet();
    const strict = [fleet.coordinator(), fleet.worker()];
    await fleet.job('npy.yaml', job(`${server.url}/x.npy`, 'npy'));
    expect((await fleet.run('submit', 'npy.yaml')).stderr).toMatch(/only https is read/u);
    const refused = await fleet.run('submit', 'npy.yaml', '--allow-host', server.host, '--wait');
    expect(refused.code).toBe(1);
    for (const service of strict) service.kill('SIGKILL');
    const { stdout } = await fleet.run('ls', '--json');
    expect(stdout).toContain(`INPUT_FORBIDDEN: tracers.x: a submitted job reads URLs only from hosts`);

    fleet.coordinator('--allow-host', server.host);
    fleet.worker('--allow-host', server.host);
    await expectFilesOfRun(fleet, 'npy', '--allow-host', server.host);
  });
});

describe.skipIf(motoPython === null)(`a bucket${motoMissing}`, () => {
  describeWithRedis('is the root of a fleet', () => {
    test(
      'inputs, rows, checkpoints and results are objects in it, whatever befalls requests',
      limits,
      async () => {
        await using moto = await startMoto('fleet');
        const store = await openS3({ bucket: 'fleet', prefix: '' }, moto.settings);
        // Every ninth request meets with something, so that none does twice in a row.
        let asked = 0;
        await using link = await badLink(moto.endpoint, ({ method }) => {
          asked += 1;
          if (asked % 9 > 0) return null;
          const mishap = passingMishaps[(asked / 9) % passingMishaps.length]!;
          // An answer without a body says nothing else than its status.
          return mishap === 'late' && method === 'HEAD' ? 'busy' : mishap;
        });
        const environment = { ...moto.environment, AWS_ENDPOINT_URL_S3: link.url };
        await using fleet = await startFleet({ storage: 's3://fleet/a/place', environment });
        fleet.coordinator('--root', 's3://fleet/data');
        const workers = [
          fleet.worker('--root', 's3://fleet/data'),
          fleet.worker('--root', 's3://fleet/data'),
        ];
        await writeFile(join(fleet.folder, 'x.npy'), tracers);
        await fleet.job('npy.yaml', job('x.npy', 'npy'));
        await expectFilesOfRun(fleet, 'npy');

        // Another job's array lies in a bucket already; a bucket that nobody allows is not read.
        await store.put('data/x.npy', tracers);
        await fleet.job('zarr.yaml', job('s3://fleet/data/x.npy', 'zarr'));
        await expectFilesOfRun(fleet, 'zarr');
        if (python !== null) expect(openedByOthers(fleet)).toEqual(seenByOthers);
        await store.put('secret/x.npy', tracers);
        await fleet.job('other.yaml', job('s3://fleet/secret/x.npy', 'npy'));
        expect((await fleet.run('submit', 'other.yaml', '--wait')).code).toBe(1);
        expect((await fleet.run('ls', '--json')).stdout).toContain('reads buckets only below places');

        // What a run needed only to go on is gone; `prune` removes the rest.
        const left = new Set<string>();
        for await (const { key } of store.list('a/place/'))
          left.add(key.replace(/^a\/place\/(\w+)(?:\/[0-9a-f]+\/(\w+))?.*$/u, '$1 $2').trim());
        expect([...left].sort()).toEqual(['inputs', 'runs end', 'runs order', 'runs result']);
        expect((await fleet.run('prune', '--older-than', '0s')).code).toBe(0);
        const after: string[] = [];
        for await (const { key } of store.list('a/place/')) after.push(key);
        expect(after).toEqual([]);
        for (const worker of workers) expect(worker.log()).not.toContain('"level":50');
        expect(link.mishaps.length).toBeGreaterThan(passingMishaps.length);
      },
    );
  });
});
