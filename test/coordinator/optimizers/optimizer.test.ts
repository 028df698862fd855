/** Where the optimisers end, from where they start: published minima, bounds, limits, and what cannot be minimised. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OptimizerState } from '../../../src/coordinator/optimizers/optimizer.ts';
import { decodeData, encodeData } from '../../../src/coordinator/plain-data.ts';
import { functions, sumOfSquares } from './functions.ts';
import { minimise, rulesFor } from './minimise.ts';

/** ½ Σ aᵢ (xᵢ − cᵢ)², whose minimum in a box is the nearest point to c. */
const bowl =
  (a: readonly number[], c: readonly number[]) =>
  (x: Float64Array): { loss: number; gradient: Float64Array } => ({
    loss: x.reduce((sum, v, i) => sum + (a[i]! * (v - c[i]!) ** 2) / 2, 0),
    gradient: x.map((v, i) => a[i]! * (v - c[i]!)),
  });

const rounded = ({ loss, gradient }: { loss: number; gradient: Float64Array }) => ({
  loss: Math.fround(loss),
  gradient: gradient.map(Math.fround),
});

describe('L-BFGS', () => {
  it.each(functions)('finds the published minimum of $title', (f) => {
    const { reason, optimum } = minimise(rulesFor(f.start.length), f.start, (x) => sumOfSquares(f, x));
    expect(reason).toBe('gradient');
    expect(Math.abs(optimum.loss - f.minimum)).toBeLessThan(1e-8 + 1e-6 * f.minimum);
    for (const [i, value] of (f.at ?? []).entries()) expect(optimum.point[i]).toBeCloseTo(value, 4);
  });

  it.each(functions.filter(({ title }) => !/badly|Wood/u.test(title)))(
    'ends for a reason, near the minimum, when values and gradients of $title have 24 bits',
    (f) => {
      const rules = rulesFor(f.start.length, { noise: 1e-6, decreaseTolerance: 1e-12 });
      const { reason, optimum, steps } = minimise(rules, f.start, (x) =>
        rounded(sumOfSquares(f, x.map(Math.fround))),
      );
      expect(['gradient', 'precision']).toContain(reason);
      expect(Math.abs(optimum.loss - f.minimum)).toBeLessThan(1e-6 + 1e-6 * f.minimum);
      expect(steps.at(-1)!.evaluations).toBeLessThan(200);
    },
  );

  it('accepts only steps that satisfy the strong Wolfe conditions', () => {
    const f = functions[0]!;
    const { asked, steps } = minimise(rulesFor(2), f.start, (x) => sumOfSquares(f, x));
    const points = steps.map(({ evaluations }) => asked[evaluations - 1]!);
    for (let k = 0; k + 1 < points.length - 1; k++) {
      const [from, to] = [points[k]!, points[k + 1]!];
      const [a, b] = [sumOfSquares(f, from), sumOfSquares(f, to)];
      const along = (g: Float64Array): number => g.reduce((sum, v, i) => sum + v * (to[i]! - from[i]!), 0);
      expect(b.loss).toBeLessThanOrEqual(a.loss + 1e-4 * along(a.gradient));
      expect(Math.abs(along(b.gradient))).toBeLessThanOrEqual(0.9 * Math.abs(along(a.gradient)));
    }
  });

  it('goes back from where the loss is not finite', () => {
    // x² − log x has its minimum at √½, and nothing left of 0; the second function ends in a wall at 2.9.
    const barrier = (x: Float64Array) => {
      const v = x[0]!;
      return v > 0
        ? { loss: v * v - Math.log(v), gradient: Float64Array.of(2 * v - 1 / v) }
        : { loss: Infinity, gradient: new Float64Array(0) };
    };
    const { optimum, reason, asked } = minimise(rulesFor(1), [1.7], barrier);
    expect(reason).toBe('gradient');
    expect(optimum.point[0]).toBeCloseTo(Math.SQRT1_2, 6);
    const wall = (x: Float64Array) => (x[0]! < 2.9 ? bowl([1], [2.5])(x) : barrier(Float64Array.of(-1)));
    const walled = minimise(rulesFor(1), [2.9 - 4.5], wall);
    expect(walled.optimum.point[0]).toBeCloseTo(2.5, 6);
    expect(asked.length + walled.asked.length).toBeLessThan(40);
  });

  it('stops where no step along the gradient lowers the loss, and keeps the best point', () => {
    const wrong = (x: Float64Array) => ({
      loss: bowl([1.1, 2.3], [0.3, 0.7])(x).loss,
      gradient: x.map(() => -1.3),
    });
    const { reason, optimum } = minimise(rulesFor(2), [0.3, 0.7], wrong);
    expect(reason).toBe('precision');
    expect([...optimum.point]).toEqual([0.3, 0.7]);
  });
});

describe('bounds', () => {
  const problem = fc.integer({ min: 1, max: 6 }).chain((n) => {
    const numbers = (min: number, max: number) =>
      fc.array(fc.double({ min, max, noNaN: true }), { minLength: n, maxLength: n });
    return fc.record({
      a: numbers(0.1, 30),
      c: numbers(-3, 3),
      low: numbers(-2, 0),
      wide: numbers(0.01, 2),
      share: numbers(0, 1),
    });
  });

  it('lead to the nearest allowed point of a separable bowl, without ever leaving the box', () => {
    fc.assert(
      fc.property(problem, ({ a, c, low, wide, share }) => {
        const [lower, upper] = [Float64Array.from(low), Float64Array.from(low, (l, i) => l + wide[i]!)];
        const start = low.map((l, i) => l + share[i]! * (upper[i]! - l));
        const { optimum, asked } = minimise(rulesFor(a.length, { box: { lower, upper } }), start, bowl(a, c));
        const nearest = c.map((v, i) => Math.min(Math.max(v, lower[i]!), upper[i]!));
        for (const [i, v] of nearest.entries()) expect(Math.abs(optimum.point[i]! - v)).toBeLessThan(1e-4);
        for (const x of asked) {
          expect(x.every((v, i) => v >= lower[i]! && v <= upper[i]!)).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });

  it.each(['adam', 'gd'] as const)('hold %s inside', (method) => {
    const box = { lower: Float64Array.of(-0.2, 0.3), upper: Float64Array.of(0.5, 2) };
    const rules = rulesFor(2, { method, box, rate: 0.05, iterations: 300 });
    const { optimum, asked } = minimise(rules, [0.1, 1.9], bowl([1.3, 0.7], [0.9, 0.1]));
    expect([...optimum.point]).toEqual([0.5, 0.3]);
    expect(asked.every((x) => x[0]! <= 0.5 && x[1]! >= 0.3)).toBe(true);
  });
});

describe('gradient descent', () => {
  it('follows xₖ = c + (1 − rate a)ᵏ (x₀ − c) on a bowl', () => {
    const rules = rulesFor(2, { method: 'gd', rate: 0.1, iterations: 30 });
    const { asked } = minimise(rules, [1.1, -0.7], bowl([3.1, 0.9], [0.2, 0.4]));
    for (const [k, x] of asked.entries()) {
      expect(x[0]).toBeCloseTo(0.2 + 0.69 ** k * 0.9, 12);
      expect(x[1]).toBeCloseTo(0.4 - 0.91 ** k * 1.1, 12);
    }
    expect(asked.length).toBe(31);
  });

  it('says what to do when its rate is too large', () => {
    const cubic = (x: Float64Array) => ({ loss: x[0]! ** 4, gradient: Float64Array.of(4 * x[0]! ** 3) });
    const finite = (x: Float64Array) => {
      const seen = cubic(x);
      return Number.isFinite(seen.loss) ? seen : { loss: Infinity, gradient: new Float64Array(0) };
    };
    expect(() => minimise(rulesFor(1, { method: 'gd', rate: 10 }), [1.3], finite)).toThrow(/lower `rate`/u);
  });
});

describe('Adam', () => {
  it('takes the steps of the paper', () => {
    const rules = rulesFor(1, { method: 'adam', rate: 0.1, iterations: 3 });
    const slope = (x: Float64Array) => ({ loss: x[0]! ** 2, gradient: Float64Array.of(2 * x[0]!) });
    const { asked } = minimise(rules, [0.7], slope);
    let [x, m, v] = [0.7, 0, 0];
    for (let t = 1; t <= 3; t++) {
      m = 0.9 * m + 0.1 * 2 * x;
      v = 0.999 * v + 0.001 * (2 * x) ** 2;
      x -= (0.1 * (m / (1 - 0.9 ** t))) / (Math.sqrt(v / (1 - 0.999 ** t)) + 1e-8);
      expect(asked[t]![0]).toBeCloseTo(x, 14);
    }
  });

  it('comes to the minimum of a badly scaled bowl', () => {
    const rules = rulesFor(2, { method: 'adam', rate: 0.05, iterations: 2000, evaluations: 5000 });
    const { optimum } = minimise(rules, [2.3, -1.7], bowl([100.3, 0.13], [0.4, 0.6]));
    expect(optimum.point[0]).toBeCloseTo(0.4, 3);
    expect(optimum.point[1]).toBeCloseTo(0.6, 3);
  });
});

describe.each(['lbfgs', 'adam', 'gd'] as const)('a minimisation by %s', (method) => {
  const f = functions.find(({ title }) => title.startsWith('Wood'))!;
  const settings = { method, iterations: 40, rate: 1e-4 } as const;
  const tight = { lower: new Float64Array(4).fill(-3.3), upper: Float64Array.of(0.9, 0.7, 2, 2) };

  it.each([
    ['without bounds', rulesFor(4, settings)],
    ['within bounds', rulesFor(4, { ...settings, box: tight })],
  ])('goes on with the same bits from any state that was written down, %s', (_, rules) => {
    const written: string[] = [];
    const whole = minimise(
      rules,
      f.start,
      (x) => sumOfSquares(f, x),
      (state) => written.push(encodeData(state)),
    );
    expect(written.length).toBeGreaterThan(20);
    for (const k of [0, 1, 9, 17]) {
      const state = decodeData(written[k]!) as OptimizerState;
      const rest = minimise(rules, state, (x) => sumOfSquares(f, x));
      expect(rest.optimum).toEqual(whole.optimum);
      expect(rest.steps).toEqual(whole.steps.slice(k + 1));
    }
  });

  it('keeps to its limits', () => {
    const iterations = minimise(rulesFor(4, { ...settings, iterations: 7 }), f.start, (x) =>
      sumOfSquares(f, x),
    );
    expect([iterations.reason, iterations.state.iteration]).toEqual(['iterations', 7]);
    const evaluations = minimise(rulesFor(4, { ...settings, evaluations: 5 }), f.start, (x) =>
      sumOfSquares(f, x),
    );
    expect([evaluations.reason, evaluations.asked.length]).toEqual(['evaluations', 5]);
    const none = minimise(rulesFor(4, { ...settings, iterations: 0 }), f.start, (x) => sumOfSquares(f, x));
    expect([...none.optimum.point]).toEqual(f.start);
  });

  it('stops when the loss falls by less than is asked', () => {
    const { reason, steps } = minimise(
      rulesFor(4, { ...settings, iterations: 5000, evaluations: 9000, decreaseTolerance: 1e-3 }),
      f.start,
      (x) => sumOfSquares(f, x),
    );
    const [before, last] = steps.slice(-2);
    expect(reason).toBe('decrease');
    expect((before!.loss - last!.loss) / before!.loss).toBeLessThan(1e-3);
  });

  it('refuses a start that is not finite', () => {
    const nowhere = () => ({ loss: Infinity, gradient: new Float64Array(0) });
    expect(() => minimise(rulesFor(4, settings), f.start, nowhere)).toThrow(
      /not finite where the optimisation starts/u,
    );
  });
});
