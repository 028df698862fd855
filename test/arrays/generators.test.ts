import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type GeneratorSpec, openGenerator } from '../../src/arrays/generators.ts';
import { generatedRows } from '../../src/arrays/rows.ts';

const rows = 20_000;

function moments(values: ArrayLike<number>): {
  mean: number;
  variance: number;
  skewness: number;
  kurtosis: number;
} {
  const all = Array.from(values);
  const mean = all.reduce((sum, x) => sum + x, 0) / all.length;
  const central = (power: number): number =>
    all.reduce((sum, x) => sum + (x - mean) ** power, 0) / all.length;
  const variance = central(2);
  return { mean, variance, skewness: central(3) / variance ** 1.5, kurtosis: central(4) / variance ** 2 };
}

const specs: readonly GeneratorSpec[] = [
  { uniform: [-1, 3], dim: 2, seed: 7 },
  { normal: [1, 2], dim: 3, seed: 8 },
  {
    grid: [
      [0, 1, 5],
      [-1, 1, 8],
    ],
  },
  { linspace: [2, 5] },
  { constant: [1, 2, 3] },
  { constant: 4 },
];

describe.each(specs)('the generator %j', (spec) => {
  test('makes the same numbers for a range of rows as for the whole', () => {
    const generator = openGenerator(spec, 'x');
    const count = generator.rows ?? 40;
    const whole = generator.make(0, count, count);
    expect(whole).toHaveLength(count * generator.width);
    fc.assert(
      fc.property(fc.nat(count), fc.nat(count), (a, b) => {
        const [begin, end] = [Math.min(a, b), Math.max(a, b)];
        const part = generator.make(begin, end, count);
        expect(part).toEqual(whole.slice(begin * generator.width, end * generator.width));
      }),
      { numRuns: 30 },
    );
  });
});

describe('uniform', () => {
  const generator = openGenerator({ uniform: [-1, 3], dim: 1, seed: 5 }, 'x');

  test('has the moments of a uniform distribution', () => {
    const { mean, variance, kurtosis } = moments(generator.make(0, rows, rows));
    // Standard errors at 20 000 draws: mean 0.008, variance 0.008.
    expect(mean).toBeCloseTo(1, 1);
    expect(Math.abs(variance - 16 / 12)).toBeLessThan(0.04);
    expect(Math.abs(kurtosis - 1.8)).toBeLessThan(0.05);
  });

  test('stays in its interval', () => {
    expect(generator.make(0, rows, rows).every((x) => x >= -1 && x < 3)).toBe(true);
  });

  test('gives numbers that never change between versions', () => {
    const values = openGenerator({ uniform: [0, 1], dim: 2, seed: 1 }, 'x').make(0, 2, 2);
    expect([...values]).toMatchInlineSnapshot(`
      [
        0.8778463000694994,
        0.7515041708025241,
        0.580670646387211,
        0.5767096829110057,
      ]
    `);
  });
});

describe('normal', () => {
  const generator = openGenerator({ normal: [1, 2], dim: 1, seed: 3 }, 'p');

  test('has the moments of a normal distribution', () => {
    const { mean, variance, skewness, kurtosis } = moments(generator.make(0, rows, rows));
    expect(Math.abs(mean - 1)).toBeLessThan(0.06);
    expect(Math.abs(variance - 4)).toBeLessThan(0.17);
    expect(Math.abs(skewness)).toBeLessThan(0.08);
    expect(Math.abs(kurtosis - 3)).toBeLessThan(0.16);
  });

  test('gives numbers that never change between versions', () => {
    const values = openGenerator({ normal: [0, 1], dim: 2, seed: 1 }, 'x').make(0, 2, 2);
    expect([...values]).toMatchInlineSnapshot(`
      [
        -0.5053144876707724,
        -0.7214190252878202,
        -1.0401728936010102,
        -0.11447687887281573,
      ]
    `);
  });
});

test('rows, components, seeds and names all give different numbers', () => {
  const draw = (seed: number, name: string): number[] => [
    ...openGenerator({ uniform: [0, 1], dim: 2, seed }, name).make(0, 3, 3),
  ];
  const all = [...draw(1, 'x'), ...draw(2, 'x'), ...draw(1, 'y')];
  expect(new Set(all).size).toBe(all.length);
});

test('rows beyond 2³² have numbers of their own', () => {
  const generator = openGenerator({ uniform: [0, 1] }, 'x');
  const far = 2 ** 32;
  expect(generator.make(far, far + 1, 2 ** 33)).not.toEqual(generator.make(0, 1, 2 ** 33));
});

test('a grid is row-major with the last axis fastest and both ends in it', () => {
  const grid = openGenerator(
    {
      grid: [
        [0, 1, 2],
        [10, 20, 3],
      ],
    },
    'x',
  );
  expect(grid.rows).toBe(6);
  expect([...grid.make(0, 6, 6)]).toEqual([0, 10, 0, 15, 0, 20, 1, 10, 1, 15, 1, 20]);
});

test('linspace ends at its ends exactly', () => {
  const values = openGenerator({ linspace: [0, 0.3] }, 'x').make(0, 4, 4);
  expect(values[0]).toBe(0);
  expect(values[3]).toBe(0.3);
  expect(values[1]).toBeCloseTo(0.1, 15);
  expect([...openGenerator({ linspace: [2, 5] }, 'x').make(0, 1, 1)]).toEqual([2]);
});

test('a constant repeats its vector', () => {
  const generator = openGenerator({ constant: [1, 0, 2] }, 'x');
  expect([...generator.make(5, 7, 10)]).toEqual([1, 0, 2, 1, 0, 2]);
});

test('many rows are made in turns with whatever else the process does, and are the same', async () => {
  const generator = openGenerator({ normal: [0, 1], dim: 3, seed: 9 }, 'x');
  const many = 200_000;
  let [turns, over] = [0, false];
  const other = (async (): Promise<void> => {
    for (; !over; turns++) await new Promise((resolve) => setImmediate(resolve));
  })();
  const rows = await generatedRows(generator, many).read(7, many);
  over = true;
  await other;
  expect(Buffer.from(rows.buffer).equals(Buffer.from(generator.make(7, many, many).buffer))).toBe(true);
  expect(turns).toBeGreaterThan(3);
});
