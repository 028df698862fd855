/** The limited-memory directions against the dense matrices that they stand for. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boundedDirection } from '../../../src/coordinator/optimizers/cauchy.ts';
import { solve } from '../../../src/coordinator/optimizers/dense.ts';
import { type Pair, quasiNewton, scale } from '../../../src/coordinator/optimizers/quasi-newton.ts';

type Rows = readonly (readonly number[])[];

const product = (a: Rows, x: ArrayLike<number>): number[] =>
  a.map((row) => row.reduce((sum, v, j) => sum + v * x[j]!, 0));
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, v, i) => sum + v * b[i]!, 0);

/** B by the BFGS recursion from θI; Nocedal & Wright, eq. 6.19. */
function denseModel(n: number, pairs: readonly Pair[]): Rows {
  const θ = scale(pairs);
  const start: Rows = Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (__, j) => (i === j ? θ : 0)),
  );
  return pairs.reduce<Rows>((b, { s, y }) => {
    const bs = product(b, s);
    const [sbs, sy] = [dot(s, bs), dot(s, y)];
    return b.map((row, i) => row.map((v, j) => v - (bs[i]! * bs[j]!) / sbs + (y[i]! * y[j]!) / sy));
  }, start);
}

/** Some pairs of a convex quadratic (so that sᵀy > 0), a point, a gradient and a box around the point. */
const situations = fc.integer({ min: 2, max: 5 }).chain((n) => {
  const vector = (min: number, max: number) =>
    fc
      .array(fc.double({ min, max, noNaN: true }), { minLength: n, maxLength: n })
      .map((v) => Float64Array.from(v));
  return fc.record({
    n: fc.constant(n),
    steps: fc.array(vector(-1, 1), { minLength: 0, maxLength: 3 }),
    diagonal: vector(0.5, 8),
    mixing: vector(-0.6, 0.6),
    g: vector(-2, 2),
    down: vector(0.05, 1),
    up: vector(0.05, 1),
  });
});

interface Situation {
  readonly n: number;
  readonly steps: readonly Float64Array[];
  readonly diagonal: Float64Array;
  readonly mixing: Float64Array;
}

/** y = (D + m mᵀ) s. */
function pairsOf({ steps, diagonal, mixing }: Situation): readonly Pair[] {
  return steps
    .filter((s) => dot(s, s) > 0.1)
    .map((s) => ({ s, y: s.map((v, i) => diagonal[i]! * v + mixing[i]! * dot(mixing, s)) }));
}

const close = (a: ArrayLike<number>, b: ArrayLike<number>): void => {
  const size = Math.max(1, ...Array.from(b, Math.abs));
  for (let i = 0; i < b.length; i++) expect(Math.abs(a[i]! - b[i]!)).toBeLessThan(1e-7 * size);
};

const wide = (n: number) => ({
  lower: new Float64Array(n).fill(-1e6),
  upper: new Float64Array(n).fill(1e6),
});

describe('the quasi-Newton direction', () => {
  it('solves B d = −g with the dense matrix of the same pairs', () => {
    fc.assert(
      fc.property(situations, (situation) => {
        const pairs = pairsOf(situation);
        const d = quasiNewton(pairs, situation.g);
        close(
          product(denseModel(situation.n, pairs), d),
          situation.g.map((v) => -v),
        );
      }),
    );
  });

  it('is the same when bounds are too far to matter', () => {
    fc.assert(
      fc.property(situations, (situation) => {
        const pairs = pairsOf(situation);
        const x = new Float64Array(situation.n).fill(0.3);
        const d = boundedDirection(wide(situation.n), pairs, x, situation.g);
        close(d!, quasiNewton(pairs, situation.g));
      }),
    );
  });
});

describe('the direction within bounds', () => {
  it('minimises the dense model over what the projected path leaves free', () => {
    fc.assert(
      fc.property(situations, (situation) => {
        const { n, g, down, up } = situation;
        const pairs = pairsOf(situation);
        const b = denseModel(n, pairs);
        const x = new Float64Array(n).fill(0.3);
        const box = { lower: x.map((v, i) => v - down[i]!), upper: x.map((v, i) => v + up[i]!) };
        const clamp = (v: number, i: number): number => Math.min(Math.max(v, box.lower[i]!), box.upper[i]!);
        const path = (t: number) => x.map((v, i) => clamp(v - t * g[i]!, i));
        const model = (z: Float64Array): number => {
          const d = z.map((v, i) => v - x[i]!);
          return dot(g, d) + dot(d, product(b, d)) / 2;
        };
        // The first minimum along the path, found by walking it.
        const h = 1e-3 / Math.max(1, ...g.map(Math.abs));
        let t = 0;
        while (t < 3e4 * h && model(path(t + h)) < model(path(t))) t += h;
        const stops = Array.from(g, (v, i) => (v > 0 ? down[i]! / v : v < 0 ? up[i]! / -v : Infinity));
        fc.pre(stops.every((stop) => Math.abs(stop - t) > 4 * h));
        const held = stops.map((stop) => stop < t);
        const free = held.flatMap((is, i) => (is ? [] : [i]));
        const cauchy = path(t);
        const fixed = x.map((v, i) => (held[i]! ? cauchy[i]! - v : 0));
        const bFixed = product(b, fixed);
        const inner = solve(
          free.map((i) => free.map((j) => b[i]![j]!)),
          free.map((i) => -(g[i]! + bFixed[i]!)),
        )!;
        const whole = Float64Array.from(x, (v, i) =>
          held[i]! ? cauchy[i]! : clamp(v + inner[free.indexOf(i)]!, i),
        );
        const expected = whole.map((v, i) => v - x[i]!);
        fc.pre(dot(expected, g) < -1e-9);
        close(boundedDirection(box, pairs, x, g)!, expected);
      }),
      { numRuns: 60 },
    );
  });
});
