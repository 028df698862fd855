import { describe, expect, it } from 'vitest';
import { isSkewflowError } from '../../../src/errors.ts';
import { checkScope, type Scope } from '../../../src/kernels/formula/index.ts';
import { messageOf, scope, withLets } from './world.ts';

const field = (name: string): { name: string; width: number } => ({ name, width: 1 });
const refusal = (change: Partial<Scope>): string => messageOf(() => checkScope({ ...scope, ...change }));

describe('checkScope', () => {
  it('accepts names that are unique', () => {
    expect(() => checkScope(withLets({ 'K(a, b)': 'a * b', E: 'q' }))).not.toThrow();
  });

  it.each<[string, Partial<Scope>]>([
    [
      '`q` is a field of the sources and cannot also be a parameter of the job: choose another name',
      { params: [field('q')] },
    ],
    [
      '`x` is a field of the tracers and cannot also be a pair field: choose another name',
      { pairs: [field('x')] },
    ],
    [
      '`q` is a field of the sources and cannot also be a field of the tracers: choose another name',
      { tracers: { rows: 2, fields: [field('q')] } },
    ],
    [
      '`x` is a field of the tracers and cannot also be a field of the set `other`: choose another name',
      { sets: new Map([['other', { rows: 1, fields: [field('x')] }]]) },
    ],
    [
      '`x` is a field of the tracers and cannot also be the name of a set: choose another name',
      { sets: new Map([['x', { rows: 1, fields: [] }]]) },
    ],
    [
      '`sources` cannot be the name of a set: it names a group of the job',
      { sets: new Map([['sources', { rows: 1, fields: [] }]]) },
    ],
    [
      '`exp` is a function and cannot also be a parameter of the job: choose another name',
      { params: [field('exp')] },
    ],
    [
      '`softmax` is a function and cannot also be a parameter of the job: choose another name',
      { params: [field('softmax')] },
    ],
    [
      '`j` is an index and cannot also be a parameter of the job: choose another name',
      { params: [field('j')] },
    ],
    [
      '`t` is the time and cannot also be a parameter of the job: choose another name',
      { params: [field('t')] },
    ],
    [
      '`pi` is the number π and cannot also be a parameter of the job: choose another name',
      { params: [field('pi')] },
    ],
    [
      '`in` is a word of the language and cannot also be a parameter of the job: choose another name',
      { params: [field('in')] },
    ],
    [
      '`rows` is reserved for a count of rows and cannot also be a parameter of the job: choose another name',
      { params: [field('rows')] },
    ],
    [
      '`a-b` cannot be a name in formulas: a letter or `_`, then letters, digits and `_`',
      { params: [field('a-b')] },
    ],
    [
      '`q` is a field of the sources and cannot also be a `let` name: choose another name',
      { lets: withLets({ q: '1' }).lets },
    ],
    ['parameter `a` of `K` occurs twice', { lets: withLets({ 'K(a, a)': '1' }).lets }],
    ['`2` cannot be a parameter of `K`: it is not a name', { lets: withLets({ 'K(2)': '1' }).lets }],
  ])('says %s', (message, change) => {
    expect(refusal(change)).toBe(message);
  });

  it('names the culprit in the details, for whoever knows where it stands', () => {
    try {
      checkScope({ ...scope, params: [field('q')] });
      expect.unreachable();
    } catch (e) {
      expect(isSkewflowError(e, 'JobFileError') && e.details).toEqual({ name: 'q' });
    }
  });

  it('parses the bodies of let entries, used or not', () => {
    expect(messageOf(() => checkScope(withLets({ E: '1 +' })))).toBe(
      ['let E:1:4: expected a number, a name or `(`, but the formula ends', '  1 │ 1 +', '    │    ^'].join(
        '\n',
      ),
    );
  });

  it('takes names in any alphabet', () => {
    expect(() => checkScope({ ...scope, params: [field('θ'), field('ρ_0'), field('_')] })).not.toThrow();
  });
});
