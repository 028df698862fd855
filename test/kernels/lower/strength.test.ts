import { describe, expect, it } from 'vitest';
import { apply, concat, constant, type Expr } from '../../../src/kernels/ir/expr.ts';
import type { Kernel } from '../../../src/kernels/ir/kernel.ts';
import { lower } from '../../../src/kernels/lower/lower.ts';
import {
  add,
  c,
  div,
  dot,
  exp,
  index,
  j,
  m,
  mul,
  negative,
  ownIndex,
  p,
  q,
  rowFunctions,
  sigma,
  sqnorm,
  sub,
  sum,
  x,
} from './functions.ts';
import { difference, evaluateDirectly, interpret, layout, world } from './world.ts';

const [template] = rowFunctions;

/** The kernel of one formula, and how far it is from the formula. */
function lowered(value: Expr): { readonly kernel: Kernel; readonly error: number } {
  const fn = { ...template, planes: [{ name: 'f', value }] };
  const kernel = lower(fn, layout);
  const w = world(3, 4, 5);
  return { kernel, error: difference(interpret(kernel, w), evaluateDirectly(fn, w)) };
}

/** How often each op that differs between own rows is computed for every pair. */
function pairOps(kernel: Kernel): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const v of kernel.values) {
    if (v.kind === 'apply' && v.depth === 1 && v.varies) counts[v.op] = (counts[v.op] ?? 0) + 1;
  }
  return counts;
}

const r2 = sqnorm(sub(x, q(j)));
const scaled = mul(sigma, dot(x, q(j)));

describe('strength reduction', () => {
  it.each<[string, Expr, Readonly<Record<string, number>>]>([
    [
      'multiplies by the reciprocal of what the loop does not change',
      sum(j, div(dot(x, q(j)), mul(sigma, m))),
      { mul: 3, add: 2 },
    ],
    [
      'takes one reciprocal of a divisor that two quotients share',
      sum(j, concat(div(c(j), add(r2, sigma)), div(dot(x, p(j)), add(r2, sigma)))),
      { sub: 3, mul: 3 + 2 + 3, add: 2 + 1 + 2, div: 1 },
    ],
    [
      'lets the addends of a sum take in a factor known further out',
      sum(j, exp(mul(sigma, add(dot(x, q(j)), mul(m, c(j)))))),
      { mul: 4, add: 3, exp2: 1 },
    ],
    [
      'does not spread a factor over addends that would each need a multiplication more',
      sum(j, exp(mul(sigma, add(r2, dot(p(j), sub(x, q(j))))))),
      { sub: 3, mul: 6 + 1, add: 5, exp2: 1 },
    ],
    [
      'leaves the sign of a product to the sum that takes it',
      sum(j, negative(mul(dot(x, q(j)), m))),
      { mul: 3, add: 2 },
    ],
    [
      'selects once what two sums take under one selection',
      sum(j, mul(r2, concat(constant(2), mul(sigma, constant(3)))), apply('ne', index(j), ownIndex)),
      { sub: 3, mul: 3, add: 2, ne: 1, select: 1 },
    ],
    [
      'writes x^2.5 with a root',
      sum(j, apply('pow', r2, constant(2.5))),
      { sub: 3, mul: 3 + 2, add: 2, sqrt: 1 },
    ],
    [
      'shares the factors of odd powers',
      sum(j, concat(apply('pow', r2, constant(-1.5)), apply('pow', r2, constant(-2.5)))),
      { sub: 3, mul: 3 + 3, add: 2, rsqrt: 1 },
    ],
    [
      'leaves other exponents to pow',
      sum(j, apply('pow', r2, constant(0.3))),
      { sub: 3, mul: 3, add: 2, pow: 1 },
    ],
    [
      'writes a sigmoid with 2ˣ, whose factor joins the argument',
      sum(j, apply('sigmoid', mul(dot(x, q(j)), m))),
      { mul: 3, add: 3, exp2: 1, div: 1 },
    ],
    [
      'lets products that are scaled anyway take over the scale of a factor they share',
      sum(
        j,
        concat(
          apply('tanh', mul(m, mul(scaled, dot(x, p(j))))),
          apply('tanh', mul(m, mul(scaled, apply('sin', dot(x, p(j)))))),
        ),
      ),
      // Three and three for the scalar products, then two each: σ·(x·q) itself is not computed.
      { mul: 6 + 4, add: 4, sin: 1, tanh: 2 },
    ],
    [
      'finds a difference in its negative',
      sum(j, concat(exp(sub(m, c(j))), mul(exp(sub(c(j), m)), c(j)))),
      { sub: 1, mul: 3, exp2: 2 },
    ],
  ])('%s', (_, formula, ops) => {
    const { kernel, error } = lowered(formula);
    expect(pairOps(kernel)).toEqual(ops);
    expect(error).toBeLessThan(1e-12);
  });
});
