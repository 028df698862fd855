import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeData, encodeData } from '../../src/coordinator/plain-data.ts';

it('brings every number of a state back with the same bits', () => {
  const number = fc.double();
  const array = fc.float64Array({ maxLength: 9 });
  const state = fc.letrec((tie) => ({
    data: fc.oneof(
      { depthSize: 'small' },
      number,
      array,
      fc.constant(null),
      fc.boolean(),
      fc.constantFrom('gd', 'lbfgs'),
      fc.array(tie('data'), { maxLength: 3 }),
      fc.record({ value: tie('data'), slope: tie('data') }, { noNullPrototype: true }),
    ),
  })).data;
  // −0, ±∞ and NaN included: toStrictEqual tells 0 from −0.
  fc.assert(
    fc.property(state, (data) => {
      expect(decodeData(encodeData(data))).toStrictEqual(data);
    }),
  );
});
