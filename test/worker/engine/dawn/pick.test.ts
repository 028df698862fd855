import { describe, expect, test } from 'vitest';
import type { Gpu } from '../../../../src/worker/engine/dawn/adapters.ts';
import { pickGpus } from '../../../../src/worker/engine/dawn/pick.ts';

function gpu(index: number, name: string, software: boolean): Gpu {
  return {
    index,
    adapter: { name, software, backend: 'vulkan', vendor: '', architecture: '', driver: '', limits: {} },
    place: null,
    environment: {},
  };
}

const twins = [gpu(0, 'RTX 4090', false), gpu(1, 'llvmpipe', true), gpu(2, 'RTX 4090', false)];
const software = [gpu(0, 'llvmpipe', true), gpu(1, 'llvmpipe', true)];

/** GPUs, whether software will do, what `--devices` says, the numbers picked. */
const table: readonly (readonly [
  string,
  readonly Gpu[],
  boolean,
  readonly number[] | null,
  readonly number[],
])[] = [
  ['all hardware GPUs, identical ones too', twins, false, null, [0, 2]],
  ['no software adapter beside hardware', twins, true, null, [0, 2]],
  ['no software adapter where none is asked for', software, false, null, []],
  ['one software adapter where it is better than nothing', software, true, null, [0]],
  ['nothing of nothing', [], true, null, []],
  ['what is named, in that order', twins, false, [2, 0], [2, 0]],
  ['a software adapter that is named', twins, true, [1], [1]],
];

describe('the GPUs that compute', () => {
  test.each(table)('are %s', (_, gpus, withSoftware, devices, picked) => {
    expect(pickGpus(gpus, { software: withSoftware, devices }).map((g) => g.index)).toEqual(picked);
  });

  test.each([
    [twins, 3, 'device 3 is not here; there are 0, 2 (see `skewflow devices`)'],
    [
      twins,
      1,
      'device 1 is a software adapter, which only `--engine webgpu` uses; there are 0, 2 (see `skewflow devices`)',
    ],
    [
      software,
      0,
      'device 0 is a software adapter, which only `--engine webgpu` uses; there is no hardware GPU (see `skewflow devices`)',
    ],
  ])('are not others than there are', (gpus, index, message) => {
    expect(() => pickGpus(gpus, { software: false, devices: [index] })).toThrow(message);
  });
});
