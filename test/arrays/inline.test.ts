import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openInline, openShaped } from '../../src/arrays/inline.ts';

test('a nested list has the shape of its lists and its numbers row-major', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 4 }), async (rows, width) => {
      const list = Array.from({ length: rows }, (_, r) =>
        Array.from({ length: width }, (_, c) => 10 * r + c),
      );
      const array = openInline(list);
      expect(array.shape).toEqual([rows, width]);
      expect([...(await array.elements(0, rows * width))]).toEqual(list.flat());
    }),
  );
});

test('a number has shape ()', async () => {
  const array = openInline(2.5);
  expect(array.shape).toEqual([]);
  expect([...(await array.elements(0, 1))]).toEqual([2.5]);
});

describe('refused, naming the element:', () => {
  test.each<[string, unknown, string]>([
    ['a short row', [[1, 2], [3]], 'inline: element [1] is a list of 1, where the first has 2'],
    ['a number among lists', [[1, 2], 3], 'inline: element [1] is a number, where the first row has a list'],
    ['a list among numbers', [1, [2]], 'inline: element [1] is a list, where the first row has a number'],
    ['a text', [[1, '2']], 'inline: element [0][1] is the text "2": a number is written without quotes'],
    ['nothing', [1, null], 'inline: element [1] is empty: a number is expected'],
    ['an object', [1, {}], 'inline: element [1] is a value of type object'],
  ])('%s', (_what, value, message) => {
    expect(() => openInline(value as number[])).toThrow(message);
  });

  test('lists in lists without end', () => {
    const list: unknown[] = [];
    list.push(list);
    expect(() => openInline(list as never)).toThrow('lists are nested more than 32 deep');
  });
});

describe('an array in memory', () => {
  test('keeps its precision and is read by range', async () => {
    const single = openShaped({ shape: [3], data: new Float32Array([1, 2, 3]) });
    expect(await single.elements(1, 3)).toEqual(new Float32Array([2, 3]));
    const whole = openShaped({ shape: [3, 1], data: new Int32Array([1, 2, 3]) });
    expect(await whole.elements(0, 2)).toEqual(new Float64Array([1, 2]));
  });

  test('whose shape and length disagree is refused', () => {
    expect(() => openShaped({ shape: [2, 2], data: [1, 2, 3] })).toThrow(
      'shape (2, 2) needs 4 numbers, and 3 are given',
    );
    expect(() => openShaped({ shape: [-1], data: [] })).toThrow('a shape is whole numbers, not (-1,)');
  });

  test('has an identity that follows from shape and numbers alone', () => {
    const a = openShaped({ shape: [2], data: new Float64Array([1, 2]) });
    const b = openInline([1, 2]);
    const c = openShaped({ shape: [2, 1], data: [1, 2] });
    const d = openInline([1, 3]);
    expect(a.identity).toBe(b.identity);
    expect(new Set([a.identity, c.identity, d.identity]).size).toBe(3);
  });
});
