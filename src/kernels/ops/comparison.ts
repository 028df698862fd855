/** Which operations compare: 1 where the relation holds, else 0; flat. */
import { exact, type Op, prelude } from './op.ts';

const span: readonly [number, number] = [-100, 100];

export const lt: Op<2> = {
  arity: 2,
  notation: { kind: 'infix', sign: '<', binds: 'comparison' },
  domain: [span, span],
  evaluate: (x, y) => (x < y ? 1 : 0),
  derivative: () => [null, null],
  wgsl: (x, y) => `select(0.0, 1.0, ${x} < ${y})`,
  wasm: prelude('lt'),
  tolerance: exact,
  flops: 1,
};

export const le: Op<2> = {
  arity: 2,
  notation: { kind: 'infix', sign: '<=', binds: 'comparison' },
  domain: [span, span],
  evaluate: (x, y) => (x <= y ? 1 : 0),
  derivative: () => [null, null],
  wgsl: (x, y) => `select(0.0, 1.0, ${x} <= ${y})`,
  wasm: prelude('le'),
  tolerance: exact,
  flops: 1,
};

export const gt: Op<2> = {
  arity: 2,
  notation: { kind: 'infix', sign: '>', binds: 'comparison' },
  domain: [span, span],
  evaluate: (x, y) => (x > y ? 1 : 0),
  derivative: () => [null, null],
  wgsl: (x, y) => `select(0.0, 1.0, ${x} > ${y})`,
  wasm: prelude('gt'),
  tolerance: exact,
  flops: 1,
};

export const ge: Op<2> = {
  arity: 2,
  notation: { kind: 'infix', sign: '>=', binds: 'comparison' },
  domain: [span, span],
  evaluate: (x, y) => (x >= y ? 1 : 0),
  derivative: () => [null, null],
  wgsl: (x, y) => `select(0.0, 1.0, ${x} >= ${y})`,
  wasm: prelude('ge'),
  tolerance: exact,
  flops: 1,
};

export const eq: Op<2> = {
  arity: 2,
  notation: { kind: 'infix', sign: '==', binds: 'comparison' },
  domain: [span, span],
  evaluate: (x, y) => (x === y ? 1 : 0),
  derivative: () => [null, null],
  wgsl: (x, y) => `select(0.0, 1.0, ${x} == ${y})`,
  wasm: prelude('eq'),
  tolerance: exact,
  flops: 1,
};

export const ne: Op<2> = {
  arity: 2,
  notation: { kind: 'infix', sign: '!=', binds: 'comparison' },
  domain: [span, span],
  evaluate: (x, y) => (x !== y ? 1 : 0),
  derivative: () => [null, null],
  wgsl: (x, y) => `select(0.0, 1.0, ${x} != ${y})`,
  wasm: prelude('ne'),
  tolerance: exact,
  flops: 1,
};
