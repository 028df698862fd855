import { describe, expect, it } from 'vitest';
import {
  apply,
  constant,
  type Expr,
  input,
  type Loop,
  now,
  type ReduceBy,
  reduce,
} from '../../../src/kernels/ir/expr.ts';
import type { Layout } from '../../../src/kernels/ir/kernel.ts';
import type { RowFunction } from '../../../src/kernels/ir/row-function.ts';
import { interpret } from '../../../src/kernels/reference/interpret.ts';
import type { RowResults } from '../../../src/kernels/reference/memory.ts';

const layout: Layout = {
  own: () => ({ bank: 'state', component: 0, components: 2 }),
  row: () => ({ table: 'sources.state', column: 0, columns: 2 }),
  param: () => 0,
  pair: () => 1,
  cotangent: (name) => ({ bank: `cotangent:${name}`, components: 1 }),
};
const outer: Loop = { over: 'sources', depth: 0 };
const inner: Loop = { over: 'sources', depth: 1 };
const x = input({ role: 'own', field: 'x', at: now }, 2);
const rowOf = (loop: Loop): Expr => input({ role: 'row', loop, field: 'q', at: now }, 2);
const indexOf = (loop: Loop | null): Expr => input({ role: 'index', loop }, 1);

const rows = [
  [1, 2],
  [3, 4],
];
const sources = [
  [5, 1],
  [6, 7],
  [6, 3],
];

function run(fn: Partial<RowFunction>, count = sources.length): RowResults {
  const whole: RowFunction = { name: 'test', planes: [], rowSums: [], scatters: [], ...fn };
  return interpret(
    whole,
    layout,
  )({
    rows: 2,
    firstRow: 10,
    time: 0.5,
    banks: new Map([['state', Float64Array.from(rows.flat())]]),
    tables: new Map([['sources.state', Float64Array.from(sources.slice(0, count).flat())]]),
    count: () => count,
    pairs: new Map([['W', Float64Array.from({ length: 9 }, (_, n) => n)]]),
    params: Float64Array.of(2, 3),
    sums: new Float64Array(0),
  });
}

const plane = (value: Expr, count?: number): number[] => [
  ...run({ planes: [{ name: 'out', value }] }, count).planes.get('out')!,
];

describe('the reference evaluator', () => {
  it('reads own values, row numbers and the time', () => {
    expect(plane(x)).toEqual([1, 2, 3, 4]);
    expect(plane(indexOf(null))).toEqual([10, 11]);
    expect(plane(input({ role: 'time' }, 1))).toEqual([0.5, 0.5]);
  });

  it('reads the weight from the bound row to the own row', () => {
    const weights = reduce('sum', outer, input({ role: 'pair', loop: outer, field: 'W' }, 1));
    expect(plane(weights)).toEqual([0 + 1 + 2, 3 + 4 + 5]);
  });

  it.each<[ReduceBy, readonly number[]]>([
    ['sum', [17, 11]],
    ['min', [5, 1]],
    ['max', [6, 7]],
    ['argmin', [0, 0]],
    ['argmax', [1, 1]],
  ])('reduces by %s, component by component, the first on ties', (by, expected) => {
    expect(plane(reduce(by, outer, rowOf(outer)))).toEqual([...expected, ...expected]);
  });

  it.each<[ReduceBy, number]>([
    ['sum', 0],
    ['min', Infinity],
    ['max', -Infinity],
    ['argmin', -1],
    ['argmax', -1],
  ])('reduces no rows by %s to %d', (by, expected) => {
    expect(plane(reduce(by, outer, indexOf(outer)), 0)).toEqual([expected, expected]);
    expect(plane(reduce(by, outer, indexOf(outer), constant(0)))).toEqual([expected, expected]);
  });

  it('selects rows away, even those whose value is not a number', () => {
    const poisoned = apply('div', constant(0), apply('sub', indexOf(outer), constant(1)));
    const kept = apply('ne', indexOf(outer), constant(1));
    expect(plane(reduce('sum', outer, apply('add', poisoned, constant(1)), kept))).toEqual([2, 2]);
  });

  it('nests reductions', () => {
    const product = apply('mul', rowOf(outer), rowOf(inner));
    expect(plane(reduce('sum', outer, reduce('sum', inner, product)))).toEqual([289, 121, 289, 121]);
  });

  it('adds row sums over rows and scatters to bound rows', () => {
    const scatter = { loops: [outer], where: apply('ne', indexOf(outer), constant(0)), value: x };
    const results = run({
      rowSums: [{ target: { role: 'param', field: 'θ' }, value: x }],
      scatters: [{ ...scatter, target: { role: 'row', loop: outer, field: 'q', at: now } }],
    });
    expect([...results.params]).toEqual([4, 6]);
    expect([...results.tables.get('sources.state')!]).toEqual([0, 0, 4, 6, 4, 6]);
    expect(results.visits).toBe(2 * 3);
  });
});
