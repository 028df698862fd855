/** Random syntax trees, random token soups: what the properties of this folder run over. */
import fc from 'fast-check';
import { formulaFunctions } from '../../../src/kernels/formula/functions.ts';
import type { BinaryOperator, Span, Syntax } from '../../../src/kernels/formula/syntax.ts';
import { bindingStrength, reductionNames } from '../../../src/kernels/formula/syntax.ts';

const nowhere: Span = { start: 0, end: 0 };
const operators = Object.keys(bindingStrength) as readonly BinaryOperator[];
const index = fc.constantFrom('i', 'j', 'k');
const word = fc.constantFrom('x', 'q', 'sigma', 'K', 'θ', '_a1', 'start', 'sum', 'exp');
const orNull = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(of, { nil: null });
const nonNegative = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true });

/** Any tree that some text parses to. */
export const syntaxTree: fc.Arbitrary<Syntax> = fc.letrec<{ tree: Syntax }>((tie) => {
  const tree = tie('tree');
  return {
    tree: fc.oneof(
      { maxDepth: 6, withCrossShrink: true },
      nonNegative.map((value): Syntax => ({ kind: 'number', value: value + 0, span: nowhere })),
      fc
        .record({
          name: word,
          index: orNull(index),
          at: orNull(
            fc.oneof(
              fc.constantFrom('start', 'end', '-0.5'),
              nonNegative.map((v) => String(v + 0)),
            ),
          ),
        })
        .map((parts): Syntax => ({ kind: 'name', nameSpan: nowhere, span: nowhere, ...parts })),
      fc
        .record({ operator: fc.constantFrom(...operators), left: tree, right: tree })
        .map((parts): Syntax => ({ kind: 'binary', operatorSpan: nowhere, span: nowhere, ...parts })),
      tree.map((arg): Syntax => ({ kind: 'negate', arg, span: nowhere })),
      fc
        .record({
          name: fc.constantFrom('exp', 'K', 'min', 'concat'),
          args: fc.array(tree, { maxLength: 3 }),
        })
        .filter(({ args: [first] }) => !startsLikeHead(first))
        .map((parts): Syntax => ({ kind: 'call', nameSpan: nowhere, span: nowhere, ...parts })),
      fc
        .record({
          name: fc.constantFrom(...reductionNames),
          index,
          except: orNull(index),
          over: orNull(fc.constantFrom('target', 'sources')),
          args: fc.array(tree, { minLength: 1, maxLength: 2 }),
        })
        .map(
          (parts): Syntax => ({
            kind: 'reduction',
            nameSpan: nowhere,
            headSpan: nowhere,
            span: nowhere,
            ...parts,
          }),
        ),
    ),
  };
}).tree;

/** An ordinary first argument that is an index name alone would be read as the head of a reduction. */
function startsLikeHead(first: Syntax | undefined): boolean {
  return first?.kind === 'name' && /^[ijk]$/u.test(first.name);
}

/** The tree without its places in the text. */
export function withoutSpans(syntax: Syntax): unknown {
  return JSON.parse(
    JSON.stringify(syntax, (key, value: unknown) => (/[sS]pan$/u.test(key) ? undefined : value)),
  );
}

const words = [
  ...Object.keys(formulaFunctions),
  ...reductionNames,
  ...'x goal w q p m z W sigma c A K E N t pi in i j k target sources tracers start rows toString'.split(' '),
  ...'0 1 2 3 0.5 1e-3 1e308 9007199254740991'.split(' '),
  ...'( ) [ ] , @ + - * / ^ < <= > >= == != ( ) , ['.split(' '),
  'sum(j,',
  'q[j]',
  'sum(i,',
  'sum(k,',
  'K(',
  'x@start',
];

/** Words of the language in any order. */
export const tokenSoup: fc.Arbitrary<string> = fc
  .array(fc.constantFrom(...words), { maxLength: 40 })
  .map((soup) => soup.join(' '));
