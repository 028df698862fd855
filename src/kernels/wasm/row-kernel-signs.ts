/**
 * Which values of a kernel can never be positive, or never negative: an exponential of a value that is never positive
 * needs no upper bound.
 *
 * NaN counts as either. The rules hold in floating point, because rounding is monotonic: a sum or product of numbers
 * of known sign has that sign or is 0.
 */
import type { Accumulator, Kernel, Value, ValueId } from '../ir/kernel.ts';
import type { OpName } from '../ops/table.ts';
import { loopsOf } from './frame.ts';

/** −1: never positive; 1: never negative; null: nothing is known. */
export type Sign = -1 | 1 | null;

type Rule = (a: Sign, b: Sign, c: Sign) => Sign;

const opposite = (s: Sign): Sign => (s === null ? null : s === 1 ? -1 : 1);
const both = (a: Sign, b: Sign): Sign => (a === b ? a : null);
const product = (a: Sign, b: Sign): Sign => (a === null || b === null ? null : a === b ? 1 : -1);
const neverNegative: Rule = () => 1;

/** The sign of an operation from those of its arguments; operations that are absent tell nothing. */
const rules: Partial<Record<OpName, Rule>> = {
  abs: neverNegative,
  add: both,
  div: product,
  eq: neverNegative,
  exp: neverNegative,
  exp2: neverNegative,
  ge: neverNegative,
  gt: neverNegative,
  le: neverNegative,
  lt: neverNegative,
  max: both,
  min: both,
  mul: product,
  ne: neverNegative,
  neg: opposite,
  relu: neverNegative,
  rsqrt: neverNegative,
  select: (_condition, a, b) => both(a, b),
  sigmoid: neverNegative,
  sqrt: neverNegative,
  step: neverNegative,
  sub: (a, b) => both(a, opposite(b)),
};

/** The sign of every value, in order. */
export function signsOf(kernel: Kernel): readonly Sign[] {
  const accumulators = new Map<string, Accumulator>(
    loopsOf(kernel.steps).flatMap((l) =>
      l.accumulators.map((a, n): [string, Accumulator] => [`${l.id} ${n}`, a]),
    ),
  );
  const signs: Sign[] = [];
  const known = (id: ValueId | undefined): Sign => (id === undefined ? null : (signs[id] ?? null));

  const signOf = (value: Value): Sign => {
    if (value.kind === 'constant') return value.value >= 0 ? 1 : value.value < 0 ? -1 : null;
    if (value.kind === 'accumulated') {
      const accumulator = accumulators.get(`${value.loop} ${value.accumulator}`);
      return accumulator?.by === 'sum' ? known(accumulator.value) : null;
    }
    if (value.kind !== 'apply') return null;
    const [a, b, c] = value.args;
    // A square is never negative, whatever is squared.
    if (value.op === 'mul' && a === b) return 1;
    return rules[value.op]?.(known(a), known(b), known(c)) ?? null;
  };

  for (const value of kernel.values) signs.push(signOf(value));
  return signs;
}
