/** Which operations round to whole numbers; flat almost everywhere. */
import { apply, constant } from '../ir/expr.ts';
import { absolute, call, exact, instruction, type Op, prelude } from './op.ts';

export const floor: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[-100, 100]],
  evaluate: Math.floor,
  derivative: () => [null],
  wgsl: (x) => `floor(${x})`,
  wasm: instruction('floor'),
  tolerance: exact,
  flops: 1,
};

/** Half away from zero, as KeOps; neither WGSL's rule (half to even) nor JavaScript's (half up). */
export const round: Op<1> = {
  arity: 1,
  notation: call,
  domain: [[-100, 100]],
  evaluate: (x) => {
    const whole = Math.trunc(x);
    // x − whole is exact, so 0.49999999999999994 stays below one half.
    return Math.abs(x - whole) >= 0.5 ? whole + Math.sign(x) : whole;
  },
  derivative: () => [null],
  wgsl: (x) => `skewflow_round(${x})`,
  wasm: prelude('round'),
  tolerance: exact,
  flops: 1,
};

/** x − n ⌊x/n⌋: the sign of n, unlike `%`. */
export const mod: Op<2> = {
  arity: 2,
  notation: call,
  domain: [
    [-100, 100],
    [0.5, 10],
  ],
  evaluate: (x, n) => x - n * Math.floor(x / n),
  derivative: (x, n) => [constant(1), apply('neg', apply('floor', apply('div', x, n)))],
  wgsl: (x, n) => `skewflow_mod(${x}, ${n})`,
  wasm: prelude('mod'),
  // x/n is rounded before it is floored and n ⌊x/n⌋ before it is taken away: an error of x, not of the result.
  tolerance: absolute(256),
  flops: 4,
};
