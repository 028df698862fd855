/**
 * What does a run give back? The evaluated numbers under the names and in the shapes of the job.
 */
import type { GradientSlot, Grid, ProgramOutline } from '../kernels/sweep/program.ts';
import type { Field, System } from '../kernels/system.ts';
import { type RowsKind, rowsShape } from '../partition/row-shape.ts';
import type { RowsWanted } from '../protocol.ts';

/** A named array: row-major numbers in double precision. */
export interface Tensor {
  /** Lengths of the axes; [] is a single number. */
  readonly shape: readonly number[];
  /** As many numbers as the lengths multiply to, in the units of the job. */
  readonly data: Float64Array;
}

/** Arrays by name: of a field, a parameter or an output of the job. */
export type Tensors = Readonly<Record<string, Tensor>>;

/**
 * The gradient by field, each in its input's shape.
 *
 * @param flat - in the order of `program.layout.gradient`
 * @param shapeOf - the shape the user gave the field in
 */
export function gradientTensors(
  program: ProgramOutline,
  flat: Float64Array,
  shapeOf: (slot: GradientSlot) => readonly number[],
): Tensors {
  return Object.fromEntries(
    program.layout.gradient.map((slot) => {
      const data = flat.slice(slot.offset, slot.offset + slot.rows * slot.width);
      return [slot.field, { shape: shapeOf(slot), data }];
    }),
  );
}

/** ‖g‖₂ of each tensor. */
export function norms(tensors: Tensors): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(tensors).map(([name, { data }]) => [name, norm(data)]));
}

/** √Σ gᵢ², scaled by the largest |gᵢ| so that squares neither overflow nor vanish. */
function norm(data: Float64Array): number {
  const largest = data.reduce((max, g) => Math.max(max, Math.abs(g)), 0);
  if (largest === 0 || !Number.isFinite(largest)) return largest;
  return largest * Math.sqrt(data.reduce((sum, g) => sum + (g / largest) ** 2, 0));
}

/**
 * The sources' states by field: `final` M × width, `trajectory` saved times × M × width.
 *
 * @param fields - the evolving fields in state order, e numbers a row together
 * @param states - one M × e block a state, the end time first, then the saved times
 * @param given - the shape a field was given in
 */
export function sourceTensors(
  fields: readonly Field[],
  rows: number,
  states: Float64Array,
  given: (field: string) => readonly number[] | null,
): { readonly final: Tensors; readonly trajectory: Tensors } {
  const components = fields.reduce((sum, { width }) => sum + width, 0);
  const blocks = states.length / (rows * components);
  const column = (first: number, width: number, from: number, to: number): Float64Array => {
    const data = new Float64Array((to - from) * rows * width);
    for (let row = 0; row < (to - from) * rows; row++) {
      const start = (from * rows + row) * components + first;
      data.set(states.subarray(start, start + width), row * width);
    }
    return data;
  };
  const final: Record<string, Tensor> = {};
  const trajectory: Record<string, Tensor> = {};
  let first = 0;
  for (const { name, width } of fields) {
    const shape = (kind: RowsKind): readonly number[] =>
      rowsShape(kind, given(name), { rows, width, times: blocks - 1 });
    final[name] = { shape: shape('final'), data: column(first, width, 0, 1) };
    trajectory[name] = { shape: shape('trajectory'), data: column(first, width, 1, blocks) };
    first += width;
  }
  return { final, trajectory };
}

/** Gradients of tracers and values always; final states and trajectories where `output.save` asks for them. */
export function rowsWanted(system: System, saving: Saving, grid: Grid): RowsWanted {
  const { tracers } = system;
  const ofTracers = new Set([...(tracers?.evolving ?? []), ...(tracers?.constant ?? [])].map((f) => f.name));
  return {
    gradient: system.gradient.filter((name) => ofTracers.has(name)),
    final: saving.final,
    trajectory: saving.trajectory ? savedPoints(grid.times.length - 1, saving.every) : [],
    values: system.values.size > 0,
  };
}

/** What `output.save` asks for. */
interface Saving {
  readonly final: boolean;
  readonly trajectory: boolean;
  readonly every: number;
}

/** Grid points 0, every, 2·every, … and the last. */
function savedPoints(steps: number, every: number): readonly number[] {
  const points = Array.from({ length: Math.floor(steps / every) + 1 }, (_, k) => k * every);
  return points.at(-1) === steps ? points : [...points, steps];
}
