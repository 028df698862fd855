/** What would a job do, and what does its structure save? The answer to KeOps issue 301 for the user's own job. */
import { shapeOf } from '../coordinator/coordinator.ts';
import { rowsWanted } from '../coordinator/result.ts';
import { admissionOf } from '../job/admission.ts';
import type { Job } from '../job/job.ts';
import { ownRowAdvice, singularOwnRows } from '../job/own-row.ts';
import { blockRows } from '../kernels/block.ts';
import type { Kernel, Step } from '../kernels/ir/kernel.ts';
import { lower } from '../kernels/lower/lower.ts';
import { opNamed } from '../kernels/ops/table.ts';
import type { Grid, Program } from '../kernels/sweep/program.ts';
import { sharedArrays } from '../partition/fields.ts';
import { type MemoryNeed, memoryNeed } from '../partition/memory.ts';
import type { ShardRange } from '../partition/plan.ts';
import type { RowsWanted } from '../protocol.ts';
import { type DenseCost, denseCost } from './dense.ts';
import { type FormulaSection, formulasOf } from './formulas.ts';
import { type Jacobian, jacobian } from './jacobian.ts';
import { type KernelListing, kernelListings } from './kernel-listing.ts';
import { rowFunctions } from './row-functions.ts';
import { flowsOf, type WorkLine, workOf } from './work.ts';

/** A job as it would be run. */
export interface Planned {
  readonly job: Job;
  readonly program: Program;
  readonly grid: Grid;
  readonly shards: readonly ShardRange[];
  readonly segmentSteps: number;
}

/** What a job would do: its blocks, formulas, work in pairs of rows, memory and traffic in bytes. */
export interface Explanation {
  /** The job's name. */
  readonly name: string;
  /** Of the states and the tracers’ arrays. */
  readonly precision: 'f32' | 'f64';
  /** Rows of tracers and sources, steps, stages a step, shards and blocks. */
  readonly size: {
    /** N. */
    readonly tracers: number;
    /** M. */
    readonly sources: number;
    /** Of the integration. */
    readonly steps: number;
    /** Evaluations of the flow a step. */
    readonly stages: number;
    /** Parts of the tracers. */
    readonly shards: number;
    /** Of 256 tracers, over all shards. */
    readonly blocks: number;
    /** 2 where the loss is not linear in its sums: these are formed first. */
    readonly phases: 1 | 2;
  };
  /** Which blocks of a step’s Jacobian are zero, diagonal or dense. */
  readonly jacobian: Jacobian;
  /** What runs, forward and derived, section by section. */
  readonly formulas: readonly FormulaSection[];
  /** Rows and pairs visited, function by function. */
  readonly work: readonly WorkLine[];
  /** Own row × bound row visits of one gradient. */
  readonly totals: {
    /** Of the forward sweeps, those that are computed again among them. */
    readonly forwardPairs: number;
    /** Of the backward sweeps. */
    readonly backwardPairs: number;
  };
  /** Bytes a run takes on this machine. */
  readonly memory: MemoryLines;
  /** Bytes between coordinator and workers. */
  readonly traffic: TrafficLines;
  /** The cost without the structure; null when no tracer evolves. */
  readonly dense: DenseCost | null;
  /** A line for each kernel. */
  readonly kernels: readonly KernelLine[];
  /** Instruction by instruction; null unless they were asked for. */
  readonly listings: readonly KernelListing[] | null;
  /** What the user should know, a sentence each. */
  readonly warnings: readonly string[];
}

/** Bytes that a run on this machine takes, and how many threads share the work. */
export interface MemoryLines extends MemoryNeed {
  /** That share the work. */
  readonly threads: number;
  /** Steps whose states a thread holds at once; fewer than all: the others are computed again on the way back. */
  readonly segmentSteps: number;
  /** Of the size of the tracers, on the disk: gradients, final and saved states, values. */
  readonly resultBytes: number;
}

/** What crosses between coordinator and workers for one gradient, bytes. */
export interface TrafficLines {
  /** Given to a leaf: O(M), whatever N and T. */
  readonly toShardBytes: number;
  /** A leaf answers: the same, its own rows left out. */
  readonly fromShardBytes: number;
  /** What the run's own leaf answers: its gradient, and states of the sources where they are saved. */
  readonly fromSourcesBytes: number;
  /** Over all phases, what is given counted once a phase: it is published, not sent to each. */
  readonly totalBytes: number;
}

/** What one kernel computes, in scalar values, operations and loops. */
export interface KernelLine {
  /** As in the listings. */
  readonly name: string;
  /** Scalar values computed once a row. */
  readonly valuesPerRow: number;
  /** Scalar values computed once a pair. */
  readonly valuesPerPair: number;
  /** Additions, multiplications and divisions a pair; a function such as `exp` counts its polynomial. */
  readonly flopsPerPair: number;
  /** Loops over bound rows. */
  readonly loops: number;
}

/** Everything `explain` says, as data; with `kernels` the listings too. */
export function explainPlan(planned: Planned, { kernels = false, threads = 1 } = {}): Explanation {
  const { job, program, grid, shards, segmentSteps } = planned;
  const { system } = program;
  const rows = rowsWanted(system, job.output, grid);
  const { sourcesLeaf } = shapeOf({ program, rows, shards });
  const work = workOf({ program, grid, shards: shards.length, sourcesLeaf, segmentSteps });
  const pairsOf = (direction: WorkLine['direction']): number =>
    work.filter((w) => w.direction === direction).reduce((n, w) => n + w.pairs, 0);
  const bytes = job.precision === 'f32' ? 4 : 8;
  return {
    name: job.name,
    precision: job.precision,
    size: {
      tracers: system.tracers?.rows ?? 0,
      sources: system.sources?.rows ?? 0,
      steps: grid.times.length - 1,
      stages: Math.max(flowsOf(program.tracers?.step ?? null), flowsOf(program.sources?.step ?? null)),
      shards: shards.length,
      blocks: shards.reduce((n, s) => n + Math.ceil((s.end - s.begin) / blockRows), 0),
      phases: program.phases,
    },
    jacobian: jacobian(system),
    formulas: formulasOf(program),
    work,
    totals: { forwardPairs: pairsOf('forward'), backwardPairs: pairsOf('backward') },
    memory: memoryOf(planned, threads),
    traffic: trafficOf(planned, rows, sourcesLeaf),
    dense: denseCost(program, grid, bytes),
    kernels: kernelsOf(program),
    listings: kernels ? kernelListings(program, job.precision) : null,
    warnings: warningsOf(planned, work),
  };
}

/** The machine holds one shard at a time when it cannot hold them all. */
function memoryOf({ job, program, grid, shards, segmentSteps }: Planned, threads: number): MemoryLines {
  const rows = shards.map(({ begin, end }) => end - begin);
  const shardRows = rows.length === 0 ? [] : [Math.max(...rows)];
  const need = memoryNeed({ program, grid, precision: job.precision, segmentSteps, threads, shardRows });
  const { resultBytes } = admissionOf(job, grid.times.length - 1);
  return { ...need, threads, segmentSteps, resultBytes: Number(resultBytes) };
}

function trafficOf(
  { job, program, grid, shards }: Planned,
  rows: RowsWanted,
  sourcesLeaf: boolean,
): TrafficLines {
  const { system } = program;
  const given = sharedArrays(system).reduce((n, a) => n + a.rows * a.width * a.slices, 0);
  const times = job.integrate?.kind === 'adaptive' ? grid.times.length : 0;
  const gradient = program.layout.gradientLength * (program.wants.any ? 1 : 0);
  const sums = 2 * grid.sums;
  const states = (rows.final ? 1 : 0) + rows.trajectory.length;
  const perState = (system.sources?.evolving ?? []).reduce((n, f) => n + f.width, 0);
  const savedStates =
    states === 0 ? 0 : (states + (rows.final ? 0 : 1)) * (system.sources?.rows ?? 0) * perState;
  const published = given + times;
  const answered = gradient + sums;
  const twoPhases = program.phases === 2;
  const total = twoPhases
    ? // The sums of all shards; the loss and ∂h/∂S on the run's own leaf; everything backward.
      published +
      shards.length * sums +
      (published + grid.sums) +
      (sums + grid.sums) +
      (program.wants.any ? published + 3 * grid.sums + (shards.length + 1) * answered : 0)
    : published + (shards.length + (sourcesLeaf ? 1 : 0)) * answered;
  return {
    toShardBytes: 8 * published,
    fromShardBytes: 8 * answered,
    fromSourcesBytes: sourcesLeaf ? 8 * (answered + savedStates) : 0,
    totalBytes: 8 * (total + (sourcesLeaf ? savedStates : 0)),
  };
}

/** The kernels that would run, with their sizes. */
function kernelsOf(program: Program): readonly KernelLine[] {
  return rowFunctions(program).map(({ fn, own }) => kernelLine(lower(fn, program.layout.of(own))));
}

function kernelLine(kernel: Kernel): KernelLine {
  let [valuesPerRow, valuesPerPair, flopsPerPair, loops] = [0, 0, 0, 0];
  const visit = (steps: readonly Step[], inside: boolean): void => {
    for (const step of steps) {
      if (step.kind === 'loop') {
        loops++;
        flopsPerPair += step.accumulators.length + step.scatters.length;
        visit(step.steps, true);
        continue;
      }
      const value = kernel.values[step.value];
      if (value?.kind !== 'apply') continue;
      if (!inside) valuesPerRow++;
      else if (value.varies) {
        valuesPerPair++;
        flopsPerPair += opNamed(value.op).flops;
      }
    }
  };
  visit(kernel.steps, false);
  return { name: kernel.name, valuesPerRow, valuesPerPair, flopsPerPair, loops };
}

/** The share of the tracers' work above which sweeping the sources in every shard is worth a warning. */
const sourceShareMax = 1 / 16;

function warningsOf({ program, shards }: Planned, work: readonly WorkLine[]): readonly string[] {
  const pairs = (name: string): number => work.find((w) => w.function === name)?.pairs ?? 0;
  const warnings: string[] = [];
  const share = pairs('sources.flow.vjp') / pairs('tracers.flow.vjp');
  if (shards.length > 1 && share > sourceShareMax * 1.01) {
    warnings.push(
      `${shards.length} shards: each sweeps the sources backward once, in all ${(100 * share).toFixed(0)} % of the tracers' own work; fewer shards cost less`,
    );
  }
  for (const pair of program.system.pairs) {
    if (!program.system.gradient.includes(pair.name)) continue;
    const m = program.system.sources?.rows ?? 0;
    warnings.push(
      `the gradient of ${pair.name} is M² × ${pair.width} = ${m * m * pair.width} numbers, from every shard`,
    );
  }
  return [...warnings, ...singularOwnRows(program.system).map(ownRowAdvice)];
}
