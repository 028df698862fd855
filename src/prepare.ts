/**
 * What is settled about a job before anything is computed? The program, the shards, the shared inputs and the grid.
 */
import { totalmem } from 'node:os';
import { SkewflowError } from './errors.ts';
import { bytesText } from './job/bytes.ts';
import type { Job } from './job/job.ts';
import { readField } from './job/values.ts';
import { acceptedTimes } from './kernels/sweep/adaptive.ts';
import { compileProgram } from './kernels/sweep/compile.ts';
import { placeGrid } from './kernels/sweep/grid.ts';
import type { Grid, Program, ProgramOutline } from './kernels/sweep/program.ts';
import type { System } from './kernels/system.ts';
import { readPart, sharedArrays } from './partition/fields.ts';
import { segmentStepsOf } from './partition/memory.ts';
import { planShards, type ShardRange } from './partition/plan.ts';

export interface Prepared<P extends ProgramOutline = Program> extends Settled<P> {
  readonly job: Job;
  readonly shards: readonly ShardRange[];
  /** Y₀, sets, pairs, θ and source `with` arrays by name, row-major: the numbers the job's precision has. */
  readonly fields: Fields;
}

/** What takes long: what is derived from formulas and from the sources' numbers. */
export interface Settled<P extends ProgramOutline> {
  readonly program: P;
  /** The steps the sources accepted; null when the job fixes them. */
  readonly times: Float64Array | null;
  readonly grid: Grid;
  /** Steps whose states are held at once in the backward sweep: what the job's `memory` has room for. */
  readonly segmentSteps: number;
}

type Fields = ReadonlyMap<string, Float64Array>;

/** What of a job that depends on. */
export type Question = Pick<Job, 'integrate' | 'memoryBytes' | 'precision'> & { readonly system: System };

/**
 * Compile a job, read what every shard is given, and let the sources choose their steps where the job leaves that to them.
 *
 * @param settled - does the long part; default: here and now
 * @throws InputError for an input that cannot be read or is not finite; MemoryError when the job's `memory` is too little for
 * any plan; ShapeError, JobFileError as `compileProgram`
 */
export async function prepare(job: Job): Promise<Prepared>;
export async function prepare<P extends ProgramOutline>(
  job: Job,
  settled: (question: Question, fields: Fields) => Promise<Settled<P>>,
): Promise<Prepared<P>>;
export async function prepare(
  job: Job,
  settled: (question: Question, fields: Fields) => Promise<Settled<ProgramOutline>> = async (...of) =>
    settle(...of),
): Promise<Prepared<ProgramOutline>> {
  refuseBeyondMachine(job.system);
  const fields = new Map<string, Float64Array>();
  for (const part of sharedArrays(job.system)) {
    const read = await readPart(part, 0, part.rows, (name, begin, end) => readField(job, name, begin, end));
    fields.set(part.name, Float64Array.from(read));
  }
  const { system, integrate, precision, memoryBytes } = job;
  return {
    job,
    shards: planShards(system.tracers?.rows ?? 0, job.shards),
    fields,
    ...(await settled({ system, integrate, precision, memoryBytes }, fields)),
  };
}

/**
 * What every machine holds whole has to fit into this one, or nothing can be read to tell more.
 *
 * @throws MemoryError with the largest array and both figures
 */
function refuseBeyondMachine(system: System): void {
  const parts = sharedArrays(system).map(({ name, rows, width, slices }) => ({
    name,
    bytes: Float64Array.BYTES_PER_ELEMENT * rows * width * slices,
  }));
  const [needed, available] = [parts.reduce((sum, { bytes }) => sum + bytes, 0), totalmem()];
  if (needed <= available) return;
  const [largest] = parts.sort((a, b) => b.bytes - a.bytes);
  throw new SkewflowError(
    'MemoryError',
    `sources, sets and parameters are held whole by every machine: they have ${bytesText(needed)}, most of it \`${largest?.name}\`, and this machine has ${bytesText(available)} of memory; what is many is for \`tracers\``,
    { needed, available },
  );
}

/** The long part of `prepare`. */
export function settle(question: Question, fields: Fields): Settled<Program> {
  const { system, integrate, precision, memoryBytes } = question;
  const program = compileProgram(system);
  const times = integrate?.kind === 'adaptive' ? acceptedTimes(program, integrate, fields) : null;
  const grid = gridOf(question, program, times);
  const segmentSteps = segmentStepsOf(program, grid.times.length - 1, precision, memoryBytes);
  return { program, times, grid, segmentSteps };
}

/** Where everything happens in time, given the steps the sources accepted. */
export function gridOf(
  job: Pick<Job, 'integrate' | 'system'>,
  program: Program,
  times: Float64Array | null,
): Grid {
  const steps = job.integrate?.kind === 'fixed' ? job.integrate.steps : 0;
  return placeGrid(job.system, program.terms, times ?? steps);
}
