/** Every operation as WGSL on a device, over its domain, against its own record. */
import { describe, expect, it } from 'vitest';
import type { AnyOp, Tolerance } from '../../../src/kernels/ops/op.ts';
import { type OpName, opNamed, opNames } from '../../../src/kernels/ops/table.ts';
import { noDeviceReason, openTestDevice } from '../../worker/engine/webgpu/software-device.ts';
import { opOnDevice } from './op-on-device.ts';

const opened = await openTestDevice();
const points = 2048;

/** Arguments that fill the domain: its corners, then a Weyl sequence, every other point denser towards 0. */
function argumentsOf({ domain }: AnyOp): readonly Float32Array[] {
  return domain.map(([low, high], position) =>
    Float32Array.from({ length: points }, (_, k) => {
      if (k < 2 ** domain.length) return (k >> position) % 2 === 0 ? low : high;
      const x = low + (high - low) * ((k * Math.sqrt(2 + position * 3)) % 1);
      const y =
        low > 0 ? low * (high / low) ** ((k * Math.sqrt(2)) % 1) : x * 10 ** (-5 * ((k * Math.sqrt(7)) % 1));
      return k % 2 === 0 && y >= low && y <= high ? y : x;
    }),
  );
}

/** The distance in what the tolerance counts: units in the last place of the exact value, or unit roundoffs. */
function distance(tolerance: Tolerance, value: number, exact: number): number {
  if (Object.is(value, exact) || value === exact) return 0;
  const d = Math.abs(value - exact);
  if (Number.isNaN(d)) return Number.POSITIVE_INFINITY;
  if (tolerance.kind === 'absolute') return d * 2 ** 24;
  return d / 2 ** (Math.max(Math.floor(Math.log2(Math.abs(exact))), -126) - 23);
}

const toleranceOf = (op: AnyOp): Tolerance => op.wgslTolerance ?? op.tolerance;

const counts = (tolerance: Tolerance): number =>
  tolerance.kind === 'exact' ? 0 : tolerance.kind === 'ulp' ? tolerance.count : tolerance.error;

/** Arguments, result and exact value of the worst point. */
async function worst(device: GPUDevice, name: OpName) {
  const op = opNamed(name);
  const tolerance = toleranceOf(op);
  const columns = argumentsOf(op);
  const values = await opOnDevice(device, name, columns);
  return Array.from(values, (value, k) => {
    const at = columns.map((c) => c[k] ?? Number.NaN);
    const exact = op.evaluate(...at);
    // An exact op is the exact value, rounded once.
    const wanted = tolerance.kind === 'exact' ? Math.fround(exact) : exact;
    return { at, value, exact: wanted, distance: distance(tolerance, value, wanted) };
  }).reduce((a, b) => (b.distance > a.distance ? b : a));
}

if (opened === null) {
  it.skip(`operations as WGSL lie within their tolerance (skipped: ${noDeviceReason})`, () => {});
} else {
  const { device } = opened;
  describe('as WGSL', () => {
    it.each(opNames)('%s lies within its tolerance on its domain', async (name) => {
      const found = await worst(device, name);
      expect(found.distance, JSON.stringify(found)).toBeLessThanOrEqual(counts(toleranceOf(opNamed(name))));
    });

    it.each([
      'exp',
      'exp2',
      'log',
      'log2',
      'pow',
      'rsqrt',
      'tanh',
      'sigmoid',
      'erf',
      'round',
      'mod',
      'clamp',
    ] as const)('%s is what its record is where it leaves its domain', async (name) => {
      const op = opNamed(name);
      const edge = [0, 0.5, -0.5, 1, -1, 2.5, -2.5, 200, -200, 1e30];
      const columns = op.domain.map((_, p) =>
        Float32Array.from(
          { length: edge.length ** op.arity },
          (_, k) => edge[Math.floor(k / edge.length ** p) % edge.length] ?? 0,
        ),
      );
      const values = await opOnDevice(device, name, columns);
      const wrong = Array.from(values, (value, k) => {
        const at = columns.map((c) => c[k] ?? 0);
        const exact = Math.fround(op.evaluate(...at));
        // What underflows may be 0, what is beyond f32 has no meaning.
        const small = Math.abs(exact) < 2 ** -126 && Math.abs(value) < 2 ** -125;
        const close = Math.abs(value - exact) <= 1e-4 * Math.abs(exact);
        return small || close || Object.is(value, exact) || value === exact || at.some((x) => x > 1e29)
          ? []
          : [{ at, value, exact }];
      }).flat();
      expect(wrong).toEqual([]);
    });
  });
}
