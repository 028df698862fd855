/** Which operations are trigonometric. Angles are in radians. */
import { apply, constant, type Expr } from '../ir/expr.ts';
import { absolute, call, type Op, prelude, type Tolerance, ulp } from './op.ts';

const square = (x: Expr): Expr => apply('mul', x, x);

/**
 * Next to a zero the reduced angle has an error of the angle, not of the result. WGSL bounds sin and cos by an absolute
 * error of 2⁻¹¹ only ("Floating Point Accuracy"), hence the prelude there too.
 */
const nearOne: Tolerance = absolute(2);

export const sin: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[-100, 100]],
  evaluate: Math.sin,
  derivative: (x) => [apply('cos', x)],
  wgsl: (x) => `skewflow_sin(${x})`,
  wasm: prelude('sin'),
  tolerance: nearOne,
  flops: 1,
};

export const cos: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[-100, 100]],
  evaluate: Math.cos,
  derivative: (x) => [apply('neg', apply('sin', x))],
  wgsl: (x) => `skewflow_cos(${x})`,
  wasm: prelude('cos'),
  tolerance: nearOne,
  flops: 1,
};

export const tan: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[-1.5, 1.5]],
  evaluate: Math.tan,
  derivative: (x) => [apply('add', constant(1), square(apply('tan', x)))],
  wgsl: (x) => `skewflow_tan(${x})`,
  wasm: prelude('tan'),
  tolerance: ulp(4),
  wgslTolerance: ulp(6),
  flops: 1,
};

export const asin: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[-0.999, 0.999]],
  evaluate: Math.asin,
  derivative: (x) => [apply('rsqrt', apply('sub', constant(1), square(x)))],
  wgsl: (x) => `skewflow_asin(${x})`,
  wasm: prelude('asin'),
  tolerance: ulp(4),
  wgslTolerance: ulp(6),
  flops: 1,
};

export const acos: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[-0.999, 0.999]],
  evaluate: Math.acos,
  derivative: (x) => [apply('neg', apply('rsqrt', apply('sub', constant(1), square(x))))],
  wgsl: (x) => `skewflow_acos(${x})`,
  wasm: prelude('acos'),
  tolerance: ulp(4),
  wgslTolerance: ulp(6),
  flops: 1,
};

export const atan: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[-100, 100]],
  evaluate: Math.atan,
  derivative: (x) => [apply('div', constant(1), apply('add', constant(1), square(x)))],
  wgsl: (x) => `skewflow_atan(${x})`,
  wasm: prelude('atan'),
  tolerance: ulp(4),
  wgslTolerance: ulp(6),
  flops: 1,
};

/** The angle of the point (x, y), in (−π, π]; arguments in the order atan2(y, x). */
export const atan2: Op<2> = {
  arity: 2,
  notation: call,
  domain: [
    [-10, 10],
    [0.1, 10],
  ],
  evaluate: Math.atan2,
  derivative: (y, x) => {
    const r2 = apply('add', square(x), square(y));
    return [apply('div', x, r2), apply('neg', apply('div', y, r2))];
  },
  wgsl: (y, x) => `skewflow_atan2(${y}, ${x})`,
  wasm: prelude('atan2'),
  tolerance: ulp(4),
  wgslTolerance: ulp(6),
  flops: 2,
};
