import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { call, get } from '../../../src/kernels/wasm/code.ts';
import { type Lane, lanes } from '../../../src/kernels/wasm/frame.ts';
import { ModuleBuilder } from '../../../src/kernels/wasm/module.ts';
import { emitVectorFunctions, type VectorFunctions } from '../../../src/kernels/wasm/vectors.ts';

/** Where tests put things: three areas of 16 KiB. */
const [first, second, third] = [16_384, 32_768, 49_152] as const;

type Run = (...args: readonly number[]) => number;

interface Machine {
  readonly scalars: Float32Array | Float64Array;
  readonly doubles: Float64Array;
  readonly run: Readonly<Record<keyof VectorFunctions, Run>>;
  readonly index: (address: number) => number;
}

/** The helper functions of a lane, each exported. */
function machineOf(lane: Lane): Machine {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const module = new ModuleBuilder({
    module: 'env',
    name: 'memory',
    pagesMin: 1,
    pagesMax: null,
    shared: false,
  });
  const helpers = emitVectorFunctions(module, lane);
  const parameters: Readonly<Record<keyof VectorFunctions, readonly ('f64' | 'i32')[]>> = {
    addDoubles: ['i32', 'i32', 'i32'],
    extremum: ['i32', 'i32', 'i32', 'f64', 'i32', 'i32'],
    fill: ['i32', 'i32', 'i32', 'f64', 'i32'],
    finite: ['i32', 'i32', 'i32', 'i32'],
    reduce: ['i32', 'i32', 'i32'],
    reduceInto: ['i32', 'i32', 'i32'],
    sumRows: ['i32', 'i32'],
  };
  const results = { finite: ['i32'], sumRows: ['f64'] } as const;
  for (const name of Object.keys(parameters) as (keyof VectorFunctions)[]) {
    module.define(
      `run ${name}`,
      {
        parameters: parameters[name].map((type, n) => [`p${n}`, type] as const),
        results: name === 'finite' || name === 'sumRows' ? results[name] : [],
      },
      (body, ...given) => call(helpers[name], ...given.map(get))(body),
    );
  }
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), { env: { memory } });
  const run = Object.fromEntries(
    Object.keys(parameters).map((name) => [name, exports[`run ${name}`] as Run]),
  ) as Machine['run'];
  return {
    scalars: lane === 'f32x4' ? new Float32Array(memory.buffer) : new Float64Array(memory.buffer),
    doubles: new Float64Array(memory.buffer),
    run,
    index: (address) => address / lanes[lane].bytes,
  };
}

describe.each(['f32x4', 'f64x2'] as const)('the vector functions of %s', (lane) => {
  const { count, bytes } = lanes[lane];
  const { scalars, doubles, run, index } = machineOf(lane);
  const round = (x: number): number => (lane === 'f32x4' ? Math.fround(x) : x);
  const values = (length: number): fc.Arbitrary<readonly number[]> =>
    fc.array(
      fc.integer({ min: -1000, max: 1000 }).map((n) => n / 8),
      { minLength: length, maxLength: length },
    );

  it.each(['reduce', 'reduceInto'] as const)('%s: lanes become one number, and the vectors zero', (name) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 23 }).chain((n) => fc.tuple(values(n * count), values(n))),
        ([vectors, before]) => {
          scalars.set(vectors, index(first));
          doubles.set(before, second / 8);
          run[name](first, second, before.length);
          const sums = before.map((b, n) => {
            const sum = vectors.slice(n * count, (n + 1) * count).reduce((a, v) => a + v, 0);
            return name === 'reduce' ? b + sum : sum;
          });
          expect([...doubles.subarray(second / 8, second / 8 + before.length)]).toEqual(sums);
          expect(
            [...scalars.subarray(index(first), index(first) + vectors.length)].every((v) => v === 0),
          ).toBe(true);
        },
      ),
    );
  });

  it('reduce adds the lanes of a vector in the same order wherever the vector stands', () => {
    const vector = Array.from({ length: count }, (_, n) => round([1, 1e-7, -0.3, 3e-8][n] ?? 0));
    const sums = Array.from({ length: 7 }, (_, n) => n).map((total) => {
      scalars.fill(0, index(first), index(first) + 7 * count);
      scalars.set(vector, index(first) + total * count);
      run.reduceInto(first, second, 7);
      return doubles[second / 8 + total];
    });
    expect(new Set(sums).size).toBe(1);
  });

  it('addDoubles adds entry by entry', () => {
    doubles.set([1, 2, 3, 4], first / 8);
    doubles.set([10, 20, 30, 40], second / 8);
    run.addDoubles(first, second, 4);
    expect([...doubles.subarray(first / 8, first / 8 + 4)]).toEqual([11, 22, 33, 44]);
  });

  it('sumRows adds the rows there are and no padding', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 70 }).chain(values), (rows) => {
        scalars.set([...rows, 1e6, 1e6, 1e6], index(first));
        expect(run.sumRows(first, rows.length)).toBe(rows.reduce((a, v) => a + v, 0));
      }),
    );
  });

  it('finite finds a NaN or an infinity anywhere in the planes and looks nowhere else', () => {
    const planeBytes = 4 * 16;
    const stride = planeBytes + 32;
    const at = (plane: number, scalar: number): number => index(first) + (plane * stride) / bytes + scalar;
    scalars.fill(1, index(first), index(first) + (3 * stride) / bytes);
    scalars[at(0, planeBytes / bytes)] = Number.NaN; // between two planes
    expect(run.finite(first, stride, 3, planeBytes)).toBe(1);
    for (const bad of [Number.NaN, Infinity, -Infinity]) {
      for (const [plane, scalar] of [
        [0, 0],
        [1, 3],
        [2, planeBytes / bytes - 1],
      ] as const) {
        scalars[at(plane, scalar)] = bad;
        expect(run.finite(first, stride, 3, planeBytes)).toBe(0);
        scalars[at(plane, scalar)] = 1;
      }
    }
  });

  it('extremum keeps the first row that attains the best value, over several calls', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, -1),
        fc.array(values(5), { minLength: 1, maxLength: 4 }),
        (sign, blocks) => {
          doubles[second / 8] = 0;
          doubles[third / 8] = -1;
          for (const [n, rows] of blocks.entries()) {
            scalars.set(rows, index(first));
            run.extremum(first, 5, 100 + 5 * n, sign, second, third);
          }
          const all = blocks.flat().map((v) => sign * v);
          const best = Math.min(...all);
          expect(doubles[second / 8]).toBe(sign * best);
          expect(doubles[third / 8]).toBe(100 + all.indexOf(best));
        },
      ),
    );
  });

  it('extremum lets a NaN stand, so that it is found', () => {
    scalars.set([3, Number.NaN, 1], index(first));
    doubles[third / 8] = -1;
    run.extremum(first, 3, 0, 1, second, third);
    expect(doubles[second / 8]).toBeNaN();
    expect(doubles[third / 8]).toBe(1);
  });

  it.each([
    ['every row', -1, [7, 7, 7, 7, 7]],
    ['one row', 2, [0, 0, 7, 0, 0]],
    ['no row, where the row is of another block', 5, [0, 0, 0, 0, 0]],
  ])('fill writes %s and zeroes the padding', (_, row, expected) => {
    const padded = Math.ceil(5 / count) * count;
    scalars.fill(9, index(first), index(first) + padded + 1);
    run.fill(first, 5, padded * bytes, 7, row);
    const found = [...scalars.subarray(index(first), index(first) + padded + 1)];
    expect(found.slice(0, 5)).toEqual(expected);
    expect(found.slice(5, padded).every((v) => v === 0)).toBe(true);
    expect(found[padded]).toBe(9);
  });
});
