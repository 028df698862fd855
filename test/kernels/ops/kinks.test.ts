import { describe, expect, it } from 'vitest';
import { vjp } from '../../../src/kernels/autodiff/vjp.ts';
import { apply, constant, type Expr, input, now, total } from '../../../src/kernels/ir/expr.ts';
import { ops } from '../../../src/kernels/ops/table.ts';
import { evaluate } from '../evaluate.ts';

const x = input({ role: 'own', field: 'x', at: now }, 1);
const y = input({ role: 'own', field: 'y', at: now }, 1);
const v = input({ role: 'own', field: 'v', at: now }, 3);

/** ∂e/∂field, where the own row has these values. */
function derivative(e: Expr, field: string, own: Record<string, readonly number[]>): readonly number[] {
  const cotangents = vjp(
    [{ value: e, cotangent: constant(1) }],
    (leaf) => leaf.role === 'own' && leaf.field === field,
  );
  const value = cotangents.own.get(`own ${field}@now`)?.value;
  return value === undefined ? [0] : evaluate(value, { own });
}

describe('values at kinks', () => {
  it.each([
    ['rsqrt(0) = 0', ops.rsqrt.evaluate(0), 0],
    ['step(0) = 1', ops.step.evaluate(0), 1],
    ['step(-0) = 1', ops.step.evaluate(-0), 1],
    ['sign(0) = 0', ops.sign.evaluate(0), 0],
    ['round(0.5) = 1', ops.round.evaluate(0.5), 1],
    ['round(2.5) = 3', ops.round.evaluate(2.5), 3],
    ['round(-0.5) = -1', ops.round.evaluate(-0.5), -1],
    ['round(-2.5) = -3', ops.round.evaluate(-2.5), -3],
    ['round(0.49999999999999994) = 0', ops.round.evaluate(0.49999999999999994), 0],
    ['round(4503599627370497) is itself', ops.round.evaluate(4503599627370497), 4503599627370497],
    ['mod(-1, 3) = 2', ops.mod.evaluate(-1, 3), 2],
    ['mod(1, -3) = -2', ops.mod.evaluate(1, -3), -2],
    ['clamp(-9, -1, 1) = -1', ops.clamp.evaluate(-9, -1, 1), -1],
    ['select(0, 2, 3) = 3', ops.select.evaluate(0, 2, 3), 3],
    ['select(-1, 2, 3) = 2', ops.select.evaluate(-1, 2, 3), 2],
  ])('%s', (_, value, expected) => {
    expect(value).toBe(expected);
  });

  it('a negative base is not a number, whatever the exponent', () => {
    expect(ops.pow.evaluate(-2, 2)).toBeNaN();
  });

  it('minima and maxima keep what is not a number', () => {
    expect([
      ops.min.evaluate(Number.NaN, 1),
      ops.max.evaluate(1, Number.NaN),
      ops.relu.evaluate(Number.NaN),
    ]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  });
});

describe('derivatives at kinks', () => {
  it.each([
    ['relu at 0 is 1', apply('relu', x), 1],
    ['abs at 0 is 0', apply('abs', x), 0],
    ['sqrt at 0 is 0', apply('sqrt', x), 0],
    ['clamp at its lower bound is 1', apply('clamp', x, constant(0), constant(2)), 1],
    ['clamp at its upper bound is 1', apply('clamp', x, constant(-2), constant(0)), 1],
    ['min(x, y) at x = y is 1 in x', apply('min', x, y), 1],
    ['min(y, x) at x = y is 0 in x', apply('min', y, x), 0],
    ['max(x, y) at x = y is 1 in x', apply('max', x, y), 1],
    ['max(y, x) at x = y is 0 in x', apply('max', y, x), 0],
    ['stop is 0', apply('stop', x), 0],
  ])('%s', (_, e, expected) => {
    expect(derivative(e, 'x', { x: [0], y: [0] })[0]).toBeCloseTo(expected, 15);
  });

  it('the gradient of a norm at 0 is 0', () => {
    expect(derivative(apply('sqrt', total(apply('mul', v, v))), 'v', { v: [0, 0, 0] })).toEqual([0, 0, 0]);
  });

  it('a branch that is not chosen gets nothing', () => {
    const e = apply('select', apply('gt', x, constant(0)), y, apply('mul', y, y));
    expect(derivative(e, 'y', { x: [1], y: [3] })).toEqual([1]);
    expect(derivative(e, 'y', { x: [-1], y: [3] })).toEqual([6]);
  });
});

describe('erf', () => {
  // mpmath 1.3, mp.dps = 30: erf(x)
  it.each([
    [0, 0],
    [1e-10, 1.1283791670955126e-10],
    [0.5, 0.5204998778130465],
    [1.4999999, 0.96610513458228],
    [1.5, 0.9661051464753108],
    [2, 0.9953222650189527],
    [3, 0.9999779095030014],
    [5, 0.9999999999984626],
    [-0.75, -0.7111556336535151],
    [-7, -1],
  ])('of %f is exact to a unit in the last place', (at, expected) => {
    expect(Math.abs(ops.erf.evaluate(at) - expected)).toBeLessThanOrEqual(Math.abs(expected) * 2 ** -51.5);
  });
});

const squared = (e: Expr, times: number): Expr => (times === 0 ? e : squared(apply('mul', e, e), times - 1));

describe('the branch of a selection that is not taken', () => {
  const positive = apply('gt', x, constant(0));
  const otherwise = (branch: Expr): Expr => apply('select', positive, branch, y);
  it.each([
    ['log x', apply('log', x)],
    ['y / x', apply('div', y, x)],
    ['exp(−1 / x)', apply('exp', apply('neg', apply('div', constant(1), x)))],
    ['3 y log(x) / x', apply('div', apply('mul', apply('mul', constant(3), y), apply('log', x)), x)],
    ['a product with a vector, log x · v', total(apply('mul', apply('log', x), v))],
    ['x^-64 by squares', squared(apply('div', constant(1), x), 6)],
    ['1 / |v| x', apply('div', constant(1), apply('mul', x, total(apply('mul', v, v))))],
  ])('adds nothing to the gradient, however steep %s is', (_, branch) => {
    const own = { x: [0], y: [0.3], v: [0, 0, 0] };
    expect(derivative(otherwise(branch), 'x', own)).toEqual([0]);
    expect(derivative(apply('select', positive, y, apply('mul', constant(2), x)), 'x', own)).toEqual([2]);
    expect(derivative(otherwise(branch), 'y', own)).toEqual([1]);
    expect(derivative(otherwise(branch), 'v', own).every((g) => g === 0)).toBe(true);
    // Where it is taken, it is what it is without a selection.
    const taken = { x: [0.7], y: [0.3], v: [0.1, 0.2, 0.4] };
    for (const field of ['x', 'v']) {
      const alone = derivative(branch, field, taken);
      for (const [n, g] of derivative(otherwise(branch), field, taken).entries())
        expect(Math.abs(g - alone[n]!)).toBeLessThanOrEqual(1e-14 * Math.abs(alone[n]!));
    }
  });
});
