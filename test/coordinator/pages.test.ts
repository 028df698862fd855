import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changed, pagesOf, valueAt, valuesOf } from '../../src/coordinator/pages.ts';

describe('a list in pages', () => {
  it('changes as an array does, and every state before stays as it was', () => {
    const lengths = fc.integer({ min: 1, max: 300 });
    const changes = fc.array(fc.tuple(fc.array(fc.nat(), { maxLength: 9 }), fc.nat()), { maxLength: 9 });
    fc.assert(
      fc.property(lengths, changes, (length, steps) => {
        let list = pagesOf(length, 7);
        const expected = Array.from({ length }, () => 7);
        for (const [numbers, more] of steps) {
          const before = [...expected];
          const was = list;
          // Now and then beyond the list, where nothing changes.
          const places = numbers.map((number) => number % (length + 3));
          list = changed(list, places, (value, place) => value + more + place);
          for (const place of places)
            if (place < length) expected[place] = (expected[place] ?? 0) + more + place;
          expect(valuesOf(was)).toEqual(before);
        }
        expect(valuesOf(list)).toEqual(expected);
        expect(expected.map((_, place) => valueAt(list, place))).toEqual(expected);
      }),
    );
  });
});
