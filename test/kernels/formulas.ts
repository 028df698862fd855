/** Which formulas the passes are tried on: random, well-formed, of moderate size and value. */
import fc from 'fast-check';
import {
  apply,
  concat,
  constant,
  type Expr,
  input,
  type Loop,
  now,
  part,
  type ReduceBy,
  reduce,
  total,
} from '../../src/kernels/ir/expr.ts';
import type { Given } from './evaluate.ts';

const of = (...args: Parameters<typeof apply>): Expr => apply(...args);
const squarePlusOne = (x: Expr): Expr => of('add', of('mul', x, x), constant(1));

/** Steps that are smooth everywhere, their arguments brought into the domain. */
const smooth: readonly ((x: Expr, y: Expr) => Expr)[] = [
  (x, y) => of('add', x, y),
  (x, y) => of('sub', x, y),
  (x, y) => of('mul', x, y),
  (x, y) => of('mul', of('neg', x), of('mul', constant(3), y)),
  (x, y) => of('div', x, squarePlusOne(y)),
  (x, y) => of('div', of('div', constant(2), squarePlusOne(y)), squarePlusOne(x)),
  (x, y) => of('atan2', x, squarePlusOne(y)),
  (x, y) => of('pow', squarePlusOne(x), of('tanh', y)),
  (x) => of('neg', x),
  (x) => of('exp', of('tanh', x)),
  (x) => of('exp2', of('sin', x)),
  (x) => of('log', squarePlusOne(x)),
  (x) => of('log2', squarePlusOne(x)),
  (x) => of('sqrt', squarePlusOne(x)),
  (x) => of('rsqrt', squarePlusOne(x)),
  (x) => of('sigmoid', x),
  (x) => of('erf', x),
  (x) => of('atan', x),
  (x) => of('asin', of('mul', constant(0.9), of('sin', x))),
  (x) => of('acos', of('mul', constant(0.9), of('cos', x))),
  (x) => of('tan', of('tanh', x)),
  (x) => of('add', x, x),
  (x) => of('sub', constant(-1), x),
  (x) => total(x),
  (x, y) => total(of('mul', x, y)),
  (x) => part(x, 0, Math.max(1, x.width - 1)),
  (x) => part(x, x.width - 1, 1),
  (x) => (x.width < 3 ? x : concat(part(x, 2, 1), part(x, 0, 2))),
  (x) => (x.width < 3 ? of('mul', x, constant(0.5)) : concat(part(x, 1, 1), total(x), constant(0))),
];

/** Steps with kinks, jumps or no derivative. */
const kinked: readonly ((x: Expr, y: Expr) => Expr)[] = [
  (x, y) => of('min', x, y),
  (x, y) => of('max', x, y),
  (x, y) => of('mod', x, squarePlusOne(y)),
  (x, y) => of('select', of('lt', x, y), x, of('sin', y)),
  (x, y) => of('mul', x, of('ge', x, y)),
  (x) => of('clamp', x, constant(-1), constant(1)),
  (x) => of('abs', x),
  (x) => of('relu', x),
  (x) => of('mul', x, of('sign', x)),
  (x) => of('add', x, of('floor', x)),
  (x) => of('sub', x, of('round', x)),
  (x, y) => of('mul', x, of('stop', y)),
];

/** What there is to read. `sources` has 4 rows, `set` 3; fields of width 1 and 3. */
export const counts = { set: 3, sources: 4 } as const;

const outermost: readonly Expr[] = [
  input({ role: 'own', field: 'x', at: now }, 3),
  input({ role: 'own', field: 'm', at: now }, 1),
  input({ role: 'own', field: 'x', at: 'start' }, 3),
  input({ role: 'param', field: 'σ' }, 1),
  input({ role: 'param', field: 'b' }, 3),
  input({ role: 'sum', index: 0 }, 1),
  input({ role: 'time' }, 1),
  constant(2),
  constant(-0.5),
];

const rowsOf = (loop: Loop): readonly Expr[] => [
  input({ role: 'row', loop, field: 'q', at: now }, 3),
  input({ role: 'row', loop, field: 'w', at: now }, 1),
  ...(loop.over === 'sources' ? [input({ role: 'pair', loop, field: 'W' }, 1)] : []),
];

interface Level {
  readonly loop: Loop | null;
  readonly pool: Expr[];
}

/**
 * A formula written by a list of numbers: each entry applies a step to two values in reach, enters a reduction (at most
 * two deep) or leaves one. Values of outer levels are in reach of inner ones.
 */
function written(
  program: readonly (readonly [number, number, number])[],
  steps: readonly ((x: Expr, y: Expr) => Expr)[],
  by: readonly ReduceBy[],
): Expr {
  const levels: Level[] = [{ loop: null, pool: [...outermost] }];
  const top = (): Level => levels[levels.length - 1]!;
  const pick = (n: number): Expr => {
    // Newest first, so that most steps build on earlier ones.
    const reach = levels.flatMap((l) => l.pool).reverse();
    return reach[n % reach.length]!;
  };
  const leave = (n: number, body: Expr): void => {
    const { loop } = top();
    if (loop === null) return;
    const where =
      n % 3 === 0
        ? of('ne', input({ role: 'index', loop }, 1), input({ role: 'index', loop: null }, 1))
        : null;
    levels.pop();
    // Over no rows min and max are infinite, so only sums leave rows out.
    const kind = by[n % by.length]!;
    top().pool.push(reduce(kind, loop, body, kind === 'sum' ? where : null));
  };

  for (const [a, b, c] of program) {
    if (a % 5 === 0 && levels.length < 3) {
      const loop: Loop = { over: b % 3 === 0 ? 'set' : 'sources', depth: levels.length - 1 };
      levels.push({ loop, pool: [...rowsOf(loop)] });
    } else if (a % 5 === 1 && levels.length > 1) {
      leave(b, pick(c % 3));
    } else {
      const [x, y] = [pick(b % 7), pick(c)];
      const meets = x.width === y.width || x.width === 1 || y.width === 1;
      top().pool.push(steps[(a * 31 + b * 7 + c) % steps.length]!(x, meets ? y : total(y)));
    }
  }
  while (levels.length > 1) leave(levels.length, pick(0));
  return pick(0);
}

const program = fc.array(fc.tuple(fc.nat(999), fc.nat(999), fc.nat(999)), { minLength: 4, maxLength: 24 });

/** Formulas that are differentiable everywhere. */
export const smoothFormula: fc.Arbitrary<Expr> = program.map((p) => written(p, smooth, ['sum']));

/** Formulas of every kind of node and most operations. */
export const anyFormula: fc.Arbitrary<Expr> = program.map((p) =>
  written(p, [...smooth, ...kinked], ['sum', 'min', 'sum', 'max']),
);

/** Away from 0, so that products of many do not underflow. */
const real = fc.double({ min: -2, max: 2, noNaN: true }).map((x) => (x < 0 ? x - 0.01 : x + 0.01));
const vector = (width: number): fc.Arbitrary<number[]> =>
  fc.array(real, { minLength: width, maxLength: width });
const table = (rows: number, width: number): fc.Arbitrary<number[][]> =>
  fc.array(vector(width), { minLength: rows, maxLength: rows });

/** Values for everything these formulas read, and tangents: the tangent of field `x` is field `dx`, of sum 0 sum 1. */
export const anyGiven: fc.Arbitrary<Given> = fc.record({
  index: fc.nat(3),
  own: fc.record({
    x: vector(3),
    m: vector(1),
    'x@start': vector(3),
    dx: vector(3),
    dm: vector(1),
    'dx@start': vector(3),
  }),
  rows: fc.record({
    sources: fc.record({ q: table(4, 3), w: table(4, 1), dq: table(4, 3), dw: table(4, 1) }),
    set: fc.record({ q: table(3, 3), w: table(3, 1), dq: table(3, 3), dw: table(3, 1) }),
  }),
  counts: fc.constant(counts),
  pairs: fc.record({
    W: fc.array(table(4, 1), { minLength: 4, maxLength: 4 }),
    dW: fc.array(table(4, 1), { minLength: 4, maxLength: 4 }),
  }),
  params: fc.record({ σ: vector(1), b: vector(3), dσ: vector(1), db: vector(3) }),
  sums: fc.tuple(real, real).map((pair) => [...pair]),
  time: real,
});
