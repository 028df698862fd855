/**
 * Which identities of elementary operations are used: one a line, in the direction that reads better.
 *
 * Products are brought to the form  constant · scalars · vector  and signs to the front, so that constants and
 * signs of different factors meet, and factors that are the same for all rows can leave a sum (`factors.ts`).
 * What is no identity in floating point beyond rounding is absent or has a condition.
 */
import { apply, constant, type Expr } from '../ir/expr.ts';
import type { OpName } from '../ops/table.ts';
import type { Bindings, Pattern, Rule, Variable } from './pattern.ts';

type Term = Pattern | Variable | number;

const pattern = (t: Term): Pattern =>
  typeof t === 'number'
    ? { kind: 'number', value: t }
    : typeof t === 'string'
      ? { kind: 'variable', name: t }
      : t;

const of =
  (op: OpName) =>
  (...args: readonly Term[]): Extract<Pattern, { kind: 'apply' }> => ({
    kind: 'apply',
    op,
    args: args.map(pattern),
  });

const [add, sub, mul, div, neg, select] = [
  of('add'),
  of('sub'),
  of('mul'),
  of('div'),
  of('neg'),
  of('select'),
];

const plus = (x: Expr, y: Expr): Expr => apply('add', x, y);
const minus = (x: Expr, y: Expr): Expr => apply('sub', x, y);
const times = (x: Expr, y: Expr): Expr => apply('mul', x, y);
const over = (x: Expr, y: Expr): Expr => apply('div', x, y);
const minusOf = (x: Expr): Expr => apply('neg', x);

/** The value of a variable that stands for a constant. */
const value = (e: Expr): number => (e.kind === 'constant' ? e.value : Number.NaN);
const folded = (f: (c: number, d: number) => number, c: Expr, d: Expr): Expr =>
  constant(f(value(c), value(d)));
const sum = (c: Expr, d: Expr): Expr => folded((a, b) => a + b, c, d);
const difference = (c: Expr, d: Expr): Expr => folded((a, b) => a - b, c, d);
const product = (c: Expr, d: Expr): Expr => folded((a, b) => a * b, c, d);

const rule = (
  name: string,
  left: Rule['left'],
  right: (bound: Bindings) => Expr,
  when: (bound: Bindings) => boolean = () => true,
): Rule => ({ name, left, right, when });

/**
 * The constant a product in normal form begins with: c, c·x, c/x, (c·s)·v or (c/s)·v; null when there is none.
 * Its constants stand in front, so two levels are all there are.
 */
function leading(e: Expr, levels = 2): number | null {
  if (e.kind === 'constant') return e.value;
  const [first] = e.kind === 'apply' && (e.op === 'mul' || e.op === 'div') ? e.args : [];
  return first === undefined || levels === 0 ? null : leading(first, levels - 1);
}

/** The same product with the opposite leading constant. */
function opposite(e: Expr): Expr {
  if (e.kind === 'constant') return constant(-e.value);
  const [first, ...rest] = e.kind === 'apply' ? e.args : [];
  return e.kind === 'apply' && first !== undefined ? apply(e.op, opposite(first), ...rest) : minusOf(e);
}

/** 1, or 1/x/y/…: what a product of quotients is divided by and nothing else. */
function unit(e: Expr): boolean {
  if (e.kind === 'constant') return e.value === 1;
  const [numerator] = e.kind === 'apply' && e.op === 'div' ? e.args : [];
  return numerator !== undefined && unit(numerator);
}

const varies = (e: Expr): boolean => e.kind !== 'constant';
const negative = (e: Expr): boolean => (leading(e) ?? 0) < 0;

/** Known not to be NaN or infinite: inputs are checked when they are read, states after every step. */
const finite = (e: Expr): boolean =>
  e.kind === 'input' ||
  (e.kind === 'constant' && Number.isFinite(e.value)) ||
  (e.kind === 'part' && finite(e.arg));

const one = constant(1);
const two = constant(2);

export const rules: readonly Rule[] = [
  // Zero and one
  rule('x + 0 → x', add('x', 0), ({ x }) => x),
  rule('0 + x → x', add(0, 'x'), ({ x }) => x),
  rule('x − 0 → x', sub('x', 0), ({ x }) => x),
  rule('0 − x → −x', sub(0, 'x'), ({ x }) => minusOf(x)),
  rule('1 · x → x', mul(1, 'x'), ({ x }) => x),
  rule('(−1) · x → −x', mul(-1, 'x'), ({ x }) => minusOf(x)),
  rule(
    '0 · s → 0',
    mul(0, 's'),
    () => constant(0),
    ({ s }) => finite(s),
  ), // 0 · ∞ is not a number
  rule('x / 1 → x', div('x', 1), ({ x }) => x),
  rule('x / (−1) → −x', div('x', -1), ({ x }) => minusOf(x)),

  // Like terms
  rule('x + x → 2·x', add('x', 'x'), ({ x }) => times(two, x)),
  rule('x + c·x → (1+c)·x', add('x', mul('c', 'x')), ({ c, x }) => times(sum(one, c), x)),
  rule('c·x + x → (c+1)·x', add(mul('c', 'x'), 'x'), ({ c, x }) => times(sum(c, one), x)),
  rule('c·x + d·x → (c+d)·x', add(mul('c', 'x'), mul('d', 'x')), ({ c, d, x }) => times(sum(c, d), x)),
  rule('c·x − d·x → (c−d)·x', sub(mul('c', 'x'), mul('d', 'x')), ({ c, d, x }) => times(difference(c, d), x)),

  // Signs go to the front and meet there
  rule('−(−x) → x', neg(neg('x')), ({ x }) => x),
  rule('−(x − y) → y − x', neg(sub('x', 'y')), ({ x, y }) => minus(y, x)),
  rule(
    '−(c·x) → (−c)·x',
    neg('x'),
    ({ x }) => opposite(x),
    ({ x }) => leading(x) !== null,
  ),
  rule('c · (−x) → (−c)·x', mul('c', neg('x')), ({ c, x }) => times(opposite(c), x)),
  rule('x · (−y) → −(x·y)', mul('x', neg('y')), ({ x, y }) => minusOf(times(x, y))),
  rule('(−x) · y → −(x·y)', mul(neg('x'), 'y'), ({ x, y }) => minusOf(times(x, y))),
  rule('(−x) / y → −(x/y)', div(neg('x'), 'y'), ({ x, y }) => minusOf(over(x, y))),
  rule('x / (−y) → −(x/y)', div('x', neg('y')), ({ x, y }) => minusOf(over(x, y))),
  rule('x + (−y) → x − y', add('x', neg('y')), ({ x, y }) => minus(x, y)),
  rule('(−x) + y → y − x', add(neg('x'), 'y'), ({ x, y }) => minus(y, x)),
  rule('x − (−y) → x + y', sub('x', neg('y')), ({ x, y }) => plus(x, y)),
  rule('(−x) − y → −(x + y)', sub(neg('x'), 'y'), ({ x, y }) => minusOf(plus(x, y))),
  rule(
    'x + (−c)·y → x − c·y',
    add('x', 'y'),
    ({ x, y }) => minus(x, opposite(y)),
    ({ y }) => negative(y),
  ),
  rule(
    '(−c)·x + y → y − c·x',
    add('x', 'y'),
    ({ x, y }) => minus(y, opposite(x)),
    ({ x }) => negative(x),
  ),
  rule(
    'x − (−c)·y → x + c·y',
    sub('x', 'y'),
    ({ x, y }) => plus(x, opposite(y)),
    ({ y }) => negative(y),
  ),

  // Products: constants first, then scalars, then vectors
  rule(
    'x · c → c·x',
    mul('x', 'c'),
    ({ c, x }) => times(c, x),
    ({ x }) => varies(x),
  ),
  rule('v · s → s·v', mul('v', 's'), ({ s, v }) => times(s, v)),
  rule('c · (d·x) → (c·d)·x', mul('c', mul('d', 'x')), ({ c, d, x }) => times(product(c, d), x)),
  rule('s · (t·v) → (s·t)·v', mul('s', mul('t', 'v')), ({ s, t, v }) => times(times(s, t), v)),
  rule('(s·v) · w → s·(v·w)', mul(mul('s', 'v'), 'w'), ({ s, v, w }) => times(s, times(v, w))),
  rule('v · (s·w) → s·(v·w)', mul('v', mul('s', 'w')), ({ s, v, w }) => times(s, times(v, w))),
  rule(
    's · (c·t) → c·(s·t)',
    mul('s', mul('c', 't')),
    ({ c, s, t }) => times(c, times(s, t)),
    ({ s }) => varies(s),
  ),
  rule('(c·s) · t → c·(s·t)', mul(mul('c', 's'), 't'), ({ c, s, t }) => times(c, times(s, t))),
  rule(
    '(s·x) · x → s·(x·x)',
    mul(mul('s', 'x'), 'x'),
    ({ s, x }) => times(s, times(x, x)),
    ({ s, x }) => s !== x,
  ),

  // Quotients
  rule(
    '(x/y) · z → (x·z)/y, x = 1/…',
    mul(div('x', 'y'), 'z'),
    ({ x, y, z }) => over(times(x, z), y),
    ({ x, z }) => unit(x) && varies(z),
  ),
  rule(
    'z · (x/y) → (x·z)/y, x = 1/…',
    mul('z', div('x', 'y')),
    ({ x, y, z }) => over(times(x, z), y),
    ({ x, z }) => unit(x) && varies(z),
  ),
  rule(
    '(c/x) / y → c·((1/x)/y)',
    div(div('c', 'x'), 'y'),
    ({ c, x, y }) => times(c, over(over(one, x), y)),
    ({ c }) => Math.abs(value(c)) !== 1,
  ),
  rule('(x/(y·y)) · y → x/y', mul(div('x', mul('y', 'y')), 'y'), ({ x, y }) => over(x, y)),
  rule('c · (d/x) → (c·d)/x', mul('c', div('d', 'x')), ({ c, d, x }) => over(product(c, d), x)),
  rule(
    '(c/t) · s → c·(s/t)',
    mul(div('c', 't'), 's'),
    ({ c, s, t }) => times(c, over(s, t)),
    ({ s }) => varies(s),
  ),
  rule(
    's · (c/t) → c·(s/t)',
    mul('s', div('c', 't')),
    ({ c, s, t }) => times(c, over(s, t)),
    ({ s }) => varies(s),
  ),
  rule('s · (v/t) → (s/t)·v', mul('s', div('v', 't')), ({ s, t, v }) => times(over(s, t), v)),
  rule(
    '(c·s) / t → c·(s/t)',
    div(mul('c', 's'), 't'),
    ({ c, s, t }) => times(c, over(s, t)),
    ({ s }) => varies(s),
  ),
  rule('(s·v) / t → (s/t)·v', div(mul('s', 'v'), 't'), ({ s, t, v }) => times(over(s, t), v)),

  // Choices
  rule(
    'select(c, x, y) → x, c ≠ 0',
    select('c', 'x', 'y'),
    ({ x }) => x,
    ({ c, x, y }) => value(c) !== 0 && x.width >= y.width,
  ),
  rule(
    'select(0, x, y) → y',
    select(0, 'x', 'y'),
    ({ y }) => y,
    ({ x, y }) => y.width >= x.width,
  ),
  rule(
    'select(z, x, x) → x',
    select('z', 'x', 'x'),
    ({ x }) => x,
    ({ x, z }) => x.width >= z.width,
  ),
  rule('x · select(s, 1, 0) → select(s, x, 0)', mul('x', select('s', 1, 0)), ({ s, x }) =>
    apply('select', s, x, constant(0)),
  ),
  rule('x · select(s, 0, 1) → select(s, 0, x)', mul('x', select('s', 0, 1)), ({ s, x }) =>
    apply('select', s, constant(0), x),
  ),
];
