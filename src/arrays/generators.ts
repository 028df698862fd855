/** Which rows a generator of the job file makes: each row from its own counter, so that any range can be made alone. */
import { SkewflowError } from '../errors.ts';
import { crc32 } from './crc32.ts';
import { cosTurns, log } from './elementary.ts';
import { philox } from './philox.ts';
import type { Generated } from './source.ts';

/** A generator as the job file writes it. */
export type GeneratorSpec =
  | {
      /** The same row every time. */
      readonly constant: number | readonly number[];
    }
  | {
      /** Points of a grid, ends included, the last axis fastest. */
      readonly grid: readonly (readonly [low: number, high: number, count: number])[];
    }
  | {
      /** Evenly spaced numbers, ends included, as many as there are rows. */
      readonly linspace: readonly [low: number, high: number];
    }
  | {
      /** Normally distributed. */
      readonly normal: readonly [mean: number, sd: number];
      /** Numbers in a row. Default 1. */
      readonly dim?: number | undefined;
      /** Another seed, other numbers. Default 0. */
      readonly seed?: number | undefined;
    }
  | {
      /** Evenly distributed. */
      readonly uniform: readonly [low: number, high: number];
      /** Numbers in a row. Default 1. */
      readonly dim?: number | undefined;
      /** Another seed, other numbers. Default 0. */
      readonly seed?: number | undefined;
    };

/**
 * The generator of a field.
 *
 * Random values come from Philox4x32-10 with key (seed, crc32(field name)) and counter (row, component): row r, component c
 * is a function of seed, name, r and c alone.
 *
 * @throws InputError for a grid without axes or with an axis of no points
 */
export function openGenerator(spec: GeneratorSpec, field: string): Generated {
  const identity = JSON.stringify(spec);
  if ('constant' in spec)
    return repeated(typeof spec.constant === 'number' ? [spec.constant] : spec.constant, identity);
  if ('grid' in spec) return grid(spec.grid, identity);
  if ('linspace' in spec) return linspace(spec.linspace, identity);
  const { dim = 1, seed = 0 } = spec;
  const random = 'uniform' in spec ? uniform(spec.uniform) : normal(spec.normal);
  const name = crc32(new TextEncoder().encode(field));
  return {
    label: 'uniform' in spec ? 'uniform' : 'normal',
    width: dim,
    rows: null,
    identity: `${identity} ${name}`,
    make: (begin, end) => {
      const values = new Float64Array((end - begin) * dim);
      const bits = new Uint32Array(4);
      for (let row = begin, at = 0; row < end; row++) {
        for (let component = 0; component < dim; component++) {
          philox(bits, row, Math.floor(row / 2 ** 32), component, 0, seed, name);
          values[at++] = random(bits);
        }
      }
      return values;
    },
  };
}

/** The same vector for every row. */
export function repeated(
  vector: readonly number[],
  identity = JSON.stringify({ constant: vector }),
): Generated {
  if (vector.length === 0)
    throw new SkewflowError('InputError', 'constant: a vector has at least one component');
  const make = (begin: number, end: number): Float64Array => {
    const values = new Float64Array((end - begin) * vector.length);
    for (let i = 0; i < values.length; i++) values[i] = vector[i % vector.length]!;
    return values;
  };
  return { label: 'constant', width: vector.length, rows: null, identity, make };
}

/** low + (high − low) r/(R − 1): R equal steps with both ends; a single row is `low`. */
function linspace([low, high]: readonly [number, number], identity: string): Generated {
  const make = (begin: number, end: number, rows: number): Float64Array =>
    Float64Array.from({ length: end - begin }, (_, n) => point(low, high, begin + n, rows));
  return { label: 'linspace', width: 1, rows: null, identity, make };
}

/** All points of a rectangular grid, the last axis fastest, both ends of every axis included. */
function grid(axes: readonly (readonly [number, number, number])[], identity: string): Generated {
  const rows = axes.reduce((product, [, , count]) => product * count, 1);
  if (
    axes.length === 0 ||
    axes.some(([, , n]) => !Number.isInteger(n) || n < 1) ||
    !Number.isSafeInteger(rows)
  ) {
    throw new SkewflowError('InputError', 'grid: an axis is [low, high, points] with at least one point');
  }
  const width = axes.length;
  const make = (begin: number, end: number): Float64Array => {
    const values = new Float64Array((end - begin) * width);
    for (let row = begin; row < end; row++) {
      let rest = row;
      for (let axis = width - 1; axis >= 0; axis--) {
        const [low, high, count] = axes[axis]!;
        values[(row - begin) * width + axis] = point(low, high, rest % count, count);
        rest = Math.floor(rest / count);
      }
    }
    return values;
  };
  return { label: 'grid', width, rows, identity, make };
}

/** Point n of `count` from low to high; the last is `high` itself, not a rounding of it. */
function point(low: number, high: number, n: number, count: number): number {
  if (n === 0) return low;
  return n === count - 1 ? high : low + ((high - low) * n) / (count - 1);
}

/** 53 random bits as a number in [0, 1). */
function fraction(high: number, low: number): number {
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) * 2 ** -53;
}

function uniform([low, high]: readonly [number, number]): (bits: Uint32Array) => number {
  return (bits) => low + (high - low) * fraction(bits[0]!, bits[1]!);
}

/**
 * mean + sd √(−2 log u₁) cos 2πu₂, u₁ in (0, 1).
 *
 * Box & Muller, _A note on the generation of random normal deviates_, Ann. Math. Stat. 29 (1958).
 */
function normal([mean, sd]: readonly [number, number]): (bits: Uint32Array) => number {
  return (bits) => {
    const u1 = fraction(bits[0]!, bits[1]!) + 2 ** -54;
    const u2 = fraction(bits[2]!, bits[3]!);
    return mean + sd * Math.sqrt(-2 * log(u1)) * cosTurns(u2);
  };
}
