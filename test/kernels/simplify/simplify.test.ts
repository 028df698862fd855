import fc from 'fast-check';
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
import { simplify } from '../../../src/kernels/simplify/simplify.ts';
import { evaluate } from '../evaluate.ts';
import { anyFormula, anyGiven, smoothFormula } from '../formulas.ts';

const j: Loop = { over: 'sources', depth: 0 };
const k: Loop = { over: 'sources', depth: 1 };
const own = (field: string, width = 1): Expr => input({ role: 'own', field, at: now }, width);
const row = (field: string, loop: Loop, width = 1): Expr =>
  input({ role: 'row', loop, field, at: now }, width);
const [x, y, v, w] = [own('x'), own('y'), own('v', 3), own('w', 3)];
const [p, q, r] = [row('p', j), row('q', j, 3), row('r', k)];
const simple = (e: Expr): string => print(simplify(e));

describe('simplify', () => {
  it('keeps the value of any smooth formula to rounding', () => {
    fc.assert(
      fc.property(smoothFormula, anyGiven, (e, given) => {
        const before = evaluate(e, given);
        const after = evaluate(simplify(e), given);
        fc.pre(before.every(Number.isFinite));
        // Terms may cancel; the formulas' intermediate values are of the order of their squares.
        before.forEach((value, c) => {
          expect(Math.abs((after[c] ?? Number.NaN) - value)).toBeLessThanOrEqual(
            1e-9 * (1 + Math.abs(value)),
          );
        });
      }),
      { numRuns: 300 },
    );
  });

  it('ends in a form that it leaves as it is, of the same width', () => {
    fc.assert(
      fc.property(anyFormula, (e) => {
        const once = simplify(e);
        expect(once.width).toBe(e.width);
        expect(simplify(once)).toBe(once);
      }),
      { numRuns: 300 },
    );
  });

  it('works through long chains without deep calls', () => {
    let sum = x;
    let product = y;
    for (let n = 0; n < 10_000; n++) {
      sum = apply('add', sum, apply('mul', constant(1), y));
      product = apply('neg', apply('mul', product, p));
    }
    const [plus] = evaluate(simplify(sum), { own: { x: [1], y: [2] } });
    expect(plus).toBe(20_001);
    expect(simplify(reduce('sum', j, product)).width).toBe(1);
  });

  it('folds constants in double precision', () => {
    expect(simple(apply('exp', apply('mul', constant(2), apply('sqrt', constant(4)))))).toBe('54.59815');
  });
});

describe('sums over rows', () => {
  it('let go of factors that are the same for every row', () => {
    const body = apply('div', apply('mul', apply('neg', x), apply('mul', p, q)), apply('mul', y, y));
    expect(simple(reduce('sum', j, body))).toBe('-x / y^2 * Σ_j (p[j] * q[j])');
  });

  it('keep the condition of the rows they count', () => {
    const where = apply('ne', input({ role: 'index', loop: j }, 1), input({ role: 'index', loop: null }, 1));
    expect(simple(reduce('sum', j, apply('mul', x, p), where))).toBe('x * Σ_{j != i} (p[j])');
  });

  it('let go of factors of nested sums', () => {
    const nested = reduce('sum', j, reduce('sum', k, apply('mul', apply('mul', x, p), r)));
    expect(simple(nested)).toBe('x * Σ_k (r[k]) * Σ_j (p[j])');
  });

  it('count rows when the term is the same for all', () => {
    expect(simple(reduce('sum', j, x))).toBe('x * Σ_j (1)');
  });

  it('of zeros are zeros of the same width', () => {
    expect(simple(reduce('sum', j, concat(constant(0), constant(0))))).toBe('concat(0, 0)');
  });

  it('stay whole when only 1 could leave', () => {
    expect(simple(reduce('sum', j, apply('div', constant(1), p)))).toBe('Σ_j (1 / p[j])');
  });

  it('are not confused with minima, which keep their factors', () => {
    expect(simple(reduce('min', j, apply('mul', x, p)))).toBe('min_j (x * p[j])');
  });
});

describe('vectors', () => {
  it('let scalars leave the sum of their components', () => {
    expect(simple(total(apply('div', apply('mul', apply('mul', v, x), w), y)))).toBe('x / y * dot(v, w)');
  });

  it('are taken apart where they were put together', () => {
    expect(simple(part(concat(x, v, y), 2, 3))).toBe('concat(slice(v, 1, 2), y)');
  });

  it('are put together again from neighbouring parts', () => {
    expect(simplify(concat(part(v, 0, 1), part(v, 1, 1), part(v, 2, 1)))).toBe(v);
  });

  it('of one repeated scalar become the scalar beside a wider vector', () => {
    expect(simple(apply('add', v, concat(x, x, x)))).toBe('v + x');
  });
});
