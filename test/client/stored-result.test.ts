import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readResult } from '../../src/client/stored-result.ts';
import { type JobObject, run } from '../../src/index.ts';
import { temporaryFolder } from '../arrays/folder.ts';

const job: JobObject = {
  sources: { q: { normal: [0, 1], dim: 2, seed: 3 }, rows: 5 },
  tracers: { x: { uniform: [-1, 1], dim: 2, seed: 7 }, rows: 1100 },
  flow: { x: 'mean(j, exp(-sqdist(x, q[j])) * (q[j] - x))', q: '-0.3 * q' },
  integrate: { scheme: 'heun', from: 0, to: 1, steps: 3 },
  loss: 'mean(i, sqnorm(x))',
  gradient: ['q', 'x'],
  values: { reach: 'sqnorm(x)' },
  shards: 3,
};

it.each(['npy', 'zarr'] as const)(
  'a folder of %s results is read as the run that wrote it returned them',
  async (format) => {
    const wanted = { ...job, output: { save: ['final', 'trajectory'], format } } as JobObject;
    const here = await run(wanted);
    const { folder } = await run(wanted, { out: join(await temporaryFolder(), 'out') });
    const read = await readResult(folder!, true);
    for (const kind of ['gradient', 'values', 'final', 'trajectory'] as const) {
      expect(Object.keys(read[kind]).sort()).toEqual(Object.keys(here[kind]).sort());
      for (const [field, tensor] of Object.entries(here[kind])) expect(read[kind][field]).toEqual(tensor);
    }
    expect(Object.keys((await readResult(folder!, false)).gradient)).toEqual(['q']);
  },
);
