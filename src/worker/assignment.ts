/**
 * What does a worker hold of a job? The program and its shards, its rows by range, and as many of them resident as the
 * memory has room for: the same whether the job came from a file or over Redis.
 */
import type { Job } from '../job/job.ts';
import { readField } from '../job/values.ts';
import type { Grid, Program } from '../kernels/sweep/program.ts';
import { numbersPerRow, readPart, shardedArrays } from '../partition/fields.ts';
import { memoryNeed, refuseBeyondMemory, segmentStepsOf } from '../partition/memory.ts';
import type { ShardRange } from '../partition/plan.ts';
import { gridOf } from '../prepare.ts';
import type { EngineChoice } from './engine/discover.ts';
import type { Reals } from './engine/engine.ts';
import type { RowStore } from './rows.ts';
import type { Assignment } from './workbench.ts';

/** A job as far as every machine knows it before it computes. */
export interface Compiled {
  readonly job: Job;
  readonly program: Program;
  readonly shards: readonly ShardRange[];
}

/** What a machine gives to a job. */
export interface Means {
  readonly engine: EngineChoice;
  readonly threads: number;
  /** Bytes the job may take. */
  readonly memoryBytes: number;
}

/** A job as a worker with these means holds it; the N-sized results go to `rows`. */
export function assignmentOf(compiled: Compiled, means: Means, rows: RowStore): Assignment {
  const { job, program, shards } = compiled;
  const { precision } = job;
  return {
    program,
    shards,
    gridOf: (accepted) => gridOf(job, program, accepted),
    planOf: (grid) => ({ precision, segmentSteps: segmentsOf(compiled, grid), threads: means.threads }),
    readRows: (shard) => readShard(job, shard),
    rowBytes: numbersPerRow(job.system) * (precision === 'f32' ? 4 : 8),
    residentBytesMax: (grid) => roomForRows(compiled, grid, means),
    rows,
  };
}

/**
 * Bytes of tracer rows that may be resident at once: half of what the program leaves of the memory, as rows are there twice
 * while they are bound.
 *
 * @throws MemoryError when not even the largest shard has room, before anything is computed
 */
export function roomForRows(compiled: Compiled, grid: Grid, { engine, threads, memoryBytes }: Means): number {
  const { job, program, shards } = compiled;
  // The oracle holds everything of one block at a time; its needs are not planned.
  if (engine === 'reference') return Math.floor(memoryBytes / 2);
  const rows = shards.map(({ begin, end }) => end - begin);
  const largest = rows.length === 0 ? [] : [Math.max(...rows)];
  const plan = { program, grid, precision: job.precision, segmentSteps: segmentsOf(compiled, grid), threads };
  const need = memoryNeed({ ...plan, shardRows: largest });
  refuseBeyondMemory(need, memoryBytes);
  return need.residentBytes + Math.floor((memoryBytes - need.totalBytes) / 2);
}

function segmentsOf({ job, program }: Compiled, grid: Grid): number {
  return segmentStepsOf(program, grid.times.length - 1, job.precision, job.memoryBytes);
}

/** The tracer arrays of a shard by name. */
export async function readShard(job: Job, shard: ShardRange): Promise<ReadonlyMap<string, Reals>> {
  const arrays = new Map<string, Reals>();
  for (const part of shardedArrays(job.system)) {
    arrays.set(
      part.name,
      await readPart(part, shard.begin, shard.end, (name, begin, end) => readField(job, name, begin, end)),
    );
  }
  return arrays;
}
