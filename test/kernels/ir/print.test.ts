import { describe, expect, it } from 'vitest';
import {
  apply,
  concat,
  constant,
  type Expr,
  input,
  type Loop,
  now,
  part,
  reduce,
  total,
} from '../../../src/kernels/ir/expr.ts';
import { print } from '../../../src/kernels/ir/print.ts';

const j: Loop = { over: 'sources', depth: 0 };
const k: Loop = { over: 'target', depth: 1 };
const own = (field: string, width = 1, at = now): Expr => input({ role: 'own', field, at }, width);
const [a, b, c] = [own('a'), own('b'), own('c')];
const [x, q] = [own('x', 3), input({ role: 'row', loop: j, field: 'q', at: now }, 3)];
const z = input({ role: 'row', loop: k, field: 'z', at: now }, 3);
const of = apply;

describe('print', () => {
  it.each<[string, Expr]>([
    ['a + b + c', of('add', of('add', a, b), c)],
    ['a + b + c', of('add', a, of('add', b, c))],
    ['a - (b + c)', of('sub', a, of('add', b, c))],
    ['a - b - c', of('sub', of('sub', a, b), c)],
    ['a / (b * c)', of('div', a, of('mul', b, c))],
    ['a * b / c', of('mul', a, of('div', b, c))],
    ['2 / a / b', of('mul', constant(2), of('div', of('div', constant(1), a), b))],
    ['(a + b) * c', of('mul', of('add', a, b), c)],
    ['-a * b', of('neg', of('mul', a, b))],
    ['-a - b', of('neg', of('add', a, b))],
    ['-(a - b)', of('neg', of('sub', a, b))],
    ['c * (-a - b)', of('mul', c, of('neg', of('add', a, b)))],
    ['a - (-b)', of('sub', a, of('neg', b))],
    ['a * (-2)', of('mul', a, constant(-2))],
    ['-2 * a', of('mul', constant(-2), a)],
    ['(-a)^2', of('mul', of('neg', a), of('neg', a))],
    ['a^3', of('mul', a, of('mul', a, a))],
    ['a^4', of('mul', of('mul', a, a), of('mul', a, a))],
    ['a^b^c', of('pow', a, of('pow', b, c))],
    ['(a^b)^c', of('pow', of('pow', a, b), c)],
    ['(a < b) < c', of('lt', of('lt', a, b), c)],
    ['a + b <= c', of('le', of('add', a, b), c)],
    ['select(a > b, a, b)', of('select', of('gt', a, b), a, b)],
  ])('%s, with no parentheses but the needed ones', (text, e) => {
    expect(print(e)).toBe(text);
  });

  it.each<[string, Expr]>([
    ['sum(x)', total(x)],
    ['dot(x, q[j])', total(of('mul', x, q))],
    ['sqnorm(x)', total(of('mul', x, x))],
    ['sqdist(x, q[j])', total(of('mul', of('sub', x, q), of('sub', x, q)))],
    ['elem(x, 2)', part(x, 2, 1)],
    ['slice(x, 1, 2)', part(x, 1, 2)],
    ['concat(a, x)', concat(a, x)],
    ['x@start', own('x', 3, 'start')],
    ['q@start[j]', input({ role: 'row', loop: j, field: 'q', at: 'start' }, 3)],
    ['W[j]', input({ role: 'pair', loop: j, field: 'W' }, 1)],
    ['t', input({ role: 'time' }, 1)],
    ['κ_slope', input({ role: 'cotangent', name: 'slope' }, 3)],
    ['S_1', input({ role: 'sum', index: 1 }, 1)],
    ['0.333333333', constant(1 / 3)],
  ])('%s as job files write it', (text, e) => {
    expect(print(e)).toBe(text);
  });

  it('names the bound rows by their depth', () => {
    const where = of('ne', input({ role: 'index', loop: j }, 1), input({ role: 'index', loop: null }, 1));
    const nested = reduce('sum', k, of('mul', q, z));
    expect(print(reduce('sum', j, nested))).toBe('Σ_j (Σ_{k in target} (q[j] * z[k]))');
    expect(print(reduce('min', j, q, where))).toBe('min_{j != i} (q[j])');
    expect(print(reduce('sum', j, q, of('lt', a, b)))).toBe('Σ_{j: a < b} (q[j])');
  });

  it('writes cotangents and sums as it is told', () => {
    const e = of('mul', input({ role: 'cotangent', name: 'slope' }, 1), input({ role: 'sum', index: 0 }, 1));
    expect(print(e, { cotangent: () => 'κ', sum: (n) => `mean${n}` })).toBe('κ * mean0');
  });

  it('cuts a text that sharing makes too long', () => {
    let e: Expr = a;
    for (let n = 0; n < 100; n++) e = of('sin', of('add', e, e));
    expect(print(e).length).toBeLessThan(20_001);
  });
});
