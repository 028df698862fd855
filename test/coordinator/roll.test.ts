import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Roll } from '../../src/coordinator/roll.ts';
import { SeatId } from '../../src/protocol.ts';

it('a roll changes as a map does, and every state before stays as it was', () => {
  const seat = fc.nat({ max: 150 }).map((n) => SeatId.parse(`seat-${n}`));
  const step = fc.tuple(seat, fc.option(fc.nat(), { freq: 4 }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const expected = new Map<SeatId, number>();
      let roll = Roll.of<number>([]);
      for (const [its, value] of steps) {
        const [was, before] = [roll, [...expected.values()]];
        if (value === null) {
          roll = roll.without(its);
          expected.delete(its);
        } else {
          roll = roll.with(its, value);
          expected.set(its, value);
        }
        expect(was.values()).toEqual(before);
        expect([roll.get(its), roll.has(its)]).toEqual([expected.get(its), expected.has(its)]);
      }
      expect(roll.seats()).toEqual([...expected.keys()]);
      expect(roll.values()).toEqual([...expected.values()]);
      expect(roll.map((value) => value + 1).values()).toEqual(
        [...expected.values()].map((value) => value + 1),
      );
      expect(roll.size).toBe(expected.size);
    }),
  );
});
