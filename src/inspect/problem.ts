/** Which numbers does a check compute with? All the sources of a job, and some of its tracers spread over all of them. */
import type { Job } from '../job/job.ts';
import { readField } from '../job/values.ts';
import { apply, constant, input } from '../kernels/ir/expr.ts';
import { substituteLeaves } from '../kernels/ir/substitute.ts';
import { compileProgram } from '../kernels/sweep/compile.ts';
import type { Grid, Program } from '../kernels/sweep/program.ts';
import type { LossTerm, System } from '../kernels/system.ts';
import { type ArrayPart, shardedArrays } from '../partition/fields.ts';
import { type Prepared, prepare } from '../prepare.ts';

/** Arrays by name, row-major, in double precision. */
export type Arrays = ReadonlyMap<string, Float64Array>;

/** A job with few enough tracers to be evaluated again and again. */
export interface Problem {
  readonly system: System;
  readonly program: Program;
  readonly grid: Grid;
  /** Y₀, sets, pairs, θ and source `with` arrays: the numbers the job's precision has. */
  readonly shared: Arrays;
  /** Tracer fields and tracer `with` arrays of the rows that were taken. */
  readonly tracers: Arrays;
  /** Rows taken, ascending. */
  readonly rows: readonly number[];
}

/**
 * The job with at most `rowsMax` of its tracers, every source, set, weight and parameter.
 *
 * The loss is that of the rows taken, each standing for N/rowsMax others: sums over tracers count them so often, and a
 * mean is over them. Everything else, the formulas, the grid, the precision of the numbers, is the job's own.
 *
 * @throws InputError for an input that cannot be read; JobFileError, ShapeError as `compileProgram`
 */
export async function takeRows(job: Job, rowsMax: number): Promise<Problem> {
  const prepared = await prepare(job);
  const n = job.system.tracers?.rows ?? 0;
  const rows = spread(n, rowsMax);
  const { tracers } = job.system;
  const system: System = {
    ...job.system,
    tracers: tracers && { ...tracers, rows: rows.length },
    terms: job.system.terms.map((term) => weighted(term, n / rows.length)),
  };
  const program = rows.length === n ? prepared.program : compileProgram(system);
  const taken = new Map<string, Float64Array>();
  for (const part of shardedArrays(job.system)) taken.set(part.name, await readRows(job, part, rows));
  return { system, program, grid: prepared.grid, shared: prepared.fields, tracers: taken, rows };
}

/** A term whose sums over tracers count `weight` times; minima and maxima do not change. */
function weighted(term: LossTerm, weight: number): LossTerm {
  const value = substituteLeaves(term.value, (leaf, width) =>
    leaf.role === 'sum' && term.sums[leaf.index]?.by === 'sum'
      ? apply('mul', constant(weight), input(leaf, width))
      : null,
  );
  return { ...term, value };
}

/** Up to `most` of `count` rows, evenly spread: the middle row of each of `most` equal parts. */
export function spread(count: number, most: number): readonly number[] {
  const taken = Math.min(count, most);
  return Array.from({ length: taken }, (_, k) => Math.floor(((2 * k + 1) * count) / (2 * taken)));
}

/** These rows of every slice of an array, slice after slice. */
async function readRows(
  job: Prepared['job'],
  { name, rows, width, slices }: ArrayPart,
  taken: readonly number[],
): Promise<Float64Array> {
  const values = new Float64Array(slices * taken.length * width);
  for (let s = 0; s < slices; s++) {
    for (const [k, row] of taken.entries()) {
      const read = await readField(job, name, s * rows + row, s * rows + row + 1);
      values.set(read, (s * taken.length + k) * width);
    }
  }
  return values;
}
