import { describe, expect, it } from 'vitest';
import type { OpName } from '../../../src/kernels/ops/table.ts';
import { relaxedMadd } from '../../../src/worker/engine/wasm/relaxed.ts';
import { instructionsOf, type LaneOptions, laneFunction } from './lane-function.ts';

const fma = relaxedMadd() !== 'absent';
const variants: readonly LaneOptions[] = [
  { lane: 'f32x4', fma: false },
  { lane: 'f64x2', fma: false },
  ...(fma
    ? ([
        { lane: 'f32x4', fma },
        { lane: 'f64x2', fma },
      ] as const)
    : []),
];
const { POSITIVE_INFINITY: infinity, NaN: nan } = Number;

/** op at each row of arguments. */
function at(op: OpName, options: LaneOptions, ...rows: readonly (readonly number[])[]): readonly number[] {
  const arity = rows[0]?.length ?? 0;
  const columns = Array.from({ length: arity }, (_, k) => Float64Array.from(rows, (row) => row[k] ?? nan));
  return [...laneFunction(op, options)(...columns)];
}

const grid = (low: number, high: number, count: number): readonly (readonly number[])[] =>
  Array.from({ length: count }, (_, k) => [low + ((high - low) * k) / (count - 1)]);

describe.each(variants)('in $lane, fma $fma', (options) => {
  const bias = options.lane === 'f32x4' ? 127 : 1023;

  it('exp2 is exact at whole numbers', () => {
    const whole = grid(1 - bias, bias, 2 * bias);
    expect(at('exp2', options, ...whole)).toEqual(whole.map(([n = 0]) => 2 ** n));
  });

  it('exp2 and exp are 0 where they underflow', () => {
    expect(at('exp2', options, [-bias], [-1e4], [-1e30], [-infinity])).toEqual([0, 0, 0, 0]);
    expect(at('exp', options, [-bias * Math.LN2], [-1e4], [-1e30], [-infinity])).toEqual([0, 0, 0, 0]);
    const below = at('exp2', options, ...grid(-bias - 3, -bias, 4001));
    expect(below.filter((y) => y !== 0)).toEqual([]);
  });

  it('exp2 and exp are infinite where they overflow', () => {
    const over = [bias + 1, bias + 1.25, 2 * bias, 1e4, 1e30, infinity].map((x) => [x]);
    expect(at('exp2', options, ...over)).toEqual(over.map(() => infinity));
    expect(at('exp', options, ...over)).toEqual(over.map(() => infinity));
  });

  it('logarithms are −∞ at 0, ∞ at ∞ and not a number below 0', () => {
    for (const op of ['log', 'log2'] as const) {
      expect(at(op, options, [0], [infinity], [-1], [-infinity], [1])).toEqual([
        -infinity,
        infinity,
        nan,
        nan,
        0,
      ]);
    }
  });

  it('powers of 0, 1 and ∞ are those of JavaScript, and a negative base has none', () => {
    const rows = [
      [0, 2],
      [0, 0.75],
      [0, -1],
      [0, 0],
      [1, 1e3],
      [infinity, 0.5],
      [infinity, -2],
      [2, -1e4],
      [2, 1e4],
      [0.5, 1e4],
    ];
    expect(at('pow', options, ...rows)).toEqual(rows.map(([x = 0, y = 0]) => x ** y));
    expect(at('pow', options, [-2, 2])).toEqual([nan]);
  });

  it('rsqrt is 0 at 0 and at −0', () => {
    expect(at('rsqrt', options, [0], [-0], [4])).toEqual([0, 0, 0.5]);
  });

  it('round goes half away from zero, up to where every number is whole', () => {
    const half = 0.5 - 2 ** (options.lane === 'f32x4' ? -25 : -54);
    const large = 2 ** (options.lane === 'f32x4' ? 23 : 52);
    const rows = [
      [0.5],
      [1.5],
      [2.5],
      [-0.5],
      [-2.5],
      [half],
      [-half],
      [large - 0.5],
      [large + 1],
      [-large - 1],
    ];
    const expected = [1, 2, 3, -1, -3, 0, -0, large, large + 1, -large - 1];
    expect(at('round', options, ...rows)).toEqual(expected);
  });

  it('mod has the sign of the divisor, and stays below it', () => {
    expect(at('mod', options, [7, 3], [-7, 3], [7, -3], [-7, -3], [6, 3])).toEqual([1, 2, -2, -1, 0]);
    // x/n rounds up to a whole number here; the remainder is still just below n.
    const n = 0.1;
    const below =
      options.lane === 'f32x4' ? Math.fround(3 * Math.fround(n)) * (1 - 2 ** -24) : 0.3 * (1 - 2 ** -53);
    const [r = nan] = at('mod', options, [below, n]);
    expect(r).toBeGreaterThanOrEqual(0);
    expect(r).toBeLessThanOrEqual(n * (1 + 2 ** -23));
  });

  it('atan2 finds the quadrant, and 0 at the origin', () => {
    const rows = [
      [1, 1],
      [1, -1],
      [-1, -1],
      [-1, 1],
      [0, 0],
      [0, 2],
      [0, -2],
      [3, 0],
      [-3, 0],
      [1e-30, 1e30],
    ];
    const angles = at('atan2', options, ...rows);
    rows.forEach(([y = 0, x = 0], k) => {
      expect(angles[k]).toBeCloseTo(Math.atan2(y, x), 6);
    });
  });

  it('saturating functions reach their limits', () => {
    for (const x of [30, 1e10, infinity]) {
      expect(at('tanh', options, [x], [-x])).toEqual([1, -1]);
      expect(at('erf', options, [x], [-x])).toEqual([1, -1]);
    }
    expect(at('sigmoid', options, [1e3], [-1e3], [infinity], [-infinity])).toEqual([1, 0, 1, 0]);
    expect(at('atan', options, [infinity], [-infinity])[0]).toBeCloseTo(Math.PI / 2, 6);
  });

  it('odd functions keep small arguments', () => {
    const small = 1e-30;
    for (const op of ['sin', 'tan', 'asin', 'atan', 'tanh'] as const) {
      const [value = nan] = at(op, options, [small]);
      expect(Math.abs(value / small - 1)).toBeLessThan(1e-6);
    }
  });

  it('a sine stays within [−1, 1], however large its argument', () => {
    const large = Array.from({ length: 30 }, (_, k) => [3.3 * 10 ** (k + 6)]);
    for (const op of ['sin', 'cos'] as const) {
      const values = at(op, options, ...large);
      expect(values.filter((v) => !(Math.abs(v) <= 1))).toEqual([]);
      expect(at(op, options, [infinity], [-infinity], [nan])).toEqual([nan, nan, nan]);
    }
  });

  it('inverse sines beyond 1 are not numbers', () => {
    for (const op of ['asin', 'acos'] as const) {
      expect(at(op, options, [1.001], [-2])).toEqual([nan, nan]);
      const ends = at(op, options, [1], [-1]);
      expect(ends[0]).toBeCloseTo(Math[op](1), 6);
      expect(ends[1]).toBeCloseTo(Math[op](-1), 6);
    }
  });

  it('the first argument wins ties and the second’s NaN is not lost', () => {
    expect(at('min', options, [1, 2], [2, 1], [nan, 1], [1, nan])).toEqual([1, 1, nan, nan]);
    expect(at('max', options, [1, 2], [2, 1], [nan, 1], [1, nan])).toEqual([2, 2, nan, nan]);
    expect(at('relu', options, [-1], [nan], [2])).toEqual([0, nan, 2]);
  });
});

describe('exp2', () => {
  it('takes twelve instructions beside reads of locals and constants', () => {
    const names = instructionsOf('exp2', { lane: 'f32x4', fma: true })
      .map(({ name }) => name)
      .filter((name) => !/^local|const$/.test(name));
    expect(names).toMatchInlineSnapshot(`
      [
        "f32x4.pmin",
        "f32x4.pmax",
        "f32x4.add",
        "f32x4.sub",
        "f32x4.sub",
        "f32x4.relaxed_madd",
        "f32x4.relaxed_madd",
        "f32x4.relaxed_madd",
        "f32x4.relaxed_madd",
        "f32x4.relaxed_madd",
        "i32x4.shl",
        "i32x4.add",
      ]
    `);
  });
});
