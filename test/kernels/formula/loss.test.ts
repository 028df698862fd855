import { describe, expect, it } from 'vitest';
import { checkLoss, plainText, type WithField } from '../../../src/kernels/formula/index.ts';
import { earlier, lossOf, messageOf, q, scope, sqdist, withLets, x } from './world.ts';

const check = (formula: string, withFields: readonly WithField[] = []): ReturnType<typeof checkLoss> =>
  checkLoss(plainText(formula), scope, withFields);

describe('moments', () => {
  it('read evolving fields at other times', () => {
    expect(lossOf('sum(i, sqdist(x, x@start))')).toBeCloseTo(
      x.reduce((s, v, n) => s + sqdist(v, earlier.x[n]!), 0),
      12,
    );
    expect(lossOf('sum(j, sqdist(q, q@0.5))')).toBeCloseTo(
      q.reduce((s, v, n) => s + sqdist(v, earlier.qHalf[n]!), 0),
      12,
    );
    expect(lossOf('sum(i, sum(j, sqdist(x@0.5, q[j]@start)))')).toBeCloseTo(
      earlier.xHalf.reduce((s, v) => s + earlier.q.reduce((u, b) => u + sqdist(v, b), 0), 0),
      12,
    );
  });

  it('are collected by their normalised labels', () => {
    expect([
      ...check('sum(i, sqnorm(x@start) + sqnorm(x@0.50) + sqnorm(x@5e-1) + sqnorm(x@end) + sqnorm(x))')
        .moments,
    ]).toEqual(['start', '0.5', 'end']);
    expect([...check('sum(i, sqnorm(x@-1.50)) + sum(i, sqnorm(x@-0))').moments]).toEqual(['-1.5', '0']);
  });

  it('of what is constant are the present', () => {
    const { sums, moments } = check('sum(i, w@start)');
    expect(sums).toEqual(check('sum(i, w)').sums);
    expect(moments.size).toBe(0);
  });
});

describe('sums over tracers', () => {
  it('are numbered in order, equal ones once', () => {
    const { sums, value } = check('sum(i, w) + mean(i, w) * max(i, w) + min(i, w) + sum(i, w)');
    expect(sums.map((s) => s.by)).toEqual(['sum', 'max', 'min']);
    expect(new Set(sums.map((s) => s.body)).size).toBe(1);
    expect(value.width).toBe(1);
  });

  it('may be vectors', () => {
    expect(check('sqnorm(mean(i, x) - c)').sums.map((s) => s.body.width)).toEqual([3]);
  });

  it('give a mean as a sum with coefficient 1/N', () => {
    const { sums, value } = check('mean(i, w)');
    expect(sums[0]?.by).toBe('sum');
    expect(value).toMatchObject({
      kind: 'apply',
      op: 'mul',
      args: [{ value: 1 / 3 }, { leaf: { role: 'sum', index: 0 } }],
    });
  });

  it('may stand in a let entry, and its value may be an argument', () => {
    expect(lossOf('sqnorm(centre)', withLets({ centre: 'mean(i, x)' }))).toBeCloseTo(
      lossOf('sqnorm(mean(i, x))'),
      14,
    );
    expect(lossOf('square(sum(i, w))', withLets({ 'square(a)': 'a * a' }))).toBeCloseTo(
      lossOf('sum(i, w)^2'),
      14,
    );
  });

  it('are refused as an argument that ends up inside another reduction', () => {
    const lets = withLets({ 'spread(a)': 'sum(i, sqdist(x, a))', 'around(a)': 'sum(j, sqdist(q, a))' });
    for (const formula of ['spread(mean(i, x))', 'around(mean(i, x))']) {
      expect(messageOf(() => lossOf(formula, lets))).toContain(
        'a sum over tracers cannot stand inside another reduction',
      );
    }
  });
});

describe('arrays of a loss term', () => {
  const shown: WithField = { name: 'shown', width: 3, slices: 1, group: 'tracers' };
  const seen: WithField = { name: 'seen', width: 3, slices: 2, group: 'sources' };

  it('are own values of tracers or sources', () => {
    expect(lossOf('sum(i, sqdist(x, shown)) + sum(j, sqdist(q, seen))', scope, [shown, seen])).toBeCloseTo(
      x.reduce((s, v, n) => s + sqdist(v, earlier.shown[n]!), 0) +
        q.reduce((s, v, n) => s + sqdist(v, earlier.seen[n]!), 0),
      12,
    );
  });

  it('have a name of their own', () => {
    expect(messageOf(() => check('1', [{ ...shown, name: 'goal' }]))).toBe(
      '`goal` is a field of the tracers and cannot also be an array of a loss term: choose another name',
    );
  });

  it('are the term’s slice at every moment', () => {
    expect(check('sum(i, sqnorm(shown@start))', [shown]).moments.size).toBe(0);
  });
});
