import { describe, expect, it } from 'vitest';
import type { Kernel } from '../../../src/kernels/ir/kernel.ts';
import { lower } from '../../../src/kernels/lower/lower.ts';
import type { Lane } from '../../../src/kernels/wasm/frame.ts';
import * as samples from '../lower/functions.ts';
import { difference, interpret, layout, type Results, type World, world } from '../lower/world.ts';
import { runKernel } from './run-kernel.ts';

/** Room for sums of a hundred terms in either precision. */
const tolerance: Readonly<Record<Lane, number>> = { f32x4: 5e-5, f64x2: 1e-12 };

const named = samples.rowFunctions.map((fn) => ({ name: fn.name, kernel: lower(fn, layout) }));
const numerics = [
  { lane: 'f32x4', fma: true },
  { lane: 'f32x4', fma: false },
  { lane: 'f64x2', fma: true },
  { lane: 'f64x2', fma: false },
] as const;

/** What each kernel must leave in each world, walked once for all numerics. */
const expectations = new Map<string, Results>();
function expected(kernel: Kernel, w: World): Results {
  const key = `${kernel.name} ${w.rows} ${w.setRows.get('sources')}`;
  const known = expectations.get(key) ?? interpret(kernel, w);
  expectations.set(key, known);
  return known;
}

describe.each(numerics)('a row kernel in $lane, madd $fma', ({ lane, fma }) => {
  it.each(named)('$name leaves what the kernel says, for any number of rows', ({ kernel }) => {
    for (const rows of [1, 3, 5, 100, 257]) {
      const w = world(rows, rows, 5);
      const error = difference(runKernel(kernel, { lane, fma }, w), expected(kernel, w));
      expect(error, `${rows} rows`).toBeLessThan(tolerance[lane]);
    }
  });

  it.each(named)('$name does so for no, one and many bound rows', ({ kernel }) => {
    for (const bound of [0, 1, 100]) {
      const w = world(bound, 6, bound, Math.min(bound, 10), 3);
      const error = difference(runKernel(kernel, { lane, fma }, w), expected(kernel, w));
      expect(error, `${bound} bound rows`).toBeLessThan(tolerance[lane]);
    }
  });

  it.each(named)('$name leaves the same bits in a row, however many vectors a pass', ({ kernel }) => {
    const w = world(11, 41, 7);
    const [one, ...others] = [1, 2, 3, 4].map(
      (vectors) => runKernel(kernel, { lane, fma, vectors }, w).planes,
    );
    for (const planes of others) expect(planes).toEqual(one);
  });

  it.each(named)('$name leaves the same bits everywhere, however many bound rows a round', ({ kernel }) => {
    for (const bound of [1, 3, 4, 7]) {
      const w = world(bound, 21, bound, 9, 3);
      const [one, ...others] = [1, 2, 3, 4].map((abreast) => runKernel(kernel, { lane, fma, abreast }, w));
      for (const results of others) expect(results, `${bound} bound rows`).toEqual(one);
    }
  });
});
