/** How much may a formula say? Whatever its text, checking ends soon. */
import { describe, expect, it } from 'vitest';
import { parse } from '../../../src/kernels/formula/index.ts';
import { limits } from '../../../src/kernels/formula/limits.ts';
import { isAnswered, lossOf, messageOf, scope, withLets, worth } from './world.ts';

describe('limits', () => {
  const firstLine = (act: () => unknown): string => messageOf(act).split('\n')[0]!;

  it('bound the length of a formula', () => {
    expect(firstLine(() => worth(`w${' '.repeat(limits.textLength)}`))).toBe(
      'job.yaml:1:1: a formula has at most 4096 characters, this one 4097: name parts of it under `let`',
    );
    expect(() => worth(`w${' '.repeat(limits.textLength - 1)}`)).not.toThrow();
  });

  it.each([
    ['parentheses', (n: number) => `${'('.repeat(n)}w${')'.repeat(n)}`],
    ['signs', (n: number) => `${'-'.repeat(n)}w`],
    ['exponents', (n: number) => `w${'^w'.repeat(n)}`],
    ['calls', (n: number) => `${'exp('.repeat(n)}w${')'.repeat(n)}`],
  ])('bound the nesting of %s', (_, nested) => {
    expect(() => worth(nested(limits.nesting))).not.toThrow();
    expect(firstLine(() => worth(nested(limits.nesting + 1)))).toContain(
      'a formula is nested at most 100 deep: name parts of it under `let`',
    );
    isAnswered(() => parse(nested(800)));
  });

  it('allow as many terms as fit the text', () => {
    expect(() => worth(Array.from({ length: 1000 }, () => 'w').join(' + '))).not.toThrow();
    expect(() => worth(`w${' - 1'.repeat(1000)}`)).not.toThrow();
  });

  it('count nodes of the shared graph: what is said twice counts once', () => {
    const doubling = Object.fromEntries(
      Array.from({ length: 60 }, (_, n) => [`d${n}(a)`, n === 59 ? 'a + a' : `d${n + 1}(a + a)`]),
    );
    expect(worth('d0(w)', 0, withLets(doubling))[0]).toBe(worth('w')[0]! * 2 ** 60);
    const bare = Object.fromEntries(
      Array.from({ length: 60 }, (_, n) => [`d${n}`, n === 59 ? 'w' : `d${n + 1} + d${n + 1}`]),
    );
    expect(worth('d0', 0, withLets(bare))[0]).toBe(worth('w')[0]! * 2 ** 59);
  });

  it('bound the number of nodes', () => {
    const many = Array.from({ length: 300 }, (_, n) => `sin(${n}+w)`).join('+');
    expect(() => worth(many)).not.toThrow();
    const products = withLets({
      many: `matvec(outer(s, s), concat(s, s))`,
      s: `concat(${Array.from({ length: 60 }, (_, n) => `w+${n}`).join(',')})`,
    });
    expect(() => worth('s', 0, products)).not.toThrow();
    const rows = withLets({
      'f(a)': many.replaceAll('w', 'a'),
      g: 'f(w) + f(w + 0.5) + f(w + 0.25) + f(w + 0.125)',
    });
    expect(firstLine(() => worth('g', 0, rows))).toMatch(
      /the formula has \d{4} operations and inputs, more than 2000/u,
    );
  });

  it('bound what wide vectors make of little text', () => {
    const wide = { ...scope, params: [{ name: 'v', width: 1000 }] };
    const minima = Array.from({ length: 300 }, (_, n) => `min(v+${n})`).join('+');
    expect(firstLine(() => worth(minima, 0, wide))).toContain(
      'the formula has more than 2000 operations and inputs (equal ones are counted once)',
    );
  });

  it('bound how far let entries expand', () => {
    const growing = Object.fromEntries(
      Array.from({ length: 30 }, (_, n) => [
        `g${n}(a)`,
        n === 29 ? 'sin(a)' : `g${n + 1}(a + 1) + g${n + 1}(a * 2)`,
      ]),
    );
    expect(firstLine(() => worth('g0(w)', 0, withLets(growing)))).toContain(
      'the formula has more than 2000 operations',
    );
    const again = withLets({ 'f(a)': Array.from({ length: 1000 }, () => 'w').join(' - ') });
    const calls = (n: number): string => Array.from({ length: n }, (_, a) => `f(${a})`).join(' + ');
    expect(() => worth(calls(10), 0, again)).not.toThrow();
    expect(firstLine(() => worth(calls(25), 0, again))).toContain(
      'with every `let` expanded, the formula has more than 12000 parts',
    );
    const chain = Object.fromEntries(
      Array.from({ length: 400 }, (_, n) => [`c${n}`, n === 399 ? 'w' : `c${n + 1}`]),
    );
    expect(firstLine(() => worth('c0', 0, withLets(chain)))).toContain('nested more than 300 deep');
  });

  it('hold for recursion that nobody checked', () => {
    expect(firstLine(() => worth('r(w)', 0, withLets({ 'r(a)': 'r(a + 1)' })))).toContain(
      'nested more than 300 deep',
    );
  });

  it('let an exponent be any whole number', () => {
    expect(() => worth('w ^ 9007199254740991')).not.toThrow();
    expect(worth('1 ^ 9007199254740991')).toEqual([1]);
  });

  it('let sums over tracers count together with what is made of them', () => {
    const half = (from: number): string =>
      Array.from({ length: 210 }, (_, n) => `sin(${n + from}+w)`).join('+');
    const names = withLets({ a: half(0), b: half(1000), d: half(2000), e: half(3000) });
    expect(() => lossOf('sum(i, a) + sum(i, b)', names)).not.toThrow();
    expect(firstLine(() => lossOf('sum(i, a) * sum(i, b) + sum(i, d) * sum(i, e)', names))).toContain(
      'more than 2000',
    );
    expect(scope.lets.size).toBe(0);
  });
});
