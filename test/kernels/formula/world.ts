/** One small job that the tests of this folder write formulas for, with its numbers, and what a formula is worth in it. */
import { expect } from 'vitest';
import { isSkewflowError } from '../../../src/errors.ts';
import {
  checkFlow,
  checkLoss,
  checkValue,
  type FormulaText,
  plainText,
  type Scope,
  type WithField,
} from '../../../src/kernels/formula/index.ts';
import type { Expr } from '../../../src/kernels/ir/expr.ts';
import { type Data, evaluate } from './evaluate.ts';

const field = (name: string, width: number): { name: string; width: number } => ({ name, width });

/** 4 sources (q, p evolve, m does not), 3 tracers (x evolves, goal and w do not), a set of 5 rows, 4 × 4 weights. */
export const scope: Scope = {
  sources: { rows: 4, fields: [field('q', 3), field('p', 3), field('m', 1)] },
  tracers: { rows: 3, fields: [field('x', 3), field('goal', 3), field('w', 1)] },
  sets: new Map([['target', { rows: 5, fields: [field('z', 3)] }]]),
  pairs: [field('W', 1)],
  params: [field('sigma', 1), field('c', 3), field('A', 6)],
  lets: new Map(),
  evolving: new Set(['q', 'p', 'x']),
};

/** Numbers between −1 and 1 without a pattern: the fractional part of multiples of the golden ratio. */
function numbers(seed: number, count: number): readonly number[] {
  return Array.from(
    { length: count },
    (_, n) => (((n + 1) * 0.6180339887498949 + seed * 0.7548776662466927) % 1) * 2 - 1,
  );
}

const rows = (seed: number, count: number, width: number): readonly (readonly number[])[] =>
  Array.from({ length: count }, (_, r) => numbers(seed + 10 * r, width));

export const q = rows(1, 4, 3);
export const p = rows(2, 4, 3);
export const m = rows(3, 4, 1);
export const x = rows(4, 3, 3);
export const goal = rows(5, 3, 3);
export const w = rows(6, 3, 1);
export const z = rows(7, 5, 3);
export const c = numbers(8, 3);
export const A = numbers(9, 6);
export const W = Array.from({ length: 4 }, (_, own) => rows(20 + own, 4, 1));
export const sigma = 0.8;
/** Values at other moments, and arrays of a loss term. */
export const earlier = {
  q: rows(11, 4, 3),
  qHalf: rows(12, 4, 3),
  seen: rows(13, 4, 3),
  x: rows(14, 3, 3),
  xHalf: rows(15, 3, 3),
  shown: rows(16, 3, 3),
};

export const data: Data = {
  tables: {
    sources: { q, p, m, 'q@start': earlier.q, 'q@0.5': earlier.qHalf, seen: earlier.seen },
    tracers: { x, goal, w, 'x@start': earlier.x, 'x@0.5': earlier.xHalf, shown: earlier.shown },
    target: { z },
  },
  rowCounts: { sources: 4, tracers: 3, target: 5 },
  pairs: { W },
  params: { sigma: [sigma], c, A },
  time: 0.3,
};

/** The world's scope with `let` entries, written as in a job file. */
export function withLets(entries: Readonly<Record<string, string>>, base: Scope = scope): Scope {
  const lets = Object.entries(entries).map(([key, body]) => {
    const [, name, params] = /^(\w+)(?:\((.*)\))?$/u.exec(key)!;
    const list =
      params === undefined
        ? null
        : params
            .split(',')
            .map((s) => s.trim())
            .filter((s) => s !== '');
    return [name!, { params: list, body: plainText(body, `let ${name}`) }] as const;
  });
  return { ...base, lets: new Map(lets) };
}

const text = (formula: string): FormulaText => plainText(formula, 'job.yaml');

/** What a formula is worth for a tracer (0, 1 or 2), as an entry of `values`. */
export function worth(formula: string, row = 0, within: Scope = scope, of: Data = data): readonly number[] {
  return atRow(checkValue(text(formula), within), 'tracers', row, of);
}

/** The flow of a field for one row. */
export function flowOf(
  fieldName: string,
  formula: string,
  row = 0,
  within: Scope = scope,
): readonly number[] {
  const ofSources = within.sources?.fields.some((f) => f.name === fieldName) === true;
  return atRow(checkFlow(text(formula), fieldName, within), ofSources ? 'sources' : 'tracers', row);
}

/** The value of a term of the loss: its sums over all tracers, then h. */
export function lossOf(
  formula: string,
  within: Scope = scope,
  withFields: readonly WithField[] = [],
): number {
  const { value, sums } = checkLoss(text(formula), within, withFields);
  const combine = { sum: (a: number, b: number) => a + b, min: Math.min, max: Math.max };
  const totals = sums.map(({ by, body }) =>
    x.map((_, row) => atRow(body, 'tracers', row)).reduce((a, b) => a.map((v, n) => combine[by](v, b[n]!))),
  );
  const [loss] = evaluate(value, data, { own: null, bound: new Map(), sums: totals });
  return loss!;
}

export function atRow(e: Expr, over: string, row: number, of: Data = data): readonly number[] {
  return evaluate(e, of, { own: { over, row }, bound: new Map(), sums: [] });
}

/** The message of the error that `act` throws, which must be one of this project's. */
export function messageOf(act: () => unknown): string {
  try {
    act();
  } catch (e) {
    if (isSkewflowError(e)) return e.message;
    throw e;
  }
  throw new Error('no error was thrown');
}

export const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((s, v, n) => s + v * b[n]!, 0);
export const minus = (a: readonly number[], b: readonly number[]): number[] => a.map((v, n) => v - b[n]!);
export const sqdist = (a: readonly number[], b: readonly number[]): number => dot(minus(a, b), minus(a, b));
export const times = (s: number, a: readonly number[]): number[] => a.map((v) => s * v);
export const added = (vectors: readonly (readonly number[])[]): number[] =>
  vectors.reduce<number[]>((s, v) => v.map((c, n) => c + (s[n] ?? 0)), []);

/** Equal to 12 decimal places, component by component. */
export function expectNear(actual: readonly number[], expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [n, value] of actual.entries()) expect(value).toBeCloseTo(expected[n]!, 12);
}

/** Runs `act`; any error must be one about the formula, with its place. */
export function isAnswered(act: () => unknown): void {
  try {
    act();
  } catch (e) {
    if (!isSkewflowError(e, 'FormulaError')) throw e;
    // A fuzz asks this a hundred thousand times: three assertions take longer than reading the formula.
    const { line, column } = e.details;
    const placed = [line, column].every((at) => typeof at === 'number' && at >= 1);
    if (!placed || !e.message.includes('^')) expect.fail(`an error without a place: ${e.message}`);
  }
}
