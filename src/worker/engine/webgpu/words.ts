/**
 * What shaders are told about one evaluation: the numbers of `given` and the words of `plan`.
 */
import { invariant, SkewflowError } from '../../../errors.ts';
import type { Grid, Program, TermProgram } from '../../../kernels/sweep/program.ts';
import { recordOffset } from '../../../kernels/wgsl/records.ts';
import { type PlacedField, type Shapes, stepNumbers } from '../../../kernels/wgsl/shapes.ts';
import type { Evaluation, Inputs } from '../engine.ts';

/** No kept point, no winner. */
const none = 0xffff_ffff;
/** A winner that no shard holds. */
const nobody = 0xffff_fffe;

/** `given`: ∞, a NaN, parameters, tables, weights, S, then the steps. */
export function givenNumbers(shapes: Shapes, request: Evaluation): Float32Array<ArrayBuffer> {
  const { inputs } = request;
  const { given, sources } = shapes;
  const { times } = inputs.grid;
  const steps = times.length - 1;
  const numbers = new Float32Array(gridOffset(shapes, inputs.grid) + steps * stepNumbers(shapes));
  numbers[0] = Infinity;
  numbers[1] = Number.NaN;
  const put = (fields: readonly PlacedField[], rows: number, columns: number, offset: number): void => {
    for (const f of fields) {
      const values = fieldOf(inputs, f.name, rows * f.width);
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < f.width; c++)
          numbers[offset + r * columns + f.offset + c] = values[r * f.width + c] ?? 0;
      }
    }
  };
  put(shapes.params, 1, shapes.paramComponents, given.params);
  put(sources.evolving, sources.rows, sources.stateComponents, given.start);
  put(sources.constant, sources.rows, sources.constantComponents, given.constants);
  for (const [n, set] of shapes.sets.entries()) put(set.fields, set.rows, set.columns, given.sets[n] ?? 0);
  for (const [n, p] of shapes.pairs.entries()) {
    numbers.set(fieldOf(inputs, p.name, sources.rows ** 2 * p.width), given.pairs[n] ?? 0);
  }
  for (const w of shapes.withs) {
    if (w.group === 'sources')
      numbers.set(fieldOf(inputs, w.name, sources.rows * w.width * w.slices), w.offset);
  }
  if (request.sums !== null) numbers.set(request.sums, given.fixed);
  let at = gridOffset(shapes, inputs.grid);
  for (let k = 0; k < steps; k++) {
    const t = times[k] ?? 0;
    const h = (times[k + 1] ?? 0) - t;
    numbers[at++] = h;
    for (const f of shapes.fractions) numbers[at++] = t + f * h;
  }
  return numbers;
}

/** Where the steps begin in `given`. */
export const gridOffset = (shapes: Shapes, grid: Grid): number => shapes.given.fixed + grid.sums;

function fieldOf(inputs: Inputs, name: string, length: number): Float64Array {
  const values = inputs.fields.get(name);
  if (values === undefined || values.length !== length) {
    throw new SkewflowError('ShapeError', `\`${name}\` needs ${length} numbers, got ${values?.length ?? 0}`);
  }
  return values;
}

/** Grid points whose states stay until terms, outputs and the way back have read them, ascending. */
export function keptPoints(program: Program, grid: Grid, others: readonly number[]): readonly number[] {
  if ((program.tracers?.stateComponents ?? 0) === 0) return [];
  const all = program.terms.flatMap((term, i) => {
    const points = grid.terms[i] ?? [];
    if (term.rows === null || points.length === 0) return [];
    return [...points.map((p) => p.point), ...term.moments.map((m) => pointOf(grid, m))];
  });
  return [...new Set([...all, ...others])].sort((a, b) => a - b);
}

export function pointOf(grid: Grid, moment: string): number {
  const point = grid.moments.get(moment);
  invariant(point !== undefined, `the moment ${moment} is on the grid`);
  return point;
}

/** A tile's block: where its image lies, its first row among all, and its rows. */
export interface BlockWords {
  readonly image: number;
  readonly firstRow: number;
  readonly rows: number;
}

/** A run of partials to be added: the first, and how many. */
export interface PartialRun {
  readonly first: number;
  readonly count: number;
}

export interface PlanWords {
  readonly words: Uint32Array<ArrayBuffer>;
  readonly keptAt: number;
  /** Where the records of each term begin. */
  readonly records: readonly number[];
  readonly runs: number;
}

/** `plan`: blocks, the numbers of kept points, records, runs. */
export function planWords(
  program: Program,
  request: Evaluation,
  kept: readonly number[],
  blocks: readonly BlockWords[],
  runs: readonly PartialRun[],
): PlanWords {
  const { grid } = request.inputs;
  const words: number[] = blocks.flatMap((b) => [b.image, b.firstRow, b.rows]);
  const keptAt = words.length;
  const numberOf = (point: number): number => {
    const n = kept.indexOf(point);
    return n === -1 ? none : n;
  };
  const numbers = new Map(kept.map((point, n) => [point, n]));
  for (let k = 0; k < grid.times.length; k++) words.push(numbers.get(k) ?? none);
  const records = program.terms.map((term, i) => {
    const at = words.length;
    for (const p of grid.terms[i] ?? []) words.push(...recordOf(term, p, request, numberOf));
    return at;
  });
  const runsAt = words.length;
  for (const r of runs) words.push(r.first, r.count);
  return { words: Uint32Array.from(words), keptAt, records, runs: runsAt };
}

function recordOf(
  term: TermProgram,
  at: Grid['terms'][number][number],
  request: Evaluation,
  numberOf: (point: number) => number,
): readonly number[] {
  const { grid } = request.inputs;
  const { rows, moments } = term;
  const record: number[] = [];
  record[recordOffset.word('point')] = at.point;
  record[recordOffset.word('slice')] = at.slice;
  record[recordOffset.word('sum')] = Math.max(0, at.sum);
  record[recordOffset.word('kept')] = numberOf(at.point);
  record[recordOffset.word('weight')] = bitsOf(at.weight);
  record[recordOffset.word('time')] = bitsOf(grid.times[at.point] ?? 0);
  for (const [c, reduction] of (rows?.by ?? []).entries()) {
    const seed = rows?.linear === true ? at.weight : (request.seeds?.values[at.sum + c] ?? 0);
    const winner = request.seeds?.winners[at.sum + c] ?? -1;
    record[recordOffset.component(c)] = bitsOf(seed);
    record[recordOffset.component(c) + 1] = reduction === 'sum' ? none : winner < 0 ? nobody : winner;
  }
  for (const m of moments) {
    const point = pointOf(grid, m);
    record[recordOffset.moment(term, m)] = point;
    record[recordOffset.moment(term, m) + 1] = numberOf(point);
  }
  return record;
}

const scratch = new DataView(new ArrayBuffer(4));

/** The bits of a number in single precision. */
export function bitsOf(x: number): number {
  scratch.setFloat32(0, x);
  return scratch.getUint32(0);
}
