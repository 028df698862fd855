import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isMap, isScalar, parseDocument, stringify } from 'yaml';
import { type ScalarStyle, scalarOffsets } from '../../src/job/scalar-text.ts';

/** Where the value of key `x` and each of its characters stand in a text. */
function offsets(text: string): { value: string; at: readonly number[] } {
  const document = parseDocument(text);
  const node = isMap(document.contents) ? document.contents.get('x', true) : undefined;
  if (!isScalar(node) || typeof node.value !== 'string' || node.range == null)
    throw new Error('no text under x');
  const block = node.type === 'BLOCK_LITERAL' || node.type === 'BLOCK_FOLDED';
  const begin = block ? text.indexOf('\n', node.range[0]) + 1 : node.range[0];
  const style: ScalarStyle =
    node.type === 'QUOTE_DOUBLE' ? 'double-quoted' : node.type === 'QUOTE_SINGLE' ? 'single-quoted' : 'as-is';
  return { value: node.value, at: scalarOffsets(node.value, text, begin, node.range[1], style) };
}

describe('every visible character is found where it stands in', () => {
  test.each([
    ['a plain scalar', 'x: a + b * c # why\n'],
    ['a plain scalar over several lines', 'x: a +\n    b\n\n    * c\ny: 1\n'],
    ['single quotes', "x: 'a + b * c'\n"],
    ['double quotes', 'x: "a + b * c"\n'],
    ['double quotes over several lines', 'x: "a +\n    b \\\n    * c"\n'],
    ['a literal block', 'x: |\n  a +\n    b\n  * c\n'],
    ['a folded block', 'x: >-\n  a +\n  b\n\n  * c\n'],
    ['a block with an indentation indicator', 'x: |2-\n    a +\n   b\n   * c\n'],
    ['lines that end as on Windows', 'x: |\r\n  a +\r\n  b * c\r\n'],
    ['a flow map', '{ x: a + b * c, y: 2 }\n'],
  ])('%s', (_style, text) => {
    const { value, at } = offsets(text);
    expect(value.replaceAll(/\s/gu, '')).toBe('a+b*c');
    for (const [n, character] of Array.from(value).entries()) {
      if (/\S/u.test(character))
        expect(text[at[n]!], `character ${n} of ${JSON.stringify(value)}`).toBe(character);
    }
  });
});

test('escapes are met where they begin', () => {
  const { value, at } = offsets('x: "\\u03b1 + \\x62\\tc"\n');
  expect(value).toBe('α + b\tc');
  expect(at[0]).toBe(4);
  expect(at[4]).toBe(13);
  expect(at[6]).toBe(19);
});

test('a doubled single quote is one character', () => {
  const { value, at } = offsets("x: 'a''b'\n");
  expect(value).toBe("a'b");
  expect([...at]).toEqual([4, 5, 7, 8]);
});

test('the end of the value is after its last character', () => {
  const text = 'x: a + b   # comment\n';
  const { value, at } = offsets(text);
  expect(at[value.length]).toBe(text.indexOf('b') + 1);
});

test('characters beyond the basic plane count as the two they are', () => {
  const text = 'x: "𝛼 + b"\n';
  const { value, at } = offsets(text);
  expect(at[value.indexOf('b')]).toBe(text.indexOf('b'));
});

test('holds for any words in any style that YAML writes', () => {
  const word = fc.string({
    unit: fc.constantFrom(...Array.from('abxyz019+-*/^().,\'"\\αβ')),
    minLength: 1,
    maxLength: 8,
  });
  const words = fc.array(word, { minLength: 1, maxLength: 12 });
  const style = fc.constantFrom('PLAIN', 'QUOTE_DOUBLE', 'QUOTE_SINGLE', 'BLOCK_LITERAL', 'BLOCK_FOLDED');
  fc.assert(
    fc.property(words, style, fc.constantFrom(' ', '\n'), (list, defaultStringType, separator) => {
      const value = list.join(separator);
      const text = stringify(
        { x: value },
        { defaultStringType: defaultStringType as 'PLAIN', lineWidth: 30 },
      );
      const found = offsets(text);
      expect(found.value.trimEnd()).toBe(value);
      let last = -1;
      for (const [n, character] of Array.from(value).entries()) {
        if (/\s/u.test(character)) continue;
        const at = found.at[n]!;
        expect(at).toBeGreaterThan(last);
        // A quote or a backslash may stand there as an escape.
        if (!/['"\\]/u.test(character)) expect(text[at]).toBe(character);
        last = at;
      }
    }),
    { numRuns: 300 },
  );
});
