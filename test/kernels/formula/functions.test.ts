import { describe, expect, it } from 'vitest';
import { formulaFunctions } from '../../../src/kernels/formula/functions.ts';
import { A, c, expectNear, worth } from './world.ts';

const third = 1 / 3;

/** formula, and what it is worth; every function stands in at least one. */
const table: readonly (readonly [formula: string, expected: readonly number[]])[] = [
  // Numbers and constants.
  ['1e-3', [0.001]],
  ['.5', [0.5]],
  ['2.', [2]],
  ['1E+2', [100]],
  ['pi', [Math.PI]],
  ['t', [0.3]],
  ['sigma', [0.8]],

  // Operators.
  ['1 + 2 * 3', [7]],
  ['7 - 2 - 1', [4]],
  ['8 / 4 / 2', [1]],
  ['2 * 3 ^ 2', [18]],
  ['2 ^ 3 ^ 2', [512]],
  ['-2 ^ 2', [-4]],
  ['(-2) ^ 2', [4]],
  ['2 ^ -1', [0.5]],
  ['2 ^ -2 ^ 2', [2 ** -4]],
  ['2 - -3', [5]],
  ['--3', [3]],
  ['-2 * 3', [-6]],
  ['1 + 2 < 4', [1]],
  ['1 < 1', [0]],
  ['1 <= 1', [1]],
  ['2 > 1', [1]],
  ['1 >= 2', [0]],
  ['1 == 1', [1]],
  ['1 != 1', [0]],
  ['2 * (1 < 2)', [2]],
  ['concat(1, 2, 3) * 2 + 1', [3, 5, 7]],
  ['concat(1, 2, 3) < 2', [1, 0, 0]],

  // Powers: repeated multiplication where the exponent is a whole constant, also for x < 0.
  ['sin(-3) ^ 0', [1]],
  ['sin(-3) ^ 1', [Math.sin(-3)]],
  ['(sin(-3) * 10) ^ 5', [(Math.sin(-3) * 10) ** 5]],
  ['(sin(-3) * 10) ^ -3', [(Math.sin(-3) * 10) ** -3]],
  ['concat(-1, 2, -3) ^ (1 + 1)', [1, 4, 9]],
  ['concat(-1, 2, -3) ^ 0', [1, 1, 1]],
  ['exp(1) ^ 0.5', [Math.exp(0.5)]],
  ['pow(2, 0.5)', [Math.SQRT2]],

  // Elementwise functions.
  ['abs(concat(-2, 0, 3))', [2, 0, 3]],
  ['acos(0.3)', [Math.acos(0.3)]],
  ['asin(0.3)', [Math.asin(0.3)]],
  ['atan(0.3)', [Math.atan(0.3)]],
  ['atan2(1, -2)', [Math.atan2(1, -2)]],
  ['clamp(concat(-2, 0.5, 3), -1, 1)', [-1, 0.5, 1]],
  ['cos(0.3)', [Math.cos(0.3)]],
  ['erf(0.5)', [0.5204998778130465]],
  ['exp(concat(0, 1))', [1, Math.E]],
  ['floor(concat(-1.5, 1.5))', [-2, 1]],
  ['log(2)', [Math.LN2]],
  ['max(concat(1, 5), concat(2, 3))', [2, 5]],
  ['max(concat(1, 5), 3)', [3, 5]],
  ['min(concat(1, 5), concat(2, 3))', [1, 3]],
  ['mod(-1, 3)', [2]],
  ['mod(concat(7, -7), 3)', [1, 2]],
  ['relu(concat(-1, 2))', [0, 2]],
  ['round(concat(2.5, -2.5, 0.4))', [3, -3, 0]],
  ['rsqrt(4)', [0.5]],
  ['rsqrt(0)', [0]],
  ['select(concat(0, 2), 5, concat(6, 7))', [6, 5]],
  ['sigmoid(0)', [0.5]],
  ['sign(concat(-2, 0, 2))', [-1, 0, 1]],
  ['sin(0.3)', [Math.sin(0.3)]],
  ['sqrt(2)', [Math.SQRT2]],
  ['step(concat(-1, 0, 1))', [0, 1, 1]],
  ['tan(0.3)', [Math.tan(0.3)]],
  ['tanh(0.3)', [Math.tanh(0.3)]],

  // Over components.
  ['sum(concat(1, 2, 4))', [7]],
  ['mean(concat(1, 2, 4))', [7 * third]],
  ['min(concat(3, 1, 2))', [1]],
  ['max(concat(3, 1, 2))', [3]],
  ['max(5)', [5]],

  // Vectors.
  ['concat(1)', [1]],
  ['cross(concat(1, 2, 3), concat(4, 5, 6))', [-3, 6, -3]],
  ['dot(concat(1, 2, 3), concat(4, 5, 6))', [32]],
  ['dot(concat(1, 2, 3), 2)', [12]],
  ['elem(concat(5, 6, 7), 2)', [7]],
  ['norm(concat(3, 4))', [5]],
  ['norm(concat(0, 0))', [0]],
  ['normalize(concat(3, 4))', [0.6, 0.8]],
  ['normalize(concat(0, 0))', [0, 0]],
  ['slice(concat(5, 6, 7, 8), 1, 2)', [6, 7]],
  ['sqdist(concat(1, 2), concat(4, 6))', [25]],
  ['sqdist(concat(1, 2), 0)', [5]],
  ['sqnorm(concat(1, 2))', [5]],

  // Matrices, row-major.
  ['matvec(concat(1, 2, 3, 4, 5, 6), concat(1, 0, 2))', [7, 16]],
  ['vecmat(concat(1, 2), concat(1, 2, 3, 4, 5, 6))', [9, 12, 15]],
  ['outer(concat(1, 2), concat(3, 4, 5))', [3, 4, 5, 6, 8, 10]],
];

describe('functions and operators', () => {
  it.each(table)('%s', (formula, expected) => {
    expectNear(worth(formula), expected);
  });

  it('are all in the table above', () => {
    const used = new Set(table.flatMap(([formula]) => formula.match(/[a-z]\w*(?=\()/gu) ?? []));
    expect(Object.keys(formulaFunctions).filter((name) => !used.has(name))).toEqual([]);
  });

  it('work on a width-6 parameter as a 2 × 3 matrix', () => {
    const row = (r: number): number => [0, 1, 2].reduce((s, n) => s + A[3 * r + n]! * c[n]!, 0);
    expectNear(worth('matvec(A, c)'), [row(0), row(1)]);
    expectNear(
      worth('vecmat(slice(c, 0, 2), A)'),
      [0, 1, 2].map((n) => c[0]! * A[n]! + c[1]! * A[3 + n]!),
    );
  });
});
