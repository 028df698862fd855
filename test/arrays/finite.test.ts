import { describe, expect, test } from 'vitest';
import { finiteReals } from '../../src/arrays/finite.ts';

const where = { field: 'x', label: 'a.npy', width: 3, firstRow: 100, shape: [1000, 3] };

describe('numbers that cannot be computed with', () => {
  test.each([
    [NaN, 'NaN'],
    [Infinity, 'Infinity'],
    [-Infinity, '-Infinity'],
  ])('such as %s are refused with field, row and component', (bad, text) => {
    const values = new Float64Array(9);
    values[5] = bad;
    expect(() => finiteReals(values, 'f64', where)).toThrow(
      `\`x\` holds ${text} at row 101, component 2 (both from 0) of a.npy: every number must be finite`,
    );
  });

  test('include those beyond the largest single, in f32 only', () => {
    const values = new Float64Array([0, 1e300, 0]);
    expect(() => finiteReals(values, 'f32', where)).toThrow('1e+300, which is too large for precision f32');
    expect(finiteReals(values, 'f64', where)).toBe(values);
  });

  test.each([
    [[10, 20, 3], 3, 'element [5][1][2] (from 0)'],
    [[50, 50], 1, 'element [2][5] (from 0)'],
    [[1000], 1, 'row 105, component 0 (both from 0)'],
  ])('are shown where they stand in an array of shape %j', (shape, width, place) => {
    const values = new Float64Array(12);
    values[5] = NaN;
    expect(() => finiteReals(values, 'f64', { ...where, shape, width })).toThrow(
      `holds NaN at ${place} of a.npy`,
    );
  });

  test('carry their place in the details', () => {
    expect(() => finiteReals(new Float32Array([1, NaN]), 'f32', { ...where, width: 1 })).toThrow(
      expect.objectContaining({ tag: 'InputError', details: { field: 'x', row: 101, component: 0 } }),
    );
  });
});

test('large numbers whose sum overflows are finite all the same', () => {
  const values = new Float64Array([1.7e308, 1.7e308]);
  expect(finiteReals(values, 'f64', where)).toBe(values);
});

test('numbers come in the precision that is asked for', () => {
  expect(finiteReals(new Float64Array([0.1]), 'f32', where)).toEqual(new Float32Array([0.1]));
  expect(finiteReals(new Float32Array([0.5]), 'f64', where)).toEqual(new Float64Array([0.5]));
});
