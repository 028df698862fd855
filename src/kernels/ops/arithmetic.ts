/** Which operations are arithmetic: one rounding each, or none. */
import { apply, constant } from '../ir/expr.ts';
import { call, exact, instruction, type Op, prelude, ulp } from './op.ts';

export const add: Op<2> = {
  arity: 2,
  notation: { kind: 'infix', sign: '+', binds: 'sum' },
  domain: [
    [-100, 100],
    [-100, 100],
  ],
  evaluate: (x, y) => x + y,
  derivative: () => [constant(1), constant(1)],
  wgsl: (x, y) => `(${x} + ${y})`,
  wasm: instruction('add'),
  tolerance: exact,
  flops: 1,
};

export const sub: Op<2> = {
  arity: 2,
  notation: { kind: 'infix', sign: '-', binds: 'sum' },
  domain: [
    [-100, 100],
    [-100, 100],
  ],
  evaluate: (x, y) => x - y,
  derivative: () => [constant(1), constant(-1)],
  wgsl: (x, y) => `(${x} - ${y})`,
  wasm: instruction('sub'),
  tolerance: exact,
  flops: 1,
};

export const mul: Op<2> = {
  arity: 2,
  notation: { kind: 'infix', sign: '*', binds: 'product' },
  domain: [
    [-100, 100],
    [-100, 100],
  ],
  evaluate: (x, y) => x * y,
  derivative: (x, y) => [y, x],
  wgsl: (x, y) => `(${x} * ${y})`,
  wasm: instruction('mul'),
  tolerance: exact,
  flops: 1,
};

// ∂(x/y)/∂y = −(x/y)/y, which shares the quotient with the primal and does not overflow where y² would.
export const div: Op<2> = {
  arity: 2,
  notation: { kind: 'infix', sign: '/', binds: 'product' },
  domain: [
    [-100, 100],
    [0.1, 100],
  ],
  evaluate: (x, y) => x / y,
  derivative: (x, y) => [apply('div', constant(1), y), apply('neg', apply('div', apply('div', x, y), y))],
  wgsl: (x, y) => `(${x} / ${y})`,
  wasm: instruction('div'),
  tolerance: exact,
  wgslTolerance: ulp(2.5),
  flops: 1,
};

export const neg: Op<1> = {
  arity: 1,
  notation: { kind: 'prefix', sign: '-' },
  domain: [[-100, 100]],
  evaluate: (x) => -x,
  derivative: () => [constant(-1)],
  wgsl: (x) => `(-${x})`,
  wasm: instruction('neg'),
  tolerance: exact,
  flops: 1,
};

// The derivative at 0 is sign(0) = 0.
export const abs: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[-100, 100]],
  evaluate: Math.abs,
  derivative: (x) => [apply('sign', x)],
  wgsl: (x) => `abs(${x})`,
  wasm: instruction('abs'),
  tolerance: exact,
  flops: 1,
};

/** −1, 0 or 1; sign(0) = 0. */
export const sign: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[-100, 100]],
  evaluate: Math.sign,
  derivative: () => [null],
  wgsl: (x) => `skewflow_sign(${x})`,
  wasm: prelude('sign'),
  tolerance: exact,
  flops: 1,
};

/** The identity, with no derivative: what a gradient must not flow through. */
export const stop: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[-100, 100]],
  evaluate: (x) => x,
  derivative: () => [null],
  wgsl: (x) => x,
  wasm: prelude('stop'),
  tolerance: exact,
  flops: 0,
};
