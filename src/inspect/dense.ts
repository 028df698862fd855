/** What would the same gradient cost without the structure? Two ways people take today, counted for the user's job. */
import type { Kernel, Step } from '../kernels/ir/kernel.ts';
import { postorder } from '../kernels/ir/walk.ts';
import { lower } from '../kernels/lower/lower.ts';
import type { Grid, Program } from '../kernels/sweep/program.ts';
import type { System } from '../kernels/system.ts';
import { flowsOf } from './work.ts';

/** What the same gradient would cost without the structure: numbers, bytes and passes over pairs. */
export interface DenseCost {
  /** Numbers a tape keeps for each pair: the values the pair loop computes. */
  readonly valuesPerPair: number;
  /** Bytes of a tape of all pairs of the tracers' forward sweep, as dense automatic differentiation keeps it. */
  readonly tapeBytes: number;
  /** Bytes of ∂X′/∂X of one step stored densely: (N·d)² numbers. */
  readonly denseBlockBytes: number;
  /** Bytes of the N blocks of d × d that it is. */
  readonly diagonalBlockBytes: number;
  /** Passes over the pairs of one stage, forward and backward, with one for each input that is differentiated. */
  readonly passesPerInput: number;
  /** Ours. */
  readonly passesFused: number;
  /** Kernel launches of a gradient with a launch a pass, stage and step; ours: one a tile. */
  readonly launches: number;
}

/** Costs of the tracers' part; null when no tracers evolve. */
export function denseCost(program: Program, grid: Grid, bytesPerNumber: number): DenseCost | null {
  const { tracers, system } = program;
  if (tracers?.flow === undefined || tracers.flow === null || system.tracers === null) return null;
  const kernel = lower(tracers.flow, program.layout.of('tracers'));
  const steps = grid.times.length - 1;
  const flows = flowsOf(tracers.step);
  const n = system.tracers.rows;
  const valuesPerPair = valuesInLoops(kernel);
  const pairs = n * (system.sources?.rows ?? 0) * flows * steps;
  const state = n * tracers.stateComponents;
  const inputs = differentiatedInputs(system);
  return {
    valuesPerPair,
    tapeBytes: pairs * valuesPerPair * bytesPerNumber,
    denseBlockBytes: state * state * bytesPerNumber,
    diagonalBlockBytes: state * tracers.stateComponents * bytesPerNumber,
    passesPerInput: 1 + inputs,
    passesFused: program.wants.any ? 2 : 1,
    launches: (1 + inputs) * flows * steps,
  };
}

/** Values computed once for each pair. */
function valuesInLoops(kernel: Kernel): number {
  let count = 0;
  const visit = (steps: readonly Step[], inside: boolean): void => {
    for (const step of steps) {
      if (step.kind === 'loop') visit(step.steps, true);
      else if (
        inside &&
        kernel.values[step.value]?.kind === 'apply' &&
        kernel.values[step.value]?.varies === true
      )
        count++;
    }
  };
  visit(kernel.steps, false);
  return count;
}

/** Arrays the tracers' flow reads under a reduction and that are differentiated: each is a pass of its own elsewhere. */
function differentiatedInputs(system: System): number {
  const evolving = new Set(
    [...(system.tracers?.evolving ?? []), ...(system.sources?.evolving ?? [])].map((f) => f.name),
  );
  const wanted = new Set([...system.gradient, ...evolving]);
  const read = new Set<string>();
  for (const field of system.tracers?.evolving ?? []) {
    const flow = system.flow.get(field.name);
    if (flow === undefined) continue;
    for (const node of postorder(flow)) {
      if (node.kind !== 'reduce') continue;
      for (const inner of postorder(node.body)) {
        if (inner.kind === 'input' && 'field' in inner.leaf) read.add(inner.leaf.field);
      }
    }
  }
  return [...read].filter((name) => wanted.has(name)).length;
}
