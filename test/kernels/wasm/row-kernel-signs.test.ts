import { describe, expect, it } from 'vitest';
import { lower } from '../../../src/kernels/lower/lower.ts';
import { signsOf } from '../../../src/kernels/wasm/row-kernel-signs.ts';
import * as samples from '../lower/functions.ts';
import { interpret, layout, world } from '../lower/world.ts';

describe('the signs of a kernel’s values', () => {
  it.each(samples.rowFunctions.map((fn) => [fn.name, lower(fn, layout)] as const))(
    'hold for every value of %s in any world',
    (_, kernel) => {
      const signs = signsOf(kernel);
      const broken: string[] = [];
      for (const seed of [1, 2, 3]) {
        interpret(kernel, world(seed, 4, 5), (id, value) => {
          if ((signs[id] === 1 && value < 0) || (signs[id] === -1 && value > 0))
            broken.push(`value ${id} is ${value}`);
        });
      }
      expect(broken).toEqual([]);
    },
  );

  it('show that the argument of a Gaussian is never positive', () => {
    const kernel = lower(samples.gaussianSum, layout);
    const signs = signsOf(kernel);
    const args = kernel.values.flatMap((v) => (v.kind === 'apply' && v.op === 'exp2' ? v.args : []));
    expect(args.map((id) => signs[id])).toEqual([-1]);
  });

  it('do not claim it of a difference of scores', () => {
    const kernel = lower(samples.logSumExp, layout);
    const signs = signsOf(kernel);
    const args = kernel.values.flatMap((v) => (v.kind === 'apply' && v.op === 'exp2' ? v.args : []));
    expect(args.map((id) => signs[id])).toEqual([null]);
  });
});
