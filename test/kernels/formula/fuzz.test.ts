/** Whatever the text, it is read at once, and either gives a graph or an error about the formula. 50 000 formulas a run. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, it } from 'vitest';
import {
  checkFlow,
  checkLoss,
  checkScope,
  checkValue,
  parse,
  parseLetKey,
  plainText,
  print,
} from '../../../src/kernels/formula/index.ts';
import { expectNothingPolluted, refuseSlow, traceNoStacks } from '../../setup/slow.ts';
import { syntaxTree, tokenSoup } from './arbitrary.ts';
import { isAnswered, withLets } from './world.ts';

const lets = withLets({ 'K(a, b)': 'exp(-sqdist(a, b) / sigma^2)', E: 'q + p', N: 'norm(x - goal)' });
/** Some seconds of work, on a machine that is busy elsewhere, too. */
const limits = { timeout: 300_000 };

beforeAll(traceNoStacks);
afterAll(expectNothingPolluted);

const isAnsweredSoon = (act: () => unknown): void => refuseSlow(() => isAnswered(act));

function checkEverywhere(text: string): void {
  const formula = plainText(text);
  isAnsweredSoon(() => checkFlow(formula, 'x', lets));
  isAnsweredSoon(() => checkFlow(formula, 'q', lets));
  isAnsweredSoon(() => checkValue(formula, lets));
  isAnsweredSoon(() => checkLoss(formula, lets, []));
}

describe('any text', limits, () => {
  it('of random characters, 8 000 times, is parsed or refused with its place', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.string({ unit: 'grapheme', maxLength: 60 }),
    );
    fc.assert(
      fc.property(text, (any) => {
        isAnsweredSoon(() => parse(any));
        isAnsweredSoon(() => parseLetKey(any));
      }),
      { numRuns: 8000 },
    );
  });

  it('of random words, 30 000 times, is checked or refused with its place', () => {
    fc.assert(fc.property(tokenSoup, checkEverywhere), { numRuns: 30_000 });
  });

  it('of random trees, 7 000 times, is checked or refused with its place', () => {
    fc.assert(
      fc.property(syntaxTree, (tree) => checkEverywhere(print(tree))),
      { numRuns: 7000 },
    );
  });

  it('as the body of a let entry, 5 000 times, is checked or refused with its place', () => {
    fc.assert(
      fc.property(tokenSoup, tokenSoup, (a, b) => {
        const names = withLets({ 'K(a, b)': a, E: b });
        isAnsweredSoon(() => checkScope(names));
        isAnsweredSoon(() => checkValue(plainText('sum(j, K(x, E[j]))'), names));
        isAnsweredSoon(() => checkLoss(plainText('sum(i, E@start) + K(E, 1)'), names, []));
      }),
      { numRuns: 5000 },
    );
  });
});
