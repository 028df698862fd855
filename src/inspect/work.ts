/**
 * How much work is a job? Rows and pairs of every row function, in closed form: the numbers an instrumented run counts.
 */
import type { RowFunction } from '../kernels/ir/row-function.ts';
import { boundVisits } from '../kernels/sweep/cost.ts';
import type { Grid, GroupProgram, Program, StepProgram } from '../kernels/sweep/program.ts';

/** What one row function does in one evaluation of the loss and its gradient. */
export interface WorkLine {
  readonly function: string;
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
  /** Steps held at once in the backward sweep; fewer than all of them: the forward sweep is done once more. */
  readonly segmentSteps: number;
}

/** One line for each row function that runs, forward first. */
export function workOf(shape: WorkShape): readonly WorkLine[] {
  const { program, grid, shards } = shape;
  const { system } = program;
  const steps = grid.times.length - 1;
  const gradient = program.wants.any;
  const twoPhases = program.phases === 2 && gradient;
  // Two phases: sums, then h on the run's own leaf, then the backward sweep; each evaluation sweeps the sources forward.
  const evaluations = twoPhases ? 3 : 1;
  const tracerSweeps = (twoPhases ? 2 : 1) + (gradient && shape.segmentSteps < steps ? 1 : 0);
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
    add(group?.flow ?? null, 'forward', rows, flows * steps * forward);
    if (gradient) add(group?.flowVjp ?? null, 'backward', rows, flows * steps * backward);
  };
  both(program.sources, m, evaluations, backwardLeaves);
  both(program.tracers, n, tracerSweeps, 1);
  for (const [index, term] of program.terms.entries()) {
    const points = grid.terms[index]?.length ?? 0;
    const linear = term.rows?.linear ?? true;
    add(term.rows?.value ?? null, 'forward', n, points * (twoPhases && linear ? 2 : twoPhases ? 2 : 1));
    if (gradient) add(term.rows?.vjp ?? null, 'backward', n, points);
    add(term.scalar?.value ?? null, 'forward', 1, points * (twoPhases ? 2 : 1));
    if (gradient) add(term.scalar?.vjp ?? null, 'backward', 1, points * (twoPhases ? 2 : 1));
  }
  add(program.values, 'forward', n, 1);
  return lines.sort((a, b) => (a.direction === b.direction ? 0 : a.direction === 'forward' ? -1 : 1));
}

/** Evaluations of the flow in one step: the stages. */
export function flowsOf(step: StepProgram | null): number {
  return step === null ? 0 : step.forward.filter((s) => s.kind === 'flow').length;
}
