import fc from 'fast-check';
import { expect, it } from 'vitest';
import { leavesOfText, planOf, textOfLeaves, textOfPlan } from '../../../src/exchange/redis/plan-text.ts';
import { type Again, copyMax, type LeafName, protocolVersion, RunId, SeatId } from '../../../src/protocol.ts';

const run = RunId.parse('run-1');
const leaf: fc.Arbitrary<LeafName> = fc.oneof(fc.nat({ max: 65_535 }), fc.constant('sources' as const));
const again: fc.Arbitrary<Again> = fc.record({
  leaf,
  copy: fc.integer({ min: 1, max: copyMax }),
  rows: fc.boolean(),
});

it('writes consecutive shards as one range, in their order', () => {
  expect(textOfLeaves([0, 1, 2, 20, 'sources', 7, 8])).toBe('0-2,20,sources,7-8');
});

it('gives a plan back as it was, what is asked again too', () => {
  const seat = fc.integer({ min: 0, max: 5 }).map((n) => SeatId.parse(`seat-${n}`));
  // Every third of its leaves is answered alone.
  const part = fc.record({
    leaves: fc.uniqueArray(leaf),
    again: fc.array(again, { minLength: 0, maxLength: 4 }),
  });
  fc.assert(
    fc.property(
      fc.dictionary(seat, part, { noNullPrototype: true }),
      fc.nat(),
      fc.nat(),
      (parts, epoch, generation) => {
        const entries = Object.entries(parts).map(([id, its]) => [SeatId.parse(id), its] as const);
        const apart = new Set(entries.flatMap(([, its]) => its.leaves.filter((_, n) => n % 3 === 0)));
        const alone = entries.flatMap(([, its]) => its.leaves.filter((each) => apart.has(each)));
        const plan = {
          protocolVersion,
          run,
          epoch,
          generation,
          leaves: new Map(entries.map(([id, its]) => [id, its.leaves])),
          again: new Map(
            entries.filter(([, its]) => its.again.length > 0).map(([id, its]) => [id, its.again]),
          ),
          alone,
        } as const;
        // As the store keeps it: a line is a field.
        const fields = [...textOfPlan(plan).matchAll(/([^\t]+)\t([^\n]*)\n/g)].flatMap(([, name, value]) => [
          Buffer.from(name ?? ''),
          Buffer.from(value ?? ''),
        ]);
        expect(planOf(run, fields)).toEqual(plan);
      },
    ),
  );
});

it.each(['x', '1-', '5-2', '1,,2', '0-99999999'])('refuses %j as leaves', (text) => {
  expect(() => leavesOfText(text)).toThrow(/no range of leaves/);
});

it.each(['0;1', '0;1:0', '0;1:9999', '0;x:1', '0;1:1-'])('refuses %j as a part of a plan', (text) => {
  const fields = ['#', '1 1', 'seat-1', text].map((part) => Buffer.from(part));
  expect(() => planOf(run, fields)).toThrow(/asked again/);
});
