import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { npyBytes } from '../../src/arrays/npy-writer.ts';
import { type Draft, type DraftOptions, draft } from '../../src/client/draft.ts';
import { closeJob, loadJob } from '../../src/job/load.ts';
import { readField } from '../../src/job/values.ts';
import { noS3 } from '../../src/objects/s3-settings.ts';
import { jobOfOrder } from '../../src/order.ts';
import { unpackInputs } from '../../src/storage/inputs.ts';
import { openRoot, type Root } from '../../src/storage/root.ts';

let folder: string;
let root: Root;
let options: DraftOptions;

/** What a submitted job may name where nobody allows anything. */
const nothing = { roots: [], allowHosts: [], s3: noS3 };

const text = `
# kept as it is
name: travels
sources: { q: q.npy, p: "arrays.csv" }
tracers: { x: big.npy }
params: { sigma: 0.7 }
flow:
  x: sum(j, exp(-sqdist(x, q[j]) / sigma^2) * p[j])
integrate: { scheme: rk4, from: 0, to: 1, steps: 4 }
loss:
  - { at: [0.5, 1], value: "sum(i, sqdist(x, seen))", with: { seen: seen.npy } }
gradient: [p]
`;

const numbers = (count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, n) => Math.sin(n) / 3);

async function write(tracers: number): Promise<string> {
  await writeFile(join(folder, 'q.npy'), npyBytes('f4', [3, 2], numbers(6)));
  await writeFile(join(folder, 'arrays.csv'), '0.1,0.2\n0.3,0.4\n-0.7,0.11\n');
  await writeFile(join(folder, 'big.npy'), npyBytes('f4', [tracers, 2], numbers(2 * tracers)));
  await writeFile(join(folder, 'seen.npy'), npyBytes('f4', [2, tracers, 2], numbers(4 * tracers)));
  await writeFile(join(folder, 'job.yaml'), text);
  return join(folder, 'job.yaml');
}

/** As a coordinator does: inputs to the root, then the job. */
async function received({ order, inputs }: Draft, roots: readonly string[] = []): Promise<Float32Array> {
  for (const [key, bytes] of inputs === null ? [] : unpackInputs(inputs)) await root.write(key, bytes);
  const job = await jobOfOrder(order, { root, ...nothing, roots });
  try {
    expect(job.source.text).toBe(order.document);
    return (await readField(job, 'x', 0, 5)) as Float32Array;
  } finally {
    await closeJob(job);
  }
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skewflow-draft-'));
  root = await openRoot(join(folder, 'root'));
  options = {
    set: [],
    key: '',
    batch: null,
    priority: 0,
    seats: null,
    engine: 'auto',
    allowMixed: false,
    ...nothing,
    root: null,
  };
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('a job that travels', () => {
  it('takes small arrays along and is the same job elsewhere', async () => {
    const path = await write(50);
    const made = await draft(path, options);
    const job = await loadJob({ path });
    await closeJob(job);
    expect(made.order.jobDigest).toBe(job.digest);
    expect(made.order.document).toBe(text);
    expect(made.order.name).toBe('travels');
    await rm(join(folder, 'q.npy'));
    expect(await received(made)).toEqual(numbers(10));
  });

  it('has the same id when it is submitted again, and another under a key', async () => {
    const path = await write(50);
    const [first, second, keyed] = [
      await draft(path, options),
      await draft(path, options),
      await draft(path, { ...options, key: 'again' }),
    ];
    expect(second.order.run).toBe(first.order.run);
    expect(keyed.order.run).not.toBe(first.order.run);
  });

  it('carries what --set changed', async () => {
    const made = await draft(await write(50), { ...options, set: ['params.sigma=0.9'] });
    expect(made.order.document).toContain('sigma: 0.9');
    expect(await received(made)).toEqual(numbers(10));
  });

  it('copies large arrays to the root where there is one', async () => {
    const made = await draft(await write(100_000), { ...options, root });
    expect(made.inputs).toBeNull();
    expect(Object.values(made.order.files ?? {}).every((key) => key.startsWith('inputs/'))).toBe(true);
    expect(await received(made)).toEqual(numbers(10));
  });

  it('is refused with size and remedy where large arrays cannot travel', async () => {
    await expect(draft(await write(100_000), options)).rejects.toMatchObject({
      tag: 'InputError',
      message: expect.stringMatching(/seen\.npy \(1600\d{3} bytes\).*--storage.*--root/),
    });
  });

  it('is refused with both figures where its results have no room', async () => {
    const path = await write(1000);
    const small = { ...options, root: { ...root, freeBytes: async () => 7999 }, set: ['gradient=[x]'] };
    await expect(draft(path, small)).rejects.toThrow(
      /results have 7\.81 KiB, and 7\.81 KiB are free in file:/,
    );
    await draft(path, { ...small, root: { ...root, freeBytes: async () => 8000 } });
  });

  it('leaves arrays below a root of the workers where they are', async () => {
    const made = await draft(await write(100_000), { ...options, roots: [folder] });
    expect(made.inputs).toBeNull();
    expect(await received(made, [folder])).toEqual(numbers(10));
    await expect(received(made, [join(folder, 'root')])).rejects.toMatchObject({
      details: { code: 'INPUT_FORBIDDEN' },
    });
  });

  it('is refused elsewhere when an array was changed meanwhile', async () => {
    const path = await write(1000);
    const made = await draft(path, { ...options, roots: [folder] });
    await writeFile(
      join(folder, 'q.npy'),
      npyBytes(
        'f4',
        [3, 2],
        numbers(6).map((x) => x + 1),
      ),
    );
    await expect(received(made, [folder])).rejects.toMatchObject({ details: { code: 'INPUT_CHANGED' } });
  });

  it('may be an object with arrays in memory', async () => {
    const made = await draft(
      {
        name: 'object',
        sources: {
          q: { shape: [2, 2], data: Float64Array.of(0.1, 0.2, 0.3, 0.4) },
          p: [
            [1, 0.1],
            [0.3, 0.7],
          ],
        },
        tracers: { x: { shape: [20, 2], data: numbers(40) } },
        flow: { x: 'sum(j, exp(-sqdist(x, q[j])) * p[j])' },
        integrate: { scheme: 'rk4', from: 0, to: 1, steps: 4 },
        loss: 'mean(i, sqnorm(x))',
        gradient: ['p'],
      },
      options,
    );
    expect(await received(made)).toEqual(numbers(10));
  });

  it('is wrong in the words of `run`', async () => {
    const path = await write(50);
    const wrong = ['flow.x=sum(j, epx(x))'];
    const said = await loadJob({ path, sets: wrong }).catch((error: unknown) => error);
    await expect(draft(path, { ...options, set: wrong })).rejects.toThrow((said as Error).message);
  });
});

describe('a path of a submitted job', () => {
  const order = (files: Record<string, string>) => ({
    document: text.replaceAll('arrays.csv', 'p.csv'),
    files,
    jobDigest: 'f'.repeat(64),
    name: 'hostile',
  });

  it.each(['/etc/passwd', '../../etc/passwd.npy', 'inputs/../../x.npy', 'q.npy'])(
    'may not be %s',
    async (path) => {
      await mkdir(join(folder, 'data'));
      const hostile = order({ 'loss.0.with.seen': path });
      await expect(
        jobOfOrder(hostile, { root, ...nothing, roots: [join(folder, 'data')] }),
      ).rejects.toMatchObject({
        tag: 'InputError',
        details: { code: 'INPUT_FORBIDDEN' },
      });
    },
  );

  it('may not leave its root by a link', async () => {
    await mkdir(join(folder, 'data'));
    await writeFile(join(folder, 'secret.npy'), npyBytes('f4', [1], numbers(1)));
    await symlink(join(folder, 'secret.npy'), join(folder, 'data', 'x.npy'));
    const hostile = order({ 'loss.0.with.seen': join(folder, 'data', 'x.npy') });
    await expect(
      jobOfOrder(hostile, { root, ...nothing, roots: [join(folder, 'data')] }),
    ).rejects.toMatchObject({
      details: { code: 'INPUT_FORBIDDEN' },
    });
  });
});
