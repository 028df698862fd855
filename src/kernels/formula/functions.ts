/** The functions of the language: one record each says how many arguments it takes and what it is made of. */
import { apply, concat, constant, type Expr, part, total } from '../ir/expr.ts';
import type { OpName } from '../ops/table.ts';
import { arithmetic } from './arithmetic.ts';
import { limits } from './limits.ts';

/** Everything the language knows about one function. */
export interface FormulaFunction {
  /** Names of the arguments, for messages; with `more`, the last may be repeated. */
  readonly parameters: readonly string[];
  /** How many of them may be left out, from the end. */
  readonly optional: number;
  readonly more: boolean;
  /** The value, or what is wrong with the arguments' widths. */
  readonly build: (args: readonly Expr[]) => Expr | Misuse;
}

/** What is wrong with a call; `at` is the argument it is about, null for the call. `{0}` in the message is the first argument. */
export class Misuse {
  readonly at: number | null;
  readonly message: string;

  constructor(at: number | null, message: string) {
    this.at = at;
    this.message = message;
  }
}

function taking(
  parameters: readonly string[],
  build: FormulaFunction['build'],
  variants: Partial<Pick<FormulaFunction, 'more' | 'optional'>> = {},
): FormulaFunction {
  return { parameters, build, optional: 0, more: false, ...variants };
}

/** An operation on each component; widths are equal, or 1. */
function elementwise(op: OpName, ...parameters: readonly string[]): FormulaFunction {
  return taking(parameters, (args) => disagreement(args) ?? apply(op, ...args));
}

/** The first argument whose width fits neither 1 nor the widest. */
function disagreement(args: readonly Expr[]): Misuse | undefined {
  const width = Math.max(...args.map((a) => a.width));
  const at = args.findIndex((a) => a.width !== width && a.width !== 1);
  if (at < 0) return undefined;
  const widest = args.findIndex((a) => a.width === width);
  return new Misuse(
    at,
    `takes equal widths or width 1: {${at}} has width ${args[at]?.width}, {${widest}} ${width}`,
  );
}

/** The arguments of a function whose arity has been checked; one that may be absent is not read through this. */
type One = readonly [Expr];
type Two = readonly [Expr, Expr];
type Three = readonly [Expr, Expr, Expr];

const one = (name: string, build: (x: Expr) => Expr | Misuse): FormulaFunction =>
  taking([name], (args) => build(...(args as One)));

const two = (names: readonly [string, string], build: (a: Expr, b: Expr) => Expr | Misuse): FormulaFunction =>
  taking(names, (args) => build(...(args as Two)));

const three = (
  names: readonly [string, string, string],
  build: (a: Expr, b: Expr, c: Expr) => Expr | Misuse,
): FormulaFunction => taking(names, (args) => build(...(args as Three)));

/** Of two vectors of one width (or one of them of width 1), a scalar. */
const paired = (build: (a: Expr, b: Expr) => Expr): FormulaFunction =>
  two(['a', 'b'], (a, b) => disagreement([a, b]) ?? build(a, b));

/** a · b = Σ_m a_m b_m */
const dot = (a: Expr, b: Expr): Expr => total(apply('mul', a, b));

/** |x|² = Σ_m x_m² */
const sqnorm = (x: Expr): Expr => dot(x, x);

/** The components of a vector, each of width 1. */
const components = (x: Expr): readonly Expr[] => Array.from({ length: x.width }, (_, m) => part(x, m, 1));

/** Joins components two by two from the left, so that of equal ones the first is taken. */
const folded = (op: OpName, x: Expr): Expr => components(x).reduce((a, b) => apply(op, a, b));

/** With one argument over its components, with two component by component. */
const extremum = (op: 'max' | 'min'): FormulaFunction =>
  taking(
    ['a', 'b'],
    (args) => {
      const [a, b] = args as readonly [Expr, Expr | undefined];
      return b === undefined ? folded(op, a) : (disagreement([a, b]) ?? apply(op, a, b));
    },
    { optional: 1 },
  );

/** A non-negative integer written in the formula. */
function literal(e: Expr, name: string, at: number): number | Misuse {
  if (e.kind === 'constant' && Number.isSafeInteger(e.value) && e.value >= 0) return e.value;
  return new Misuse(at, `takes a literal for \`${name}\`: a whole number from 0 on`);
}

/** Components [start, start + count) of v, or what is outside it. */
function slice(v: Expr, start: number | Misuse, count: number | Misuse, elem = false): Expr | Misuse {
  if (start instanceof Misuse) return start;
  if (count instanceof Misuse) return count;
  const last = v.width - 1;
  if (start > last)
    return new Misuse(1, `counts components from 0: {0} has width ${v.width}, so the last is ${last}`);
  if (count < 1) return new Misuse(2, 'takes at least one component');
  if (!elem && start + count > v.width) {
    return new Misuse(
      2,
      `from component ${start} on, {0} of width ${v.width} has ${v.width - start}, not ${count}`,
    );
  }
  return part(v, start, count);
}

/** a × b */
function cross(a: Expr, b: Expr): Expr | Misuse {
  const at = [a, b].findIndex((v) => v.width !== 3);
  if (at >= 0) return new Misuse(at, `takes vectors of width 3, this one has width ${[a, b][at]?.width}`);
  const component = (m: number, n: number): Expr =>
    apply('sub', apply('mul', part(a, m, 1), part(b, n, 1)), apply('mul', part(a, n, 1), part(b, m, 1)));
  return concat(component(1, 2), component(2, 0), component(0, 1));
}

/** a bᵀ, row-major. */
function outer(a: Expr, b: Expr): Expr | Misuse {
  const width = a.width * b.width;
  if (width > limits.width) return new Misuse(null, `has width ${width}, more than ${limits.width}`);
  return concat(...components(a).map((c) => apply('mul', c, b)));
}

/** A x: the m rows of A, each times x. */
function matvec(a: Expr, x: Expr): Expr | Misuse {
  const n = x.width;
  if (a.width % n !== 0) {
    return new Misuse(0, `takes a matrix of m × n = m × ${n} components, and {0} has ${a.width}`);
  }
  return concat(...Array.from({ length: a.width / n }, (_, r) => dot(part(a, r * n, n), x)));
}

/** xᵀ A: the m rows of A, each weighted by a component of x. */
function vecmat(x: Expr, a: Expr): Expr | Misuse {
  const m = x.width;
  if (a.width % m !== 0) {
    return new Misuse(1, `takes a matrix of m × n = ${m} × n components, and {1} has ${a.width}`);
  }
  const n = a.width / m;
  return components(x)
    .map((c, r) => apply('mul', c, part(a, r * n, n)))
    .reduce((sum, row) => apply('add', sum, row));
}

function joined(args: readonly Expr[]): Expr | Misuse {
  const width = args.reduce((sum, a) => sum + a.width, 0);
  if (width > limits.width) return new Misuse(null, `has width ${width}, more than ${limits.width}`);
  return concat(...args);
}

/**
 * Every function, by name. `sum`, `mean`, `min` and `max` are here for the components of a vector; over rows they are
 * in `reductions.ts`.
 */
export const formulaFunctions: Readonly<Record<string, FormulaFunction>> = {
  // Elementwise.
  abs: elementwise('abs', 'x'),
  acos: elementwise('acos', 'x'),
  asin: elementwise('asin', 'x'),
  atan: elementwise('atan', 'x'),
  atan2: elementwise('atan2', 'y', 'x'),
  clamp: elementwise('clamp', 'x', 'lo', 'hi'),
  cos: elementwise('cos', 'x'),
  erf: elementwise('erf', 'x'),
  exp: elementwise('exp', 'x'),
  floor: elementwise('floor', 'x'),
  log: elementwise('log', 'x'),
  mod: elementwise('mod', 'x', 'n'),
  pow: elementwise('pow', 'x', 'y'),
  relu: elementwise('relu', 'x'),
  round: elementwise('round', 'x'),
  rsqrt: elementwise('rsqrt', 'x'),
  select: elementwise('select', 'c', 'a', 'b'),
  sigmoid: elementwise('sigmoid', 'x'),
  sign: elementwise('sign', 'x'),
  sin: elementwise('sin', 'x'),
  sqrt: elementwise('sqrt', 'x'),
  step: elementwise('step', 'x'),
  tan: elementwise('tan', 'x'),
  tanh: elementwise('tanh', 'x'),

  // Over the components of a vector.
  max: extremum('max'),
  mean: one('v', (v) => arithmetic('mul', total(v), constant(1 / v.width))),
  min: extremum('min'),
  sum: one('v', total),

  // Vectors.
  concat: taking(['v'], joined, { more: true }),
  cross: two(['a', 'b'], cross),
  dot: paired(dot),
  elem: two(['v', 'm'], (v, m) => slice(v, literal(m, 'm', 1), 1, true)),
  // √'(0) = 0 by the convention rsqrt(0) = 0, and so is the gradient of a norm at 0; normalize(0) = 0 likewise.
  norm: one('x', (x) => apply('sqrt', sqnorm(x))),
  normalize: one('x', (x) => apply('mul', x, apply('rsqrt', sqnorm(x)))),
  slice: three(['v', 'start', 'count'], (v, start, count) =>
    slice(v, literal(start, 'start', 1), literal(count, 'count', 2)),
  ),
  sqdist: paired((a, b) => sqnorm(apply('sub', a, b))),
  sqnorm: one('x', sqnorm),

  // Matrices, row-major.
  matvec: two(['A', 'x'], matvec),
  outer: two(['a', 'b'], outer),
  vecmat: two(['x', 'A'], vecmat),
};

/** The function of that name; names that every object inherits are none. */
export function functionNamed(name: string): FormulaFunction | undefined {
  return Object.hasOwn(formulaFunctions, name) ? formulaFunctions[name] : undefined;
}

/** `clamp(x, lo, hi)`, as messages show it. */
export function signature(name: string, f: FormulaFunction): string {
  return `${name}(${f.parameters.join(', ')}${f.more ? ', …' : ''})`;
}
