/** Every operation in both lanes, with and without fused multiply-add, against its own record. */
import { describe, expect, it } from 'vitest';
import type { AnyOp } from '../../../src/kernels/ops/op.ts';
import { type OpName, opNamed, opNames } from '../../../src/kernels/ops/table.ts';
import { relaxedMadd } from '../../../src/worker/engine/wasm/relaxed.ts';
import { type LaneOptions, laneFunction } from './lane-function.ts';

const points = 2048;
const madd = relaxedMadd() === 'absent' ? [false] : [true, false];
const variants: readonly LaneOptions[] = (['f32x4', 'f64x2'] as const).flatMap((lane) =>
  madd.map((fma) => ({ lane, fma })),
);

const round = { f32x4: Math.fround, f64x2: (x: number): number => x } as const;
const fractionBits = { f32x4: 23, f64x2: 52 } as const;
const exponentMin = { f32x4: -126, f64x2: -1022 } as const;

/** Arguments that fill the domain: its corners, then a Weyl sequence, every other point denser towards 0. */
function argumentsOf({ domain }: AnyOp, { lane }: LaneOptions): readonly Float64Array[] {
  return domain.map(([low, high], position) =>
    Float64Array.from({ length: points }, (_, k) => {
      if (k < 2 ** domain.length) return round[lane]((k >> position) % 2 === 0 ? low : high);
      const at = (k * Math.sqrt(2 + position * 3)) % 1;
      const x = low + (high - low) * at;
      const y = low > 0 ? low * (high / low) ** at : x * 10 ** (-5 * ((k * Math.sqrt(7)) % 1));
      return round[lane](k % 2 === 0 && y >= low && y <= high ? y : x);
    }),
  );
}

/** The distance in what the tolerance counts: units in the last place of the exact value, or unit roundoffs. */
function distance(op: AnyOp, { lane }: LaneOptions, value: number, exact: number): number {
  if (Object.is(value, exact) || value === exact) return 0;
  const d = Math.abs(value - exact);
  if (Number.isNaN(d)) return Number.POSITIVE_INFINITY;
  if (op.tolerance.kind === 'absolute') return d * 2 ** (fractionBits[lane] + 1);
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(exact))), exponentMin[lane]);
  return d / 2 ** (exponent - fractionBits[lane]);
}

/** Arguments, result and exact value of the worst point. */
function worst(name: OpName, options: LaneOptions) {
  const op = opNamed(name);
  const columns = argumentsOf(op, options);
  const values = laneFunction(name, options)(...columns);
  return Array.from(values, (value, k) => {
    const at = columns.map((c) => c[k] ?? Number.NaN);
    const exact = op.evaluate(...at);
    // An exact op is the exact value, rounded once.
    const wanted = op.tolerance.kind === 'exact' ? round[options.lane](exact) : exact;
    return { at, value, exact: wanted, distance: distance(op, options, value, wanted) };
  }).reduce((a, b) => (b.distance > a.distance ? b : a));
}

const counts = ({ tolerance }: AnyOp): number =>
  tolerance.kind === 'exact' ? 0 : tolerance.kind === 'ulp' ? tolerance.count : tolerance.error;

describe.each(variants)('in $lane, fma $fma', (options) => {
  it.each(opNames)('%s lies within its tolerance on its domain', (name) => {
    const found = worst(name, options);
    expect(found.distance, JSON.stringify(found)).toBeLessThanOrEqual(counts(opNamed(name)));
  });

  // clamp ignores bounds that are not numbers.
  it.each(opNames.filter((name) => name !== 'clamp'))('%s is NaN at NaN where its record is', (name) => {
    const op = opNamed(name);
    const inside = op.domain.map(([low, high]) => (low + high) / 2);
    const run = laneFunction(name, options);
    for (const position of inside.keys()) {
      const at = inside.map((x, p) => (p === position ? Number.NaN : x));
      const [value] = run(...at.map((x) => Float64Array.of(x)));
      if (Number.isNaN(op.evaluate(...at))) expect(value, `argument ${position}`).toBeNaN();
    }
  });

  it.each(opNames)('%s is not finite at infinities where its record is not', (name) => {
    const op = opNamed(name);
    const inside = op.domain.map(([low, high]) => (low + high) / 2);
    const run = laneFunction(name, options);
    for (const position of inside.keys()) {
      for (const infinity of [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        const at = inside.map((x, p) => (p === position ? infinity : x));
        const [value] = run(...at.map((x) => Float64Array.of(x)));
        const exact = op.evaluate(...at);
        if (!Number.isFinite(exact))
          expect(Number.isFinite(value), `${name}(${at.join(', ')}) = ${value}`).toBe(false);
      }
    }
  });
});
