/** Which operations choose between values, or a value and a constant. The first argument wins ties. */
import { apply, constant } from '../ir/expr.ts';
import { call, exact, type Op, prelude } from './op.ts';

/** 1 where x ≥ 0, else 0: step(0) = 1. */
export const step: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[-100, 100]],
  evaluate: (x) => (x >= 0 ? 1 : 0),
  derivative: () => [null],
  wgsl: (x) => `select(0.0, 1.0, ${x} >= 0.0)`,
  wasm: prelude('step'),
  tolerance: exact,
  flops: 1,
};

/** max(x, 0); the derivative at 0 is 1. */
export const relu: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[-100, 100]],
  evaluate: (x) => Math.max(x, 0),
  derivative: (x) => [apply('step', x)],
  wgsl: (x) => `skewflow_max(${x}, 0.0)`,
  wasm: prelude('relu'),
  tolerance: exact,
  flops: 1,
};

export const min: Op<2> = {
  arity: 2,
  notation: call,
  domain: [
    [-100, 100],
    [-100, 100],
  ],
  evaluate: Math.min,
  derivative: (x, y) => [apply('le', x, y), apply('gt', x, y)],
  wgsl: (x, y) => `skewflow_min(${x}, ${y})`,
  wasm: prelude('min'),
  tolerance: exact,
  flops: 1,
};

export const max: Op<2> = {
  arity: 2,
  notation: call,
  domain: [
    [-100, 100],
    [-100, 100],
  ],
  evaluate: Math.max,
  derivative: (x, y) => [apply('ge', x, y), apply('lt', x, y)],
  wgsl: (x, y) => `skewflow_max(${x}, ${y})`,
  wasm: prelude('max'),
  tolerance: exact,
  flops: 1,
};

/** min(max(x, lo), hi) for lo ≤ hi; the derivative at the bounds is that of x. */
export const clamp: Op<3> = {
  arity: 3,
  notation: call,
  domain: [
    [-100, 100],
    [-50, -1],
    [1, 50],
  ],
  evaluate: (x, lo, hi) => Math.min(Math.max(x, lo), hi),
  derivative: (x, lo, hi) => [
    apply('mul', apply('ge', x, lo), apply('le', x, hi)),
    apply('lt', x, lo),
    apply('gt', x, hi),
  ],
  wgsl: (x, lo, hi) => `skewflow_clamp(${x}, ${lo}, ${hi})`,
  wasm: prelude('clamp'),
  tolerance: exact,
  flops: 2,
};

/** a where c ≠ 0, else b. */
export const select: Op<3> = {
  arity: 3,
  notation: call,
  domain: [
    [-1, 1],
    [-100, 100],
    [-100, 100],
  ],
  evaluate: (c, a, b) => (c !== 0 ? a : b),
  derivative: (c) => [
    null,
    apply('select', c, constant(1), constant(0)),
    apply('select', c, constant(0), constant(1)),
  ],
  wgsl: (c, a, b) => `select(${b}, ${a}, ${c} != 0.0)`,
  wasm: prelude('select'),
  tolerance: exact,
  flops: 1,
};
