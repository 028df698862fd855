import { describe, expect, it } from 'vitest';
import { checkScope } from '../../../src/kernels/formula/index.ts';
import {
  added,
  dot,
  earlier,
  expectNear,
  flowOf,
  lossOf,
  m,
  messageOf,
  p,
  q,
  sigma,
  sqdist,
  times,
  withLets,
  worth,
  x,
  z,
} from './world.ts';

describe('a let entry with parameters', () => {
  const lets = withLets({ 'K(a, b)': 'exp(-sqdist(a, b) / sigma^2)', 'square(v)': 'v * v', 'one()': '1' });

  it('stands for its body with the arguments put in', () => {
    expectNear(worth('sum(j, K(x, q[j]))', 0, lets), [
      q.reduce((s, v) => s + Math.exp(-sqdist(x[0]!, v) / sigma ** 2), 0),
    ]);
  });

  it('takes arguments made with itself', () => {
    expectNear(worth('square(square(3))', 0, lets), [81]);
  });

  it('may have no arguments', () => {
    expectNear(worth('one() + 1', 0, lets), [2]);
  });

  it('keeps the meaning of an argument where its body binds the same index', () => {
    const scope = withLets({ 'total(a)': 'sum(j, m[j] * a)' });
    const all = m.reduce((s, v) => s + v[0]!, 0);
    const expected = q.reduce((s, v) => s + v[0]! * all, 0);
    expectNear(worth('sum(j, total(elem(q[j], 0)))', 0, scope), [expected]);
  });

  it('takes a reduction as an argument of a reduction', () => {
    const scope = withLets({ 'weighted(a)': 'sum(k, a * q[k])' });
    const all = m.reduce((s, v) => s + v[0]!, 0);
    expectNear(worth('weighted(sum(k, m[k]))', 0, scope), times(all, added(q)));
  });

  it('has parameters that shadow every other name, and sees none of its caller’s', () => {
    const scope = withLets({ 'f(x)': 'x + g(1)', 'g(sigma)': 'sigma + w', 'h(exp, pi, t)': 'exp + pi + t' });
    expectNear(worth('f(10)', 1, scope), [10 + 1 + worth('w', 1)[0]!]);
    expectNear(worth('h(1, 2, 3)', 0, scope), [6]);
  });

  it('has parameters that shadow indices', () => {
    const scope = withLets({ 'least(k)': 'min(k, 2)', 'differ(k, j)': 'max(k != j, 0.5)' });
    expectNear(worth('least(5)', 0, scope), [2]);
    expectNear(worth('differ(1, 1)', 0, scope), [0.5]);
    expectNear(worth('differ(1, 2)', 0, scope), [1]);
  });

  it('passes whole constants on to exponents, elem and slice', () => {
    const scope = withLets({ 'power(v, n)': 'v^n', 'at(v, n)': 'elem(v, n + 1)' });
    expectNear(worth('power(-2, 3)', 0, scope), [-8]);
    expectNear(worth('at(concat(1, 2, 3), 1)', 0, scope), [3]);
  });
});

describe('a let entry without parameters', () => {
  it('stands for its body, in a source formula for the own row', () => {
    const scope = withLets({ E: 'q + 2 * p' });
    expectNear(flowOf('q', 'E', 2, scope), added([q[2]!, times(2, p[2]!)]));
  });

  it('hands an index on to each bare source field in it', () => {
    const scope = withLets({ E: 'q + D', D: '2 * p', 'twice(a)': 'a + q' });
    expectNear(worth('sum(j, E[j])', 0, scope), added([...q, ...p, ...p]));
    const nested = withLets({ E: 'twice(p)', 'twice(a)': 'a + q' });
    expectNear(worth('sum(j, E[j])', 0, nested), added([...q, ...p]));
  });

  it('hands an index on to set fields, and leaves fields of other rows as they are', () => {
    const scope = withLets({ E: 'dot(z, x)', F: 'dot(z, q)' });
    expectNear(worth('sum(j in target, E[j])', 1, scope), [z.reduce((s, v) => s + dot(v, x[1]!), 0)]);
    expectNear(
      flowOf('q', 'q * sum(k in target, F[k])', 1, scope),
      times(
        z.reduce((s, v) => s + dot(v, q[1]!), 0),
        q[1]!,
      ),
    );
  });

  it('hands an index on through a reduction in its body', () => {
    const scope = withLets({ E: 'sum(k, dot(q, q[k]))' });
    const expected = q.reduce((s, a) => s + q.reduce((u, b) => u + dot(a, b), 0), 0);
    expectNear(worth('sum(j, E[j])', 0, scope), [expected]);
    expectNear(flowOf('q', 'q * sum(k, E[k])', 0, scope), times(expected, q[0]!));
  });

  it('hands a moment on to each evolving field in it', () => {
    const scope = withLets({ E: 'dot(x, goal)', F: 'dot(q, m * p)' });
    expect(lossOf('sum(i, E@start)', scope)).toBeCloseTo(lossOf('sum(i, dot(x@start, goal))'), 12);
    expect(lossOf('sum(j, sqnorm(q)) + sum(i, sum(j, D[j]@0.5))', withLets({ D: 'sqnorm(q)' }))).toBeCloseTo(
      q.reduce((s, v) => s + dot(v, v), 0) + 3 * earlier.qHalf.reduce((s, v) => s + dot(v, v), 0),
      12,
    );
  });

  it('may use rows that its caller has bound', () => {
    const scope = withLets({ r: 'x - q[j]' });
    expectNear(worth('sum(j, sqnorm(r))', 2, scope), [q.reduce((s, v) => s + sqdist(x[2]!, v), 0)]);
  });
});

describe('recursion', () => {
  it.each([
    [{ E: 'E + 1' }, '`let` entries cannot use themselves: E → E'],
    [{ 'f(a)': 'g(a)', 'g(a)': 'h + f(a)', h: '1' }, '`let` entries cannot use themselves: f → g → f'],
    [{ a: 'b', b: 'c0', c0: 'd', d: 'b' }, '`let` entries cannot use themselves: b → c0 → d → b'],
  ])('is refused with the circle: %o', (lets, message) => {
    expect(messageOf(() => checkScope(withLets(lets)))).toContain(message);
  });

  it('is not seen where a parameter has the name', () => {
    expect(() => checkScope(withLets({ 'E(E)': 'E + 1', 'f(g)': 'g', 'g(f)': 'f' }))).not.toThrow();
  });

  it('is looked for in chains of thousands of entries', () => {
    const chain = Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`e${n}`, `e${n + 1}`]));
    expect(() => checkScope(withLets({ ...chain, e5000: '1' }))).not.toThrow();
    expect(messageOf(() => checkScope(withLets({ ...chain, e5000: 'e4999' })))).toContain(
      'e4999 → e5000 → e4999',
    );
  });
});
