/** How well do extrapolated differences know a derivative, and do they say so? */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { derivativeAt0 } from '../../src/inspect/differences.ts';

const of =
  (f: (s: number) => number): ((s: number) => Promise<number>) =>
  async (s) =>
    f(s);

describe('derivativeAt0', () => {
  test.each<[string, (s: number) => number, number]>([
    ['exp', Math.exp, 1],
    ['a fast oscillation', (s) => Math.sin(1e4 * s), 1e4],
    ['a function with a pole nearby', (s) => 1 / (1e-3 + s), -1e6],
    ['a function that is not defined far from 0', (s) => Math.log(1e-4 + s), 1e4],
  ])('%s', async (_, f, derivative) => {
    const { value, uncertainty } = await derivativeAt0(of(f), 1 / 32, 0);
    expect(Math.abs(value - derivative)).toBeLessThan(1e-8 * Math.abs(derivative));
    expect(uncertainty).toBeLessThan(1e-7 * Math.abs(derivative));
  });

  test('polynomials up to rounding', async () => {
    const coefficient = fc.double({ min: -10, max: 10, noNaN: true });
    await fc.assert(
      fc.asyncProperty(fc.array(coefficient, { minLength: 2, maxLength: 7 }), async (c) => {
        const f = (s: number): number => c.reduceRight((sum, a) => sum * s + a, 0);
        const { value } = await derivativeAt0(of(f), 1 / 32, 0);
        expect(Math.abs(value - c[1]!)).toBeLessThan(1e-10);
      }),
    );
  });

  test('stops as soon as it knows enough', async () => {
    let calls = 0;
    const counted = async (s: number): Promise<number> => {
      calls++;
      return Math.sin(s);
    };
    await derivativeAt0(counted, 1 / 32, 1e-6);
    expect(calls).toBeLessThanOrEqual(6);
  });

  test('does not claim to know the derivative at a kink', async () => {
    const { value } = await derivativeAt0(
      of((s) => Math.max(s, 0)),
      1 / 32,
      1e-9,
    );
    // Central differences of a kink settle on the mean of both slopes.
    expect(value).toBeCloseTo(0.5, 12);
  });

  test('is not a number where the loss is none', async () => {
    const { value, uncertainty } = await derivativeAt0(
      of(() => Number.NaN),
      1,
      1e-6,
    );
    expect(value).toBeNaN();
    expect(uncertainty).toBe(Number.POSITIVE_INFINITY);
  });
});
