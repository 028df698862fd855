/** Which operations are exponentials, powers and roots, or made of them. */
import { apply, constant, type Expr } from '../ir/expr.ts';
import { erfOf } from './erf.ts';
import { call, exact, instruction, type Op, prelude, ulp } from './op.ts';

const times = (a: Expr, b: Expr): Expr => apply('mul', a, b);

export const exp: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[-80, 80]],
  evaluate: Math.exp,
  derivative: (x) => [apply('exp', x)],
  wgsl: (x) => `skewflow_exp(${x})`,
  wasm: prelude('exp'),
  tolerance: ulp(2),
  flops: 1,
};

/** 2ˣ: what the lowering makes of exp, log₂ e joining the factors that do not change in the loop. */
export const exp2: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[-120, 120]],
  evaluate: (x) => 2 ** x,
  derivative: (x) => [times(constant(Math.LN2), apply('exp2', x))],
  wgsl: (x) => `skewflow_exp2(${x})`,
  wasm: prelude('exp2'),
  tolerance: ulp(3),
  wgslTolerance: ulp(4),
  flops: 1,
};

export const log: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[1e-6, 1e6]],
  evaluate: Math.log,
  derivative: (x) => [apply('div', constant(1), x)],
  wgsl: (x) => `skewflow_log(${x})`,
  wasm: prelude('log'),
  tolerance: ulp(2),
  flops: 1,
};

export const log2: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[1e-6, 1e6]],
  evaluate: Math.log2,
  derivative: (x) => [apply('div', constant(Math.LOG2E), x)],
  wgsl: (x) => `skewflow_log2(${x})`,
  wasm: prelude('log2'),
  tolerance: ulp(2),
  flops: 1,
};

/** Written with rsqrt, whose value at 0 is 0: the gradient of a norm at 0 is 0, not 0/0. */
export const sqrt: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[1e-6, 1e6]],
  evaluate: Math.sqrt,
  derivative: (x) => [times(constant(0.5), apply('rsqrt', x))],
  wgsl: (x) => `sqrt(${x})`,
  wasm: instruction('sqrt'),
  tolerance: exact,
  wgslTolerance: ulp(4.5),
  flops: 1,
};

/** 1/√x, and 0 at 0. */
export const rsqrt: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[1e-6, 1e6]],
  evaluate: (x) => (x === 0 ? 0 : 1 / Math.sqrt(x)),
  derivative: (x) => {
    const r = apply('rsqrt', x);
    return [times(constant(-0.5), times(r, times(r, r)))];
  },
  wgsl: (x) => `skewflow_rsqrt(${x})`,
  wasm: prelude('rsqrt'),
  tolerance: ulp(2),
  flops: 1,
};

/** xʸ for x > 0; backends compute exp₂(y log₂ x), so a negative base is not a number here either. */
export const pow: Op<2> = {
  arity: 2,
  notation: { kind: 'infix', sign: '^', binds: 'power' },
  domain: [
    [0.01, 100],
    [-5, 5],
  ],
  evaluate: (x, y) => (x < 0 ? Number.NaN : x ** y),
  derivative: (x, y) => [
    times(y, apply('pow', x, apply('sub', y, constant(1)))),
    times(apply('log', x), apply('pow', x, y)),
  ],
  wgsl: (x, y) => `skewflow_pow(${x}, ${y})`,
  wasm: prelude('pow'),
  tolerance: ulp(12),
  flops: 2,
};

export const tanh: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[-12, 12]],
  evaluate: Math.tanh,
  derivative: (x) => {
    const y = apply('tanh', x);
    return [apply('sub', constant(1), times(y, y))];
  },
  wgsl: (x) => `skewflow_tanh(${x})`,
  wasm: prelude('tanh'),
  tolerance: ulp(4),
  wgslTolerance: ulp(6),
  flops: 1,
};

/** 1/(1 + e⁻ˣ) */
export const sigmoid: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[-40, 40]],
  evaluate: (x) => 1 / (1 + Math.exp(-x)),
  derivative: (x) => {
    const y = apply('sigmoid', x);
    return [times(y, apply('sub', constant(1), y))];
  },
  wgsl: (x) => `skewflow_sigmoid(${x})`,
  wasm: prelude('sigmoid'),
  tolerance: ulp(4),
  wgslTolerance: ulp(6),
  flops: 1,
};

/** 2/√π ∫₀ˣ e^{−s²} ds */
export const erf: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[-6, 6]],
  evaluate: erfOf,
  derivative: (x) => [times(constant(2 / Math.sqrt(Math.PI)), apply('exp', apply('neg', times(x, x))))],
  wgsl: (x) => `skewflow_erf(${x})`,
  wasm: prelude('erf'),
  tolerance: ulp(4),
  flops: 1,
};
