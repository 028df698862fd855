import { execFileSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openArray } from '../src/arrays/open.ts';
import { publicReach } from '../src/arrays/reach.ts';
import { type JobObject, run, type Tensors } from '../src/index.ts';
import { temporaryFolder } from './arrays/folder.ts';
import { pythonWith } from './python.ts';

/** Six blocks of tracers in four shards, so that shards and chunks do not have the same edges. */
const job: JobObject = {
  name: 'rows in chunks',
  sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, p: { normal: [0, 0.3], dim: 2, seed: 2 }, rows: 5 },
  tracers: { x: { uniform: [-1, 1], dim: 2, seed: 3 }, w: { linspace: [0.1, 1] }, rows: 1500 },
  let: { 'K(a, b)': 'exp(-sqdist(a, b) / 0.49)' },
  flow: { x: 'sum(j, K(x, q[j]) * p[j])' },
  integrate: { scheme: 'ralston', from: 0, to: 1, steps: 6 },
  loss: 'mean(i, w * sqnorm(x))',
  gradient: ['p', 'x', 'w'],
  values: { density: 'sum(j, K(x, q[j]))' },
  output: { save: ['final', 'trajectory'], every: 4, format: 'zarr' },
  shards: 4,
};

const arrays = [
  'final/x',
  'gradient/x',
  'gradient/w',
  'trajectory/x',
  'trajectory/t',
  'values/density',
] as const;

/** What a run without a folder gives. */
async function expected(): Promise<ReadonlyMap<string, Tensors[string]>> {
  const result = await run(job, { threads: 1 });
  return new Map(
    arrays.map((path) => {
      const [kind, name] = path.split('/') as ['final' | 'gradient' | 'trajectory' | 'values', string];
      return [path, result[kind][name]!];
    }),
  );
}

describe('a run with `format: zarr`', () => {
  it('writes the tracers’ results as one group of raw chunks, the rest as npy and npz', async () => {
    const parent = await temporaryFolder();
    const { folder } = await run(job, { threads: 1, out: join(parent, 'out') });
    expect((await readdir(folder!)).sort()).toEqual([
      'gradient.npz',
      'job.yaml',
      'result.json',
      'tracers.zarr',
      'trajectory',
    ]);
    for (const [path, tensor] of await expected()) {
      const opened = await openArray(`tracers.zarr#${path}`, 'x', folder!, publicReach);
      if (opened.kind !== 'array') throw new Error('a path is an array');
      expect(opened.array.shape, path).toEqual(tensor.shape);
      expect([...(await opened.array.elements(0, tensor.data.length))], path).toEqual([...tensor.data]);
    }
  });

  it('leaves no group where nothing is of the size of the tracers, and no folder when it is stopped', async () => {
    const parent = await temporaryFolder();
    const plain = { ...job, gradient: ['p'], output: { format: 'zarr' as const }, values: {} };
    const { folder } = await run(plain, { threads: 1, out: join(parent, 'out') });
    expect((await readdir(folder!)).sort()).toEqual(['gradient.npz', 'job.yaml', 'result.json']);
    // A loss that is not linear in its sums has a phase of its own for them, which is told.
    const stop = new AbortController();
    const stopped = run(
      { ...job, loss: 'log(mean(i, w * exp(-sqnorm(x))))' },
      {
        threads: 1,
        out: join(parent, 'stopped'),
        signal: stop.signal,
        onProgress: ({ phase }) => {
          if (phase === 'sums') stop.abort();
        },
      },
    );
    await expect(stopped).rejects.toMatchObject({ tag: 'AbortedError' });
    expect(await readdir(parent)).toEqual(['out']);
  });

  const python = pythonWith('xarray, zarr');
  it.skipIf(python === null)(
    `is opened by zarr-python and xarray as it is${python === null ? ' (skipped: no Python with xarray and zarr ≥ 3 here)' : ''}`,
    async () => {
      const parent = await temporaryFolder();
      const { folder } = await run(job, { threads: 1, out: join(parent, 'out') });
      const script = `
import json, sys, warnings
warnings.simplefilter("error")
import xarray, zarr
path = sys.argv[1]
group = zarr.open_group(path, mode="r")
tree = xarray.open_datatree(path, engine="zarr")
alone = xarray.open_zarr(path, group="trajectory")
seen = {}
for name, array in group.members(max_depth=None):
    if isinstance(array, zarr.Array):
        labelled = tree[name]
        assert (labelled.values == array[...]).all()
        seen[name] = dict(shape=array.shape, dims=labelled.dims, dtype=str(array.dtype), data=array[...].ravel().tolist())
print(json.dumps(dict(arrays=seen, attributes=dict(tree.attrs), times=alone.t.values.tolist(), end=alone.x.sel(t=1.0).shape)))
`;
      const text = execFileSync(python!, ['-c', script, join(folder!, 'tracers.zarr')], { encoding: 'utf8' });
      const seen = JSON.parse(text) as {
        arrays: Record<string, { shape: number[]; dims: string[]; dtype: string; data: number[] }>;
        attributes: Record<string, string>;
        times: number[];
        end: number[];
      };
      const wanted = await expected();
      expect(Object.keys(seen.arrays).sort()).toEqual([...arrays].sort());
      for (const [path, tensor] of wanted) {
        expect(seen.arrays[path]).toMatchObject({ shape: tensor.shape, data: [...tensor.data] });
      }
      const dims = Object.fromEntries(Object.entries(seen.arrays).map(([path, array]) => [path, array.dims]));
      expect(dims).toEqual({
        'final/x': ['tracer', 'x_component'],
        'gradient/x': ['tracer', 'x_component'],
        'gradient/w': ['tracer'],
        'trajectory/x': ['t', 'tracer', 'x_component'],
        'trajectory/t': ['t'],
        'values/density': ['tracer'],
      });
      expect(seen.arrays['final/x']!.dtype).toBe('float32');
      expect(seen.times).toEqual([...wanted.get('trajectory/t')!.data]);
      expect(seen.end).toEqual([1500, 2]);
      expect(seen.attributes).toMatchObject({ job: 'rows in chunks' });
    },
  );
});
