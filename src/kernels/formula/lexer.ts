/** Which words a formula is made of. */
import { didYouMean, type FormulaText, formulaError } from './diagnostics.ts';
import type { Span } from './syntax.ts';

export interface Token {
  readonly kind: 'end' | 'name' | 'number' | 'symbol';
  readonly text: string;
  readonly span: Span;
}

const whitespace = /\s+/uy;
const number = /(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/uy;
const name = /[\p{L}_][\p{L}\p{M}\p{Nd}_]*/uy;
const symbol = /<=|>=|==|!=|[-+*/^<>()[\],@]/uy;

/** What people write, and what the language calls it. */
const foreign: readonly (readonly [written: RegExp, instead: string])[] = [
  [/\*\*/uy, 'a power is written `^`'],
  [/=/uy, 'equality is written `==`'],
  [/&&?/uy, '"and" is the product of two comparisons: `(a < b) * (b < c)`'],
  [/\|\|/uy, '"or" is the `max` of two comparisons: `max(a < b, b < c)`'],
  [/\|/uy, 'a norm is written `norm(x)`, an absolute value `abs(x)`'],
  [/!/uy, '"not" is written `1 - a`; unequal is `!=`'],
  [/[−–]/uy, 'minus is written `-`'],
  [/[·×∙⋅]/uy, 'a product is written `*`'],
  [/÷/uy, 'a quotient is written `/`'],
  [/²/uy, 'a square is written `^2`'],
  [/³/uy, 'a cube is written `^3`'],
  [/√/uy, 'a square root is written `sqrt(x)`'],
  [/[∑Σ]/uy, 'a sum over the sources is written `sum(j, …)`'],
  [/≤/uy, 'less or equal is written `<=`'],
  [/≥/uy, 'greater or equal is written `>=`'],
  [/≠/uy, 'unequal is written `!=`'],
  [/[{}]/uy, 'expressions are grouped with `( )`'],
  [/\?/uy, 'a choice is written `select(condition, a, b)`'],
  [/%/uy, 'a remainder is written `a - b * floor(a / b)`'],
  [/;/uy, 'arguments are separated by `,`'],
];

/**
 * The words of a formula, and one of kind `end`.
 *
 * @throws FormulaError at a character that no word begins with
 */
export function tokens(source: FormulaText): readonly Token[] {
  const { text } = source;
  const found: Token[] = [];
  let at = 0;

  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  const take = (kind: Token['kind'], word: string): void => {
    found.push({ kind, text: word, span: { start: at, end: at + word.length } });
    at += word.length;
  };

  while (at < text.length) {
    const space = match(whitespace);
    if (space !== undefined) {
      at += space.length;
      continue;
    }
    // `**` before the symbols, which would read it as two products.
    const power = match(foreign[0]![0]);
    const word = power === undefined ? (match(number) ?? match(name) ?? match(symbol)) : undefined;
    if (word === undefined) throw unexpectedCharacter(source, at);
    take(/^[\d.]/u.test(word) ? 'number' : /^[\p{L}_]/u.test(word) ? 'name' : 'symbol', word);
  }
  found.push({ kind: 'end', text: '', span: { start: text.length, end: text.length } });
  return found;
}

function unexpectedCharacter(source: FormulaText, at: number): Error {
  for (const [written, instead] of foreign) {
    written.lastIndex = at;
    const word = written.exec(source.text)?.[0];
    if (word === undefined) continue;
    return formulaError(
      source,
      { start: at, end: at + word.length },
      { message: `unexpected \`${word}\``, hint: instead },
    );
  }
  const character = String.fromCodePoint(source.text.codePointAt(at) ?? 0);
  return formulaError(
    source,
    { start: at, end: at + character.length },
    { message: `unexpected character \`${character}\``, hint: didYouMean(character, []) },
  );
}
