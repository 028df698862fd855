/**
 * How much work is a job? Rows and pairs of every row function, in closed form: the numbers an instrumented run counts.
 */
import type { RowFunction } from '../kernels/ir/row-function.ts';
import { boundVisits } from '../kernels/sweep/cost.ts';
import type { Grid, GroupProgram, Program, StepProgram } from '../kernels/sweep/program.ts';

/** What one row function does in one evaluation of the loss and its gradient. */
export interface WorkLine {
  /** The row function, e.g. `tracers.flow.vjp`. */
  readonly function: string;
  /** Which sweep it belongs to. */
  readonly direction: 'backward' | 'forward';
  /** Times it passes over all its rows. */
  readonly passes: number;
  /** Own rows visited in all. */
  readonly rows: number;
  /** Own row × bound row visits in all. */
  readonly pairs: number;
}

/** How a run is laid out, as far as the work depends on it. */
export interface WorkShape {
  readonly program: Program;
  readonly grid: Grid;
  readonly shards: number;
  /** Whether the run has a leaf of its own: scalar parts of the loss, or states of the sources to save. */
  readonly sourcesLeaf: boolean;
  /** Steps held at once in the backward sweep; the reference holds all of them whatever this says. */
  readonly segmentSteps: number;
}

/** One line for each row function that runs, forward first. */
export function workOf(shape: WorkShape): readonly WorkLine[] {
  const { program, grid, shards } = shape;
  const { system } = program;
  const steps = grid.times.length - 1;
  const gradient = program.wants.any;
  const twoPhases = program.phases === 2;
  // Two phases: sums, then h on the run's own leaf, then (for a gradient) everything backward; each sweeps the sources.
  const evaluations = (twoPhases ? 2 : 1) + (twoPhases && gradient ? 1 : 0);
  // h and the sums are evaluated in each phase that knows them: once without a gradient.
  const visits = twoPhases && gradient ? 2 : 1;
  const tracerSteps = visits * steps + (gradient ? recomputed(steps, shape.segmentSteps) : 0);
  const backwardLeaves = shards + (shape.sourcesLeaf || twoPhases ? 1 : 0);
  const n = system.tracers?.rows ?? 0;
  const m = system.sources?.rows ?? 0;
  const count = (over: string): number => (over === 'sources' ? m : (system.sets.get(over)?.rows ?? 0));
  const lines: WorkLine[] = [];
  const add = (
    fn: RowFunction | null,
    direction: WorkLine['direction'],
    rows: number,
    passes: number,
  ): void => {
    if (fn === null || rows === 0 || passes === 0) return;
    lines.push({
      function: fn.name,
      direction,
      passes,
      rows: rows * passes,
      pairs: rows * passes * boundVisits(fn, count),
    });
  };
  const both = (group: GroupProgram | null, rows: number, forward: number, backward: number): void => {
    const flows = flowsOf(group?.step ?? null);
    add(group?.flow ?? null, 'forward', rows, flows * forward);
    if (gradient) add(group?.flowVjp ?? null, 'backward', rows, flows * backward);
  };
  both(program.sources, m, evaluations * steps, backwardLeaves * steps);
  both(program.tracers, n, tracerSteps, steps);
  for (const [index, term] of program.terms.entries()) {
    const points = grid.terms[index]?.length ?? 0;
    add(term.rows?.value ?? null, 'forward', n, points * visits);
    if (gradient) add(term.rows?.vjp ?? null, 'backward', n, points);
    add(term.scalar?.value ?? null, 'forward', 1, points * visits);
    if (gradient) add(term.scalar?.vjp ?? null, 'backward', 1, points * visits);
  }
  add(program.values, 'forward', n, 1);
  return lines.sort((a, b) => (a.direction === b.direction ? 0 : a.direction === 'forward' ? -1 : 1));
}

/** Steps that the backward sweep computes again: those of every segment but the last, whose states are still held. */
function recomputed(steps: number, segmentSteps: number): number {
  const held = Math.max(1, Math.min(segmentSteps, steps));
  return steps === 0 ? 0 : (Math.ceil(steps / held) - 1) * held;
}

/** Evaluations of the flow in one step: the stages. */
export function flowsOf(step: StepProgram | null): number {
  return step === null ? 0 : step.forward.filter((s) => s.kind === 'flow').length;
}
