/**
 * How do a question and its answers become messages, and messages become them again? One pair of functions for each, the
 * numbers in the same order in both.
 */
import { invariant } from '../../errors.ts';
import type { Grid, TermPoint } from '../../kernels/sweep/program.ts';
import type { Counters, Evaluation, LeafId, Partial, Reals, RowData } from '../engine/engine.ts';
import type { Message, Numbers } from './frames.ts';
import type { KnownInputs, News } from './inputs.ts';
import type { FromChild, SessionCounters, ToChild } from './messages.ts';

type Of<Union, Kind> = Extract<Union, { readonly kind: Kind }>;

// --- an evaluation ----------------------------------------------------------------------------------------

/** Numbers: leaves (−1: sources), [times, the points of each term], [seeds, winners], [sums], the fields that are news. */
export function evaluateMessage(
  request: number,
  session: number,
  { leaves, want, seeds, sums, rows }: Omit<Evaluation, 'inputs'>,
  { grid, anew, fields }: News,
): Message<Of<ToChild, 'evaluate'>> {
  return {
    header: {
      kind: 'evaluate',
      request,
      session,
      want,
      rows: { ...rows },
      grid:
        grid === null ? null : { terms: grid.terms.length, moments: [...grid.moments], entries: grid.sums },
      seeds: seeds !== null,
      sums: sums !== null,
      anew,
      fields: [...fields.keys()],
    },
    arrays: [
      Float64Array.from(leaves, (leaf) => (leaf === 'sources' ? -1 : leaf)),
      ...(grid === null ? [] : [grid.times, ...grid.terms.map(pointsToNumbers)]),
      ...(seeds === null ? [] : [seeds.values, seeds.winners]),
      ...(sums === null ? [] : [sums]),
      ...fields.values(),
    ],
  };
}

export function evaluationOf(
  { header, arrays }: Message<Of<ToChild, 'evaluate'>>,
  known: KnownInputs,
): Evaluation {
  const next = inOrder(arrays);
  const leaves = Array.from(next(), (leaf): LeafId => (leaf === -1 ? 'sources' : leaf));
  const grid = header.grid === null ? null : gridOf(header.grid, next);
  const seeds = header.seeds ? { values: next(), winners: next() } : null;
  const sums = header.sums ? next() : null;
  const fields = new Map(header.fields.map((name) => [name, next()]));
  const inputs = known.hear({ grid, anew: header.anew, fields });
  return { inputs, leaves, want: header.want, seeds, sums, rows: header.rows };
}

function gridOf(
  { terms, moments, entries }: NonNullable<Of<ToChild, 'evaluate'>['grid']>,
  next: () => Float64Array,
): Grid {
  const times = next();
  const points = Array.from({ length: terms }, () => pointsFromNumbers(next()));
  return { times, terms: points, moments: new Map(moments), sums: entries };
}

function pointsToNumbers(points: readonly TermPoint[]): Float64Array {
  return Float64Array.from(points.flatMap((p) => [p.point, p.weight, p.slice, p.sum]));
}

function pointsFromNumbers(numbers: Float64Array): readonly TermPoint[] {
  const at = (n: number): number => numbers[n] ?? Number.NaN; // within the length, which is four a point
  return Array.from({ length: numbers.length / 4 }, (_, n) => ({
    point: at(4 * n),
    weight: at(4 * n + 1),
    slice: at(4 * n + 2),
    sum: at(4 * n + 3),
  }));
}

// --- answers ----------------------------------------------------------------------------------------------

/** Numbers: the loss, sums, winners, gradient, [seeds], [source states]. */
export function partialMessage(
  request: number,
  partial: Partial,
): Message<Of<FromChild, 'fault' | 'partial'>> {
  if (partial.kind === 'non-finite') {
    const { leaf, group, what, row, step } = partial;
    return { header: { kind: 'fault', request, leaf, group, what, row, step }, arrays: [] };
  }
  const { leaf, loss, sums, winners, gradient, seeds, sourceStates } = partial;
  return {
    header: { kind: 'partial', request, leaf, seeds: seeds !== null, sourceStates: sourceStates !== null },
    arrays: [
      Float64Array.of(loss),
      sums,
      winners,
      gradient,
      ...(seeds === null ? [] : [seeds]),
      ...(sourceStates === null ? [] : [sourceStates]),
    ],
  };
}

export function partialOf({ header, arrays }: Message<Of<FromChild, 'fault' | 'partial'>>): Partial {
  if (header.kind === 'fault') {
    const { leaf, group, what, row, step } = header;
    return { kind: 'non-finite', leaf, group, what, row, step };
  }
  const next = inOrder(arrays);
  const [loss = Number.NaN] = next();
  return {
    kind: 'partial',
    leaf: header.leaf,
    loss,
    sums: next(),
    winners: next(),
    gradient: next(),
    seeds: header.seeds ? next() : null,
    sourceStates: header.sourceStates ? next() : null,
  };
}

export function rowsMessage(
  request: number,
  { kind, field, shard, width, data }: RowData,
): Message<Of<FromChild, 'rows'>> {
  return { header: { kind: 'rows', request, output: kind, field, shard, width }, arrays: [data] };
}

export function rowsOf({ header, arrays }: Message<Of<FromChild, 'rows'>>): RowData {
  const { output, field, shard, width } = header;
  const [data] = arrays;
  invariant(data !== undefined && !(data instanceof Uint8Array), 'rows are floating-point numbers');
  return { kind: output, field, shard, width, data };
}

export function countersMessage({ pairs, rows }: Counters): SessionCounters {
  return { pairs: [...pairs], rows: [...rows] };
}

/** Work of a session over all the processes it has had. */
export function addCounters(before: Counters, { pairs, rows }: SessionCounters): Counters {
  return { pairs: added(before.pairs, pairs), rows: added(before.rows, rows) };
}

function added(
  before: ReadonlyMap<string, number>,
  more: readonly (readonly [string, number])[],
): ReadonlyMap<string, number> {
  const sum = new Map(before);
  for (const [name, count] of more) sum.set(name, (sum.get(name) ?? 0) + count);
  return sum;
}

/** Bound rows by name. */
export function rowsByName(names: readonly string[], arrays: readonly Numbers[]): ReadonlyMap<string, Reals> {
  return new Map(
    names.map((name, n) => {
      const data = arrays[n];
      invariant(data !== undefined && !(data instanceof Uint8Array), 'rows are floating-point numbers');
      return [name, data];
    }),
  );
}

/** Takes doubles one after another. */
function inOrder(arrays: readonly Numbers[]): () => Float64Array {
  let place = 0;
  return () => {
    const array = arrays[place];
    place += 1;
    invariant(array instanceof Float64Array, 'a message has the numbers that its header announces');
    return array;
  };
}
