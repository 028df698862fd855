/**
 * Which numbers of a job are optimised? The rows of the fields in `over` that are not `fixed`, one after another: a vector
 * x in a box, and back.
 */
import { SkewflowError } from '../errors.ts';
import type { Job, Optimize } from '../job/job.ts';
import type { GradientSlot, ProgramOutline } from '../kernels/sweep/program.ts';
import type { Box } from './optimizers/box.ts';

export interface Variables {
  readonly start: Float64Array;
  readonly box: Box;
  /** All fields of the run, those in `over` with x in place. */
  readonly fieldsAt: (x: Float64Array) => ReadonlyMap<string, Float64Array>;
  /** The gradient with respect to x, from that of the program. */
  readonly gradientOf: (flat: Float64Array) => Float64Array;
}

/** A free number: where it lies in its field, and in the gradient. */
interface Place {
  readonly field: string;
  readonly index: number;
  readonly offset: number;
}

/**
 * @param fields - Y₀, sets, pairs, θ and source `with` arrays by name
 * @throws JobFileError when a bound excludes the start, and when every row is fixed
 */
export function variablesOf(
  { over, bounds, fixed }: Pick<Optimize, 'bounds' | 'fixed' | 'over'>,
  program: ProgramOutline,
  fields: ReadonlyMap<string, Float64Array>,
  precision: Job['precision'],
): Variables {
  const places = over.flatMap((field) => freePlaces(slotOf(program, field), new Set(fixed.get(field))));
  if (places.length === 0)
    throw new SkewflowError('JobFileError', 'optimize.fixed: every row of `over` is fixed');
  const numbers = (of: (place: Place) => number): Float64Array => Float64Array.from(places, of);
  const lower = numbers(({ field }) => bounds.get(field)?.[0] ?? -Infinity);
  const upper = numbers(({ field }) => bounds.get(field)?.[1] ?? Infinity);
  const given = numbers(({ field, index }) => fields.get(field)?.[index] as number);
  const start = given.map((value, n) => {
    const [low, high] = [lower[n] as number, upper[n] as number];
    const within = Math.min(Math.max(value, low), high);
    // In a job in f32, 0.1 is read as 0.100000001, which no bound of 0.1 should exclude.
    const same = precision === 'f32' ? Math.fround(within) === Math.fround(value) : within === value;
    if (!same) throw outside(program, places[n] as Place, value, [low, high]);
    return within;
  });
  return {
    start,
    box: { lower, upper },
    fieldsAt: (x) => {
      const moved = new Map(over.map((field) => [field, Float64Array.from(fields.get(field) ?? [])]));
      for (const [n, { field, index }] of places.entries()) {
        (moved.get(field) as Float64Array)[index] = x[n] as number;
      }
      return new Map([...fields].map(([name, data]) => [name, moved.get(name) ?? data]));
    },
    gradientOf: (flat) => numbers(({ offset }) => flat[offset] as number),
  };
}

function slotOf(program: ProgramOutline, field: string): GradientSlot {
  const slot = program.layout.gradient.find((candidate) => candidate.field === field);
  if (slot === undefined) {
    throw new SkewflowError(
      'JobFileError',
      `optimize.over: the program has no gradient with respect to \`${field}\``,
    );
  }
  return slot;
}

function freePlaces(
  { field, offset, rows, width }: GradientSlot,
  fixed: ReadonlySet<number>,
): readonly Place[] {
  return Array.from({ length: rows * width }, (_, index) => ({
    field,
    index,
    offset: offset + index,
  })).filter(({ index }) => !fixed.has(Math.floor(index / width)));
}

function outside(
  program: ProgramOutline,
  { field, index }: Place,
  value: number,
  [low, high]: readonly [number, number],
): SkewflowError {
  const { width } = slotOf(program, field);
  const [row, component] = [Math.floor(index / width), index % width];
  return new SkewflowError(
    'JobFileError',
    `optimize.bounds: \`${field}\` starts outside its bounds: row ${row}, component ${component} is ${value}, not in [${low}, ${high}]`,
    { field, row, component, value, low, high },
  );
}
