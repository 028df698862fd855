/**
 * What is settled about a job before anything is computed? The program, the shards, the shared inputs and the grid.
 */
import type { Job } from './job/job.ts';
import { readField } from './job/values.ts';
import { acceptedTimes } from './kernels/sweep/adaptive.ts';
import { compileProgram } from './kernels/sweep/compile.ts';
import { placeGrid } from './kernels/sweep/grid.ts';
import type { Grid, Program } from './kernels/sweep/program.ts';
import { readPart, sharedArrays } from './partition/fields.ts';
import { segmentStepsOf } from './partition/memory.ts';
import { planShards, type ShardRange } from './partition/plan.ts';

export interface Prepared {
  readonly job: Job;
  readonly program: Program;
  readonly shards: readonly ShardRange[];
  /** Y₀, sets, pairs, θ and source `with` arrays by name, row-major: the numbers the job's precision has. */
  readonly fields: ReadonlyMap<string, Float64Array>;
  /** The steps the sources accepted; null when the job fixes them. */
  readonly times: Float64Array | null;
  readonly grid: Grid;
  /** Steps whose states are held at once in the backward sweep: what the job's `memory` has room for. */
  readonly segmentSteps: number;
}

/**
 * Compile a job, read what every shard is given, and let the sources choose their steps where the job leaves that to them.
 *
 * @throws InputError for an input that cannot be read or is not finite; MemoryError when the job's `memory` is too little for
 * any plan; ShapeError, JobFileError as `compileProgram`
 */
export async function prepare(job: Job): Promise<Prepared> {
  const program = compileProgram(job.system);
  const fields = new Map<string, Float64Array>();
  for (const part of sharedArrays(job.system)) {
    const read = await readPart(part, 0, part.rows, (name, begin, end) => readField(job, name, begin, end));
    fields.set(part.name, Float64Array.from(read));
  }
  const { integrate } = job;
  const times = integrate?.kind === 'adaptive' ? acceptedTimes(program, integrate, fields) : null;
  const grid = gridOf(job, program, times);
  return {
    job,
    program,
    shards: planShards(job.system.tracers?.rows ?? 0, job.shards),
    fields,
    times,
    grid,
    segmentSteps: segmentStepsOf(program, grid.times.length - 1, job.precision, job.memoryBytes),
  };
}

/** Where everything happens in time, given the steps the sources accepted. */
export function gridOf(job: Job, program: Program, times: Float64Array | null): Grid {
  const steps = job.integrate?.kind === 'fixed' ? job.integrate.steps : 0;
  return placeGrid(job.system, program.terms, times ?? steps);
}
