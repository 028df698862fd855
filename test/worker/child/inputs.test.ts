import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Grid } from '../../../src/kernels/sweep/program.ts';
import { KnownInputs, SentInputs } from '../../../src/worker/child/inputs.ts';
import type { Inputs } from '../../../src/worker/engine/engine.ts';

const grids: readonly Grid[] = [2, 3].map((points) => ({
  times: Float64Array.from({ length: points }, (_, k) => k / 10),
  terms: [],
  moments: new Map(),
  sums: 0,
}));
const grid = grids[0] as Grid;

const inputs: fc.Arbitrary<Inputs> = fc.record({
  grid: fc.constantFrom(...grids),
  fields: fc
    .dictionary(fc.constantFrom('p', 'q', 'sigma'), fc.float64Array({ minLength: 1, maxLength: 2 }))
    .map((fields) => new Map(Object.entries(fields))),
});

const fieldsOf = (news: { readonly fields: ReadonlyMap<string, Float64Array> }): string[] => [
  ...news.fields.keys(),
];

describe('the inputs of evaluations', () => {
  test('are known to the child as they were asked with, whatever came before', () => {
    fc.assert(
      fc.property(fc.array(inputs, { minLength: 1, maxLength: 8 }), (all) => {
        const sent = new SentInputs();
        const known = new KnownInputs();
        for (const one of all) {
          const heard = known.hear(sent.news(one));
          expect(heard.grid).toBe(one.grid);
          expect(heard.fields).toEqual(one.fields);
        }
      }),
    );
  });

  test('travel once: then the fields whose bytes differ, and a grid that is another', () => {
    const sent = new SentInputs();
    const [q, p] = [Float64Array.of(0.1, -0), Float64Array.of(0.3)];
    const first = sent.news({
      grid,
      fields: new Map([
        ['q', q],
        ['p', p],
      ]),
    });
    expect([first.grid, fieldsOf(first)]).toEqual([grid, ['q', 'p']]);
    const again = sent.news({
      grid,
      fields: new Map([
        ['q', q.slice()],
        ['p', p],
      ]),
    });
    expect([again.grid, fieldsOf(again)]).toEqual([null, []]);
    const zero = sent.news({
      grid,
      fields: new Map([
        ['q', Float64Array.of(0.1, 0)],
        ['p', p],
      ]),
    });
    expect(fieldsOf(zero)).toEqual(['q']);
    const other = sent.news({
      grid: grids[1] as Grid,
      fields: new Map([
        ['q', Float64Array.of(0.1, 0)],
        ['p', p],
      ]),
    });
    expect([other.grid, fieldsOf(other)]).toEqual([grids[1], []]);
  });

  test('all travel to a child that knows nothing', () => {
    const sent = new SentInputs();
    const fields = new Map([['q', Float64Array.of(0.1)]]);
    sent.news({ grid, fields });
    sent.forget();
    expect(sent.news({ grid, fields })).toEqual({ grid, anew: true, fields });
  });
});
