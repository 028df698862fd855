/** What would a job do, and what does its structure save? The answer to KeOps issue 301 for the user's own job. */
import type { Job } from '../job/job.ts';
import type { Kernel, Step } from '../kernels/ir/kernel.ts';
import { lower } from '../kernels/lower/lower.ts';
import { opNamed } from '../kernels/ops/table.ts';
import type { Grid, Program } from '../kernels/sweep/program.ts';
import { numbersPerRow } from '../partition/fields.ts';
import { blockRows, type ShardRange } from '../partition/plan.ts';
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

export interface Explanation {
  readonly name: string;
  readonly precision: 'f32' | 'f64';
  /** Rows of tracers and sources, steps, stages a step, shards and blocks. */
  readonly size: {
    readonly tracers: number;
    readonly sources: number;
    readonly steps: number;
    readonly stages: number;
    readonly shards: number;
    readonly blocks: number;
    readonly phases: 1 | 2;
  };
  readonly jacobian: Jacobian;
  readonly formulas: readonly FormulaSection[];
  readonly work: readonly WorkLine[];
  readonly totals: { readonly forwardPairs: number; readonly backwardPairs: number };
  readonly memory: MemoryLines;
  readonly traffic: TrafficLines;
  readonly dense: DenseCost | null;
  readonly kernels: readonly KernelLine[];
  /** Instruction by instruction; null unless they were asked for. */
  readonly listings: readonly KernelListing[] | null;
  readonly warnings: readonly string[];
}

/** Bytes. */
export interface MemoryLines {
  /** All tracer rows, wherever they are. */
  readonly residentBytes: number;
  /** States of one block of 256 tracers kept for the backward sweep: grows with T, not with N. */
  readonly statesPerThreadBytes: number;
  /** The sources' states at every stage of every step, shared by all threads. */
  readonly sourceTrajectoryBytes: number;
  /** Γ of one thread. */
  readonly gammaPerThreadBytes: number;
}

/** What crosses between coordinator and workers for one gradient, bytes. */
export interface TrafficLines {
  readonly toShardBytes: number;
  readonly fromShardBytes: number;
  readonly totalBytes: number;
}

export interface KernelLine {
  readonly name: string;
  /** Scalar values computed once a row, and once a pair. */
  readonly valuesPerRow: number;
  readonly valuesPerPair: number;
  readonly flopsPerPair: number;
  readonly loops: number;
}

/** Everything `explain` says, as data; with `kernels` the listings too. */
export function explainPlan(planned: Planned, kernels = false): Explanation {
  const { job, program, grid, shards, segmentSteps } = planned;
  const { system } = program;
  const sourcesLeaf = program.terms.some((t) => t.scalar !== null) || shards.length === 0 || savesStates(job);
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
    memory: memoryOf(planned, bytes),
    traffic: trafficOf(planned),
    dense: denseCost(program, grid, bytes),
    kernels: kernelsOf(program),
    listings: kernels ? kernelListings(program, job.precision) : null,
    warnings: warningsOf(planned, work),
  };
}

function savesStates(job: Job): boolean {
  return (job.output.final || job.output.trajectory) && job.system.sources !== null;
}

function memoryOf({ program, grid, segmentSteps }: Planned, bytes: number): MemoryLines {
  const { system, slots } = program;
  const steps = grid.times.length - 1;
  const held = Math.min(segmentSteps, steps);
  const segments = held === 0 ? 0 : Math.ceil(steps / held);
  const d = program.tracers?.stateComponents ?? 0;
  const sourceStates =
    (system.sources?.rows ?? 0) * (program.sources?.stateComponents ?? 0) * (steps * slots + 1);
  return {
    residentBytes: (system.tracers?.rows ?? 0) * numbersPerRow(system) * bytes,
    statesPerThreadBytes: blockRows * d * (held * slots + segments + 1) * bytes,
    sourceTrajectoryBytes: sourceStates * bytes,
    gammaPerThreadBytes: program.wants.any ? sourceStates * 8 : 0,
  };
}

function trafficOf({ program, grid, shards }: Planned): TrafficLines {
  const { system } = program;
  const numbers = (rows: number, fields: readonly { width: number }[]): number =>
    rows * fields.reduce((n, f) => n + f.width, 0);
  const m = system.sources?.rows ?? 0;
  const given =
    numbers(m, [...(system.sources?.evolving ?? []), ...(system.sources?.constant ?? [])]) +
    [...system.sets.values()].reduce((n, set) => n + numbers(set.rows, set.constant), 0) +
    numbers(m * m, system.pairs) +
    numbers(1, system.params);
  const toShardBytes = 8 * given;
  const fromShardBytes = 8 * (program.layout.gradientLength + 2 * grid.sums);
  return { toShardBytes, fromShardBytes, totalBytes: shards.length * (toShardBytes + fromShardBytes) };
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
  return warnings;
}
