import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse, parseLetKey, print } from '../../../src/kernels/formula/index.ts';
import { syntaxTree, withoutSpans } from './arbitrary.ts';
import { messageOf } from './world.ts';

describe('parse ∘ print', () => {
  it('is the identity on trees', () => {
    fc.assert(
      fc.property(syntaxTree, (tree) => {
        expect(withoutSpans(parse(print(tree)))).toEqual(withoutSpans(tree));
      }),
      { numRuns: 500 },
    );
  });

  it('prints a fixed point: printing what was printed changes nothing', () => {
    fc.assert(
      fc.property(syntaxTree, (tree) => {
        expect(print(parse(print(tree)))).toBe(print(tree));
      }),
      { numRuns: 200 },
    );
  });
});

describe('print', () => {
  it.each([
    ['(a*b)+c', 'a * b + c'],
    ['a*(b+c)', 'a * (b + c)'],
    ['a-(b-c)', 'a - (b - c)'],
    ['(a-b)-c', 'a - b - c'],
    ['(a^b)^c', '(a^b)^c'],
    ['a^(b^c)', 'a^b^c'],
    ['-(x^2)', '-x^2'],
    ['(-x)^2', '(-x)^2'],
    ['2^(-x)', '2^-x'],
    ['-(a*b)', '-(a * b)'],
    ['(-a)*b', '-a * b'],
    ['(a<b)*(b<c)', '(a < b) * (b < c)'],
    ['(a<b)<c', '(a < b) < c'],
    ['sum( k!=j in target,q [ k ] @ 0.50 )', 'sum(k != j in target, q[k]@0.5)'],
    ['x@start[j]', 'x[j]@start'],
    ['x @ -1e0', 'x@-1'],
    ['1e-3 + .5 + 2.', '0.001 + 0.5 + 2'],
    ['f( )', 'f()'],
    ['min(k + 1, 2)', 'min(k + 1, 2)'],
    ['sum(k != j + 1)', 'sum(k != j + 1)'],
  ])('writes %s as %s', (text, printed) => {
    expect(print(parse(text))).toBe(printed);
  });

  it('writes a sum of a thousand terms', () => {
    const text = Array.from({ length: 1000 }, () => 'a').join(' + ');
    expect(print(parse(text))).toBe(text);
  });
});

describe('parse', () => {
  it('keeps the place of every node', () => {
    expect(parse('a + exp(b[j])')).toEqual({
      kind: 'binary',
      operator: '+',
      operatorSpan: { start: 2, end: 3 },
      left: {
        kind: 'name',
        name: 'a',
        nameSpan: { start: 0, end: 1 },
        index: null,
        at: null,
        span: { start: 0, end: 1 },
      },
      right: {
        kind: 'call',
        name: 'exp',
        nameSpan: { start: 4, end: 7 },
        args: [
          {
            kind: 'name',
            name: 'b',
            nameSpan: { start: 8, end: 9 },
            index: 'j',
            at: null,
            span: { start: 8, end: 12 },
          },
        ],
        span: { start: 4, end: 13 },
      },
      span: { start: 0, end: 13 },
    });
  });

  it('reads a reduction only where an index comes first', () => {
    expect(parse('min(j, b)').kind).toBe('reduction');
    expect(parse('min(a, b)').kind).toBe('call');
    expect(parse('sum(k != j, a)').kind).toBe('reduction');
    expect(parse('sum(j in target, a)').kind).toBe('reduction');
    expect(parse('exp(j)').kind).toBe('call');
  });
});

describe('parseLetKey', () => {
  it('reads a name, and a name with parameters', () => {
    expect(parseLetKey('E')).toEqual({ name: 'E', params: null });
    expect(parseLetKey('K( a,b )')).toEqual({ name: 'K', params: ['a', 'b'] });
    expect(parseLetKey('zero()')).toEqual({ name: 'zero', params: [] });
  });

  it.each([
    ['K(a, a)', 'formula:1:6: parameter `a` occurs twice'],
    ['K(a', 'formula:1:4: expected `,`, but the end of the formula came'],
    ['K(2)', 'formula:1:3: expected the name of a parameter, but `2` came'],
    ['3', 'formula:1:1: expected a name, or a name with parameters such as `K(a, b)`, but `3` came'],
    ['K(a) + 1', 'formula:1:6: a `let` key is a name or a name with parameters, but `+` follows'],
  ])('refuses %s', (key, message) => {
    expect(messageOf(() => parseLetKey(key)).split('\n')[0]).toBe(message);
  });
});
