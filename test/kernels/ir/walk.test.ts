import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  apply,
  constant,
  type Expr,
  input,
  type Loop,
  now,
  operands,
  reduce,
} from '../../../src/kernels/ir/expr.ts';
import { rebuild, substitute, substituteLeaves, withoutStops } from '../../../src/kernels/ir/substitute.ts';
import { freeLoops, memoised, postorder } from '../../../src/kernels/ir/walk.ts';
import { anyFormula } from '../formulas.ts';

const j: Loop = { over: 'sources', depth: 0 };
const k: Loop = { over: 'sources', depth: 1 };
const x = input({ role: 'own', field: 'x', at: now }, 1);
const q = input({ role: 'row', loop: j, field: 'q', at: now }, 1);
const r = input({ role: 'row', loop: k, field: 'q', at: now }, 1);

describe('postorder', () => {
  it('meets every node once, operands before users', () => {
    fc.assert(
      fc.property(anyFormula, anyFormula, (a, b) => {
        const order = postorder(a, b);
        const place = new Map(order.map((node, n) => [node, n]));
        expect(place.size).toBe(order.length);
        for (const node of order)
          for (const o of operands(node)) expect(place.get(o)).toBeLessThan(place.get(node) ?? -1);
        expect(place.has(a) && place.has(b)).toBe(true);
      }),
    );
  });

  it('follows the structure, not the age of the nodes', () => {
    const young = apply('cos', constant(0.123));
    const old = apply('sin', constant(0.123));
    expect(postorder(apply('add', old, young)).map((e) => (e.kind === 'apply' ? e.op : e.kind))).toEqual([
      'constant',
      'sin',
      'cos',
      'add',
    ]);
  });
});

describe('memoised', () => {
  it('computes each shared node once, even where paths are exponentially many', () => {
    let calls = 0;
    const size = memoised<number>((e, of) => {
      calls++;
      return operands(e)
        .map(of)
        .reduce((a, b) => a + b, 1);
    });
    let e: Expr = x;
    for (let n = 0; n < 60; n++) e = apply('add', e, e);
    expect(size(e)).toBe(2 ** 61 - 1);
    expect(size(e)).toBe(2 ** 61 - 1);
    expect(calls).toBe(61);
  });

  it('refuses what is no operand', () => {
    const broken = memoised<number>((_, of) => of(constant(77)));
    expect(() => broken(x)).toThrow(/no operand/);
  });
});

describe('freeLoops', () => {
  it('are the bound rows a value depends on and does not bind itself', () => {
    const inner = reduce('sum', k, apply('mul', q, r));
    expect([...freeLoops(apply('mul', q, r))].sort()).toEqual(['sources#0', 'sources#1']);
    expect([...freeLoops(inner)]).toEqual(['sources#0']);
    expect([...freeLoops(reduce('sum', j, inner))]).toEqual([]);
  });

  it('include those of a condition', () => {
    const where = apply('ne', input({ role: 'index', loop: k }, 1), input({ role: 'index', loop: j }, 1));
    expect([...freeLoops(reduce('sum', k, r, where))]).toEqual(['sources#0']);
  });
});

describe('substitute', () => {
  it('gives the same graph back when nothing is replaced', () => {
    fc.assert(
      fc.property(anyFormula, (e) => {
        expect(substitute(e, () => null)).toBe(e);
        for (const node of postorder(e)) expect(rebuild(node, operands(node))).toBe(node);
      }),
    );
  });

  it('replaces leaves everywhere, also under reductions', () => {
    const e = reduce('sum', j, apply('mul', x, q), apply('lt', x, q));
    const replaced = substituteLeaves(e, (leaf) => (leaf.role === 'own' ? constant(3) : null));
    expect(replaced).toBe(reduce('sum', j, apply('mul', constant(3), q), apply('lt', constant(3), q)));
  });

  it('does not search a replacement again', () => {
    const replaced = substitute(apply('sin', x), (node) => (node === x ? apply('cos', x) : null));
    expect(replaced).toBe(apply('sin', apply('cos', x)));
  });

  it('takes stops away', () => {
    expect(withoutStops(apply('exp', apply('stop', apply('stop', x))))).toBe(apply('exp', x));
  });
});
