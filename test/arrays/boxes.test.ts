import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Box, boxElements, boxesOf } from '../../src/arrays/boxes.ts';

test('the boxes of a range hold its elements, once and in order, and are few', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 0, maxLength: 4 }),
      fc.nat(),
      fc.nat(),
      (shape, a, b) => {
        const all = shape.reduce((product, n) => product * n, 1);
        const [begin, end] = [a % (all + 1), b % (all + 1)].sort((x, y) => x - y) as [number, number];
        const boxes = boxesOf(shape, begin, end);
        const expected = Array.from({ length: end - begin }, (_, n) => begin + n);
        expect(boxes.flatMap((box) => elementsOf(shape, box))).toEqual(expected);
        expect(boxes.map(boxElements)).toEqual(boxes.map((box) => elementsOf(shape, box).length));
        expect(boxes.length).toBeLessThanOrEqual(Math.max(1, 2 * shape.length - 1));
      },
    ),
  );
});

test('rows of a later slice are one box, not the whole slice', () => {
  // Rows 10..20 of slice 3 of an array of 5 × 1000 × 3.
  expect(boxesOf([5, 1000, 3], 3 * 3000 + 30, 3 * 3000 + 60)).toEqual([
    [
      [3, 4],
      [10, 20],
      [0, 3],
    ],
  ]);
});

/** Row-major positions of a box, in its own row-major order. */
function elementsOf(shape: readonly number[], box: Box): readonly number[] {
  return box.reduce<readonly number[]>(
    (before, [begin, end], axis) =>
      before.flatMap((at) => Array.from({ length: end - begin }, (_, n) => at * shape[axis]! + begin + n)),
    [0],
  );
}
