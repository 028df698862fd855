import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cosTurns, log } from '../../src/arrays/elementary.ts';

/** The whole exponent range of normal numbers, evenly. */
const positive = fc
  .tuple(fc.double({ min: 1, max: 2, noNaN: true }), fc.integer({ min: -1020, max: 1020 }))
  .map(([mantissa, exponent]) => mantissa * 2 ** exponent);

test('log agrees with the engine to a few units in the last place', () => {
  fc.assert(
    fc.property(positive, (x) => {
      const expected = Math.log(x);
      expect(Math.abs(log(x) - expected)).toBeLessThanOrEqual(2 ** -51 * Math.abs(expected) + 2 ** -60);
    }),
    { numRuns: 2000 },
  );
});

test('log is exact where the answer is', () => {
  expect(log(1)).toBe(0);
  expect(log(2)).toBe(Math.LN2);
  // ln 2 to 30 digits, shifted: the nearest double to −1000 ln 2.
  expect(log(2 ** -1000)).toBe(Number('-693.147180559945309417232121458'));
});

test('cos of turns agrees with the engine within 1e-15', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (u) => {
      expect(Math.abs(cosTurns(u) - Math.cos(2 * Math.PI * u))).toBeLessThanOrEqual(1e-15);
    }),
    { numRuns: 2000 },
  );
});

test('cos is exact at the quarters of a turn, where the engine is not', () => {
  expect([0, 0.25, 0.5, 0.75, 1].map(cosTurns).map((c) => c + 0)).toEqual([1, 0, -1, 0, 1]);
});

test('cos is even about half a turn, to the bit', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 30 }), (n) => {
      const u = n * 2 ** -31;
      expect(cosTurns(1 - u)).toBe(cosTurns(u));
    }),
  );
});
