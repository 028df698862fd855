import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jvp } from '../../../src/kernels/autodiff/jvp.ts';
import { vjp } from '../../../src/kernels/autodiff/vjp.ts';
import { apply, type Expr, input } from '../../../src/kernels/ir/expr.ts';
import { opNamed, opNames } from '../../../src/kernels/ops/table.ts';
import { evaluate } from '../evaluate.ts';

const param = (n: number): Expr => input({ role: 'param', field: `x${n}` }, 1);
const given = (x: readonly number[]) => ({
  params: Object.fromEntries(x.map((value, n) => [`x${n}`, [value]])),
});

/** Points of the domain, bounds excluded: derivatives are compared on both sides. */
const points = (name: (typeof opNames)[number]): fc.Arbitrary<number[]> =>
  fc.tuple(
    ...opNamed(name).domain.map(([low, high]) =>
      fc.double({ min: 0, max: 1, noNaN: true }).map((u) => low + (high - low) * (0.001 + 0.998 * u)),
    ),
  );

/** ∂f/∂xₙ by four-point differences, how far its two step widths disagree, and how much the slope changes at x. */
function difference(
  f: (...x: readonly number[]) => number,
  x: readonly number[],
  n: number,
): { slope: number; doubt: number; bend: number } {
  const at = (h: number): number => f(...x.map((value, m) => (m === n ? value + h : value)));
  const h = 1e-4 * Math.max(Math.abs(x[n] ?? 0) * 0.1, 1e-3);
  const near = (at(h) - at(-h)) / (2 * h);
  const far = (at(2 * h) - at(-2 * h)) / (4 * h);
  return {
    slope: (4 * near - far) / 3,
    doubt: Math.abs(near - far),
    bend: Math.abs(at(h) - 2 * at(0) + at(-h)) / h,
  };
}

describe.each(opNames)('%s', (name) => {
  const op = opNamed(name);
  const args = op.domain.map((_, n) => param(n));

  it('has one domain and one partial derivative an argument', () => {
    expect(op.domain).toHaveLength(op.arity);
    expect(op.derivative(...args)).toHaveLength(op.arity);
    expect(op.wgsl(...args.map((_, n) => `x${n}`))).toContain('x0');
  });

  it('is finite on its domain', () => {
    fc.assert(
      fc.property(points(name), (x) => {
        expect(Number.isFinite(op.evaluate(...x))).toBe(true);
      }),
    );
  });

  it('has the derivatives its values have, in both modes', () => {
    const cotangents = vjp(
      [{ value: apply(name, ...args), cotangent: input({ role: 'time' }, 1) }],
      (l) => l.role === 'param',
    );
    const reverse = args.map(
      (_, n) =>
        cotangents.rowSums.find((r) => r.target.role === 'param' && r.target.field === `x${n}`)?.value,
    );
    const forward = args.map((_, n) =>
      jvp(apply(name, ...args), (leaf) =>
        leaf.role === 'param' && leaf.field === `x${n}` ? input({ role: 'time' }, 1) : null,
      ),
    );
    fc.assert(
      fc.property(points(name), (x) => {
        for (const n of args.keys()) {
          const { slope, doubt, bend } = difference(op.evaluate, x, n);
          const scale = Math.max(1, Math.abs(op.evaluate(...x)) / Math.max(Math.abs(x[n] ?? 0), 1e-3));
          // At a jump or a kink the convention holds, not the difference (`kinks.test.ts`).
          if (doubt > 1e-4 * (scale + Math.abs(slope)) || bend > 0.1 * (0.1 * scale + Math.abs(slope)))
            continue;
          const stopped = name === 'stop' ? 0 : slope;
          const world = { ...given(x), time: 1 };
          const [back] = reverse[n] === undefined ? [0] : evaluate(reverse[n], world);
          const [ahead] = evaluate(forward[n] ?? param(0), world);
          const tolerance = 1e-6 * scale + 1e-6 * Math.abs(slope) + doubt;
          expect(Math.abs((back ?? Number.NaN) - stopped)).toBeLessThanOrEqual(tolerance);
          expect(ahead).toBe(back);
        }
      }),
    );
  });
});
