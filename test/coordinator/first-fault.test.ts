import { describe, expect, it } from 'vitest';
import { firstOf, inTime, nonFinite } from '../../src/coordinator/faults.ts';
import type { Fault } from '../../src/protocol.ts';

const at = (what: Fault['what'], group: Fault['group'], row: number, step: number): Fault => ({
  kind: 'non-finite',
  what,
  group,
  row,
  step,
});
const times = Float64Array.of(0, 0.1, 0.3);

describe('the fault that is reported', () => {
  it('is the first in the run’s own time: states, then losses, then gradients; sources first, lower rows first', () => {
    const inOrder = [
      at('state', 'sources', 9, 1),
      at('state', 'tracers', 2, 1),
      at('state', 'tracers', 5, 1),
      at('state', 'sources', 0, 2),
      at('loss', 'tracers', 0, 0),
      at('gradient', 'tracers', 0, 0),
    ];
    for (let from = 0; from < inOrder.length; from++) {
      expect(firstOf(inOrder.slice(from).toReversed())).toBe(inOrder[from]);
    }
    expect(firstOf([])).toBeUndefined();
  });

  it('names row, step and time of a state', () => {
    const { message, details } = inTime(nonFinite(at('state', 'tracers', 7, 2)), times);
    expect(message).toMatch(/: first tracer row 7 at step 2 \(t = 0\.3\)$/);
    expect(details).toMatchObject({ row: 7, step: 2, time: 0.3 });
  });

  it('names the row of a gradient, and no step: nobody knows it', () => {
    const { message, details } = inTime(nonFinite(at('gradient', 'sources', 4, 0)), times);
    expect(message).toMatch(/^the gradient is not finite where the loss is: first source row 4;/);
    expect(message).not.toMatch(/step/);
    expect(details).toMatchObject({ row: 4, step: null, time: null });
  });

  it('is any other error as it came', () => {
    const error = {
      tag: 'NonFiniteError',
      message: 'the loss is not finite: NaN',
      details: { what: 'loss' },
    };
    expect(inTime(error, times)).toBe(error);
  });
});
