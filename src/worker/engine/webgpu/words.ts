/**
 * What shaders are told about one evaluation: the numbers of `given` and the words of `plan`.
 */
import { invariant, SkewflowError } from '../../../errors.ts';
import type { Grid, Program, TermPoint, TermProgram } from '../../../kernels/sweep/program.ts';
import { runWords } from '../../../kernels/wgsl/emit-program.ts';
import { recordLength, recordOffset } from '../../../kernels/wgsl/records.ts';
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
      // A table of one field lies as the field does.
      if (f.width === columns) numbers.set(values, offset);
      else interleave(values, f.width, numbers, offset + f.offset, columns);
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

/** Rows of so many numbers, a stride apart. */
function interleave(
  values: Float64Array,
  width: number,
  to: Float32Array,
  offset: number,
  stride: number,
): void {
  for (let c = 0; c < width; c++) {
    for (let from = c, at = offset + c; from < values.length; from += width, at += stride)
      to[at] = values[from] as number; // within both: rows × width, rows × stride
  }
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
  const keeps = new Uint8Array(grid.times.length);
  for (const [i, term] of program.terms.entries()) {
    const points = grid.terms[i] ?? [];
    if (term.rows === null || points.length === 0) continue;
    for (const { point } of points) keeps[point] = 1;
    for (const moment of term.moments) keeps[pointOf(grid, moment)] = 1;
  }
  for (const point of others) keeps[point] = 1;
  const kept: number[] = [];
  for (const [point, keep] of keeps.entries()) if (keep === 1) kept.push(point);
  return kept;
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

/** A run of partials to be added: the first, how many, and the number of their sum. */
export interface PartialRun {
  readonly first: number;
  readonly count: number;
  readonly total: number;
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
  const keptAt = 3 * blocks.length;
  let next = keptAt + grid.times.length;
  const records = program.terms.map((term, i) => {
    const at = next;
    next += recordLength(term) * (grid.terms[i]?.length ?? 0);
    return at;
  });
  const words = new Uint32Array(next + runWords * runs.length);
  const bits: Bits = { words, reals: new Float32Array(words.buffer) };
  for (const [n, b] of blocks.entries()) words.set([b.image, b.firstRow, b.rows], 3 * n);
  const numbers = words.subarray(keptAt, keptAt + grid.times.length).fill(none);
  for (const [n, point] of kept.entries()) numbers[point] = n;
  for (const [i, term] of program.terms.entries()) {
    const length = recordLength(term);
    let at = records[i] ?? 0;
    for (const point of grid.terms[i] ?? []) {
      putRecord(bits, at, term, point, request, numbers);
      at += length;
    }
  }
  for (const [n, r] of runs.entries()) words.set([r.first, r.count, r.total], next + runWords * n);
  return { words, keptAt, records, runs: next };
}

/** The same memory as whole numbers and as single-precision ones. */
interface Bits {
  readonly words: Uint32Array;
  readonly reals: Float32Array;
}

function putRecord(
  { words, reals }: Bits,
  record: number,
  term: TermProgram,
  at: TermPoint,
  request: Evaluation,
  numbers: Uint32Array,
): void {
  const { grid } = request.inputs;
  const { rows, moments } = term;
  words[record + recordOffset.word('point')] = at.point;
  words[record + recordOffset.word('slice')] = at.slice;
  words[record + recordOffset.word('sum')] = Math.max(0, at.sum);
  words[record + recordOffset.word('kept')] = numbers[at.point] ?? none;
  reals[record + recordOffset.word('weight')] = at.weight;
  reals[record + recordOffset.word('time')] = grid.times[at.point] ?? 0;
  for (const [c, reduction] of (rows?.by ?? []).entries()) {
    const seed = rows?.linear === true ? at.weight : (request.seeds?.values[at.sum + c] ?? 0);
    const winner = request.seeds?.winners[at.sum + c] ?? -1;
    const offset = record + recordOffset.component(c);
    reals[offset] = seed;
    words[offset + 1] = reduction === 'sum' ? none : winner < 0 ? nobody : winner;
  }
  for (const m of moments) {
    const point = pointOf(grid, m);
    const offset = record + recordOffset.moment(term, m);
    words[offset] = point;
    words[offset + 1] = numbers[point] ?? none;
  }
}

const scratch = new DataView(new ArrayBuffer(4));

/** The bits of a number in single precision. */
export function bitsOf(x: number): number {
  scratch.setFloat32(0, x);
  return scratch.getUint32(0);
}
