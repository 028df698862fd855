import { describe, expect, it } from 'vitest';
import type { Scope } from '../../../src/kernels/formula/index.ts';
import {
  added,
  data,
  dot,
  expectNear,
  flowOf,
  goal,
  lossOf,
  m,
  messageOf,
  minus,
  p,
  q,
  scope,
  sigma,
  sqdist,
  times,
  W,
  w,
  withLets,
  worth,
  x,
  z,
} from './world.ts';

const K = (a: readonly number[], b: readonly number[]): number => Math.exp(-sqdist(a, b) / sigma ** 2);
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b) / values.length;
const columns = (vectors: readonly (readonly number[])[]): readonly (readonly number[])[] =>
  vectors[0]!.map((_, n) => vectors.map((v) => v[n]!));
const scores = (row: number): readonly number[] => q.map((qj) => -sqdist(x[row]!, qj));
const logsumexp = (v: readonly number[]): number => Math.log(v.reduce((s, e) => s + Math.exp(e), 0));

describe('reductions over sources in a tracer formula', () => {
  it('sum adds over all rows', () => {
    const expected = added(q.map((qj, j) => times(K(x[1]!, qj), p[j]!)));
    expectNear(flowOf('x', 'sum(j, exp(-sqdist(x, q[j]) / sigma^2) * p[j])', 1), expected);
  });

  it('mean divides by the number of rows', () => {
    expectNear(worth('mean(j, q[j])'), columns(q).map(mean));
  });

  it('min and max take the extremes component by component', () => {
    expectNear(
      worth('min(j, q[j] - x)', 2),
      columns(q.map((qj) => minus(qj, x[2]!))).map((v) => Math.min(...v)),
    );
    expectNear(
      worth('max(j, q[j])'),
      columns(q).map((v) => Math.max(...v)),
    );
  });

  it('logsumexp is the logarithm of the sum of exponentials, component by component', () => {
    expectNear(worth('logsumexp(j, -sqdist(x, q[j]))', 1), [logsumexp(scores(1))]);
    expectNear(worth('logsumexp(j, q[j])'), columns(q).map(logsumexp));
  });

  it('logsumexp does not overflow', () => {
    expectNear(worth('logsumexp(j, 1000 + elem(q[j], 0))'), [1000 + logsumexp(columns(q)[0]!)]);
    expectNear(worth('logsumexp(j, -1e6 + elem(q[j], 0))'), [-1e6 + logsumexp(columns(q)[0]!)]);
  });

  it('logsumexp is −∞ where every term is', () => {
    expect(worth('logsumexp(j, log(0 * sqnorm(q[j])))')).toEqual([-Infinity]);
  });

  it('softmax weighs values by the exponentials of scores', () => {
    const weights = scores(0).map((s) => Math.exp(s - logsumexp(scores(0))));
    expectNear(worth('softmax(j, -sqdist(x, q[j]), p[j])'), added(p.map((pj, j) => times(weights[j]!, pj))));
  });

  it('softmax of large scores takes the value of the largest', () => {
    const best = scores(0).indexOf(Math.max(...scores(0)));
    expectNear(worth('softmax(j, -1e6 * sqdist(x, q[j]), p[j])'), p[best]!);
  });

  it('may use any of the indices j and k', () => {
    expectNear(worth('sum(k, m[k])'), [m.reduce((s, v) => s + v[0]!, 0)]);
  });

  it('stand beside each other with the same index', () => {
    expectNear(worth('sum(j, m[j]) * max(j, m[j])'), [
      m.reduce((s, v) => s + v[0]!, 0) * Math.max(...m.map((v) => v[0]!)),
    ]);
  });

  it('nest with a new index, and leave out the outer row with !=', () => {
    const expected = q.reduce(
      (s, qj, j) => s + q.reduce((u, qk, k) => (k === j ? u : u + K(qj, qk) * x[0]![0]!), 0),
      0,
    );
    expectNear(worth('sum(j, sum(k != j, exp(-sqdist(q[j], q[k]) / sigma^2)) * elem(x, 0))'), [expected]);
  });

  it('inside a score of another keep their own rows', () => {
    const expected = q.reduce((s, qj) => s + m.reduce((u, mk) => u + mk[0]!, 0) * qj[0]!, 0);
    expectNear(worth('sum(j, sum(k, m[k]) * elem(q[j], 0))'), [expected]);
  });
});

describe('reductions over a set', () => {
  it('run over its rows', () => {
    expectNear(worth('sum(j in target, z[j])'), added(z));
    expectNear(worth('mean(k in target, z[k])'), columns(z).map(mean));
  });

  it('nest with the sources', () => {
    const expected = q.reduce((s, qj) => s + z.reduce((u, zk) => u + dot(qj, zk), 0), 0);
    expectNear(worth('sum(j, sum(k in target, dot(q[j], z[k])))'), [expected]);
  });

  it('leave out a row of the same set', () => {
    const expected = z.reduce((s, a, j) => s + z.reduce((u, b, k) => (j === k ? u : u + sqdist(a, b)), 0), 0);
    expectNear(worth('sum(j in target, sum(k != j in target, sqdist(z[j], z[k])))'), [expected]);
  });

  it('may be asked for the sources by name', () => {
    expectNear(worth('sum(j in sources, m[j])'), worth('sum(j, m[j])'));
  });
});

describe('a source formula', () => {
  const others = (row: number): readonly number[] => [0, 1, 2, 3].filter((k) => k !== row);

  it('means the own row by a bare name and by j', () => {
    expectNear(flowOf('q', 'q[j] + p', 2), added([q[2]!, p[2]!]));
  });

  it('reaches the other sources under sum(k, …)', () => {
    expectNear(
      flowOf('q', 'sum(k, exp(-sqdist(q, q[k]) / sigma^2) * p[k])', 3),
      added(q.map((qk, k) => times(K(q[3]!, qk), p[k]!))),
    );
  });

  it('leaves the own row out with k != j', () => {
    expectNear(flowOf('q', 'sum(k != j, q[k])', 1), added(others(1).map((k) => q[k]!)));
    expectNear(
      flowOf('q', 'max(k != j, q[k])', 1),
      columns(others(1).map((k) => q[k]!)).map((v) => Math.max(...v)),
    );
  });

  it('divides a mean by M − 1 when the own row is left out', () => {
    expectNear(flowOf('q', 'mean(k != j, q[k])', 1), columns(others(1).map((k) => q[k]!)).map(mean));
  });

  it('leaves the own row out of logsumexp and softmax', () => {
    const score = (k: number): number => -sqdist(q[0]!, q[k]!);
    const L = logsumexp(others(0).map(score));
    expectNear(flowOf('q', 'logsumexp(k != j, -sqdist(q, q[k])) * q', 0), times(L, q[0]!));
    expectNear(
      flowOf('q', 'softmax(k != j, -sqdist(q, q[k]), p[k])', 0),
      added(others(0).map((k) => times(Math.exp(score(k) - L), p[k]!))),
    );
  });

  it('never evaluates to NaN because of a row that is left out', () => {
    expect(flowOf('q', 'sum(k != j, (q[k] - q) / sqdist(q, q[k]))', 0).every(Number.isFinite)).toBe(true);
  });

  it('reads weights between sources from the bound row to the own', () => {
    const expected = added(q.map((qk, k) => times(W[2]![k]![0]!, qk)));
    expectNear(flowOf('q', 'sum(k, W[k] * q[k])', 2), expected);
  });

  it('reads weights in a nested reduction too', () => {
    const inner = q.reduce((s, _, k) => s + W[1]![k]![0]!, 0);
    const outer = q.reduce((s, _, k) => s + W[1]![k]![0]! * inner, 0);
    expectNear(flowOf('q', 'q * sum(k, W[k] * sum(i in sources, W[i]))', 1), times(outer, q[1]!));
  });
});

describe('a loss', () => {
  it('adds over tracers', () => {
    expect(lossOf('sum(i, sqdist(x, goal))')).toBeCloseTo(
      x.reduce((s, v, i) => s + sqdist(v, goal[i]!), 0),
      12,
    );
    expect(lossOf('mean(i, w)')).toBeCloseTo(mean(w.map((v) => v[0]!)), 12);
    expect(lossOf('max(i, w) - min(i, w)')).toBeCloseTo(Math.max(...w.flat()) - Math.min(...w.flat()), 12);
  });

  it('may be any function of such sums', () => {
    const centre = columns(x).map(mean);
    const inner = x.reduce((s, v) => s + Math.exp(-dot(v, v)), 0);
    expect(lossOf('log(sum(i, exp(-sqnorm(x)))) + sqnorm(mean(i, x) - c)')).toBeCloseTo(
      Math.log(inner) + sqdist(centre, worth('c')),
      12,
    );
  });

  it('means the row of the outermost reduction by bare names', () => {
    const energy =
      0.5 * q.reduce((s, a, j) => s + q.reduce((u, b, k) => u + K(a, b) * dot(p[j]!, p[k]!), 0), 0);
    const lets = withLets({ 'K(a, b)': 'exp(-sqdist(a, b) / sigma^2)' });
    expect(lossOf('0.5 * sum(j, sum(k, K(q, q[k]) * dot(p, p[k])))', lets)).toBeCloseTo(energy, 12);
    expect(lossOf('0.5 * sum(j, sum(k, K(q[j], q[k]) * dot(p[j], p[k])))', lets)).toBeCloseTo(energy, 12);
    expect(lossOf('sum(j in target, sqnorm(z))')).toBeCloseTo(
      z.reduce((s, v) => s + dot(v, v), 0),
      12,
    );
  });

  it('reduces over sources inside a sum over tracers', () => {
    const expected = x.reduce((s, xi) => s + q.reduce((u, qj) => u + K(xi, qj), 0), 0);
    expect(lossOf('sum(i, sum(j, exp(-sqdist(x, q[j]) / sigma^2)))')).toBeCloseTo(expected, 12);
  });

  it('counts rows that do not matter', () => {
    expect(lossOf('sum(i, 1) + 10 * sum(j, 1) + 100 * sum(k in target, 1)')).toBe(3 + 40 + 500);
  });

  it('may be a function of parameters and time alone', () => {
    expect(lossOf('sqnorm(c) / t')).toBeCloseTo(dot(worth('c'), worth('c')) / 0.3, 12);
  });
});

describe('reductions over nothing', () => {
  const lone: Scope = { ...scope, sources: { rows: 1, fields: scope.sources!.fields } };
  const noTargets: Scope = {
    ...scope,
    sets: new Map([['target', { rows: 0, fields: [{ name: 'z', width: 3 }] }]]),
  };
  const noTargetRows = { ...data, rowCounts: { ...data.rowCounts, target: 0 } };

  it('are 0 for a sum', () => {
    expect(worth('sum(j in target, z[j])', 0, noTargets, noTargetRows)).toEqual([0, 0, 0]);
  });

  it('are −∞ for logsumexp', () => {
    expect(worth('logsumexp(j in target, dot(x, z[j]))', 0, noTargets, noTargetRows)).toEqual([-Infinity]);
  });

  it.each([
    'mean(j in target, z[j])',
    'min(j in target, z[j])',
    'max(j in target, z[j])',
    'softmax(j in target, 0, z[j])',
  ])('have no value: %s', (formula) => {
    expect(messageOf(() => worth(formula, 0, noTargets))).toContain(
      'over no rows has no value: the set `target` has none',
    );
  });

  it.each(['mean(k != j, q[k])', 'min(k != j, q[k])', 'max(k != j, q[k])', 'softmax(k != j, m[k], q[k])'])(
    'have no value where the only source is left out: %s',
    (formula) => {
      expect(messageOf(() => flowOf('q', formula, 0, lone))).toContain(
        'over no rows has no value: the sources have none but the row `j` that is left out',
      );
    },
  );
});
