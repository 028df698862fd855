/**
 * How large everything of a program is and where it lies in the buffers that its shaders share: functions of the job.
 *
 *   given    f32, read: ∞, a NaN, params, tables and weights, then (from `fixed` on) the sums S and the steps of the grid
 *   plan     u32, read: blocks of the tile, kept points, records of the terms
 *   path     f32: the sources' states, row-major, at every slot of every step and at the end
 *   image    f32, read: blocks of tracers [block][component][256]: state, constants, slices of `with` arrays
 *   carry    f32: what a row carries from dispatch to dispatch [block][component][256]
 *   held     f32: the tracers' states at the slots of the steps held [step][slot][block][component][256]
 *   kept     f32: their states at kept points, then what terms add to λ there [point][block][component][256]
 *   gamma    f32: a partial a workgroup of tracers, or a leaf: Γ by point and slot, then the tail
 *   totals   f32: sums of such partials, one a leaf
 *   work     f32: the sources' banks, planes of M, a part a leaf
 *   out      u32: what workgroups leave: marks of what is not finite, θ̄, S, winners
 */
import { invariant } from '../../errors.ts';
import type { Program, StepProgram } from '../sweep/program.ts';
import type { Field, Group } from '../system.ts';
import { type Crew, rowsForTwo, sourceCrew, tracerCrew, workgroupThreads } from './crew.ts';

export interface Shapes {
  /** Source states a step shows to the tracers. */
  readonly slots: number;
  readonly sources: GroupShape;
  readonly tracers: GroupShape;
  readonly sets: readonly TableShape[];
  readonly pairs: readonly PlacedField[];
  readonly params: readonly PlacedField[];
  readonly paramComponents: number;
  readonly withs: readonly WithShape[];
  readonly given: GivenShape;
  /** Components of an image's row. */
  readonly imageComponents: number;
  readonly carry: CarryShape;
  readonly tail: TailShape;
  readonly tracerCrew: Crew;
  readonly sourceCrew: Crew;
  /** Tracers from which on a thread has two of them. */
  readonly rowsForTwo: number;
  /** Whether one workgroup runs the sources through time. */
  readonly sourcesTogether: boolean;
  /** Flows of a step. */
  readonly stages: number;
  /** Fractions of a step at which flows are evaluated. */
  readonly fractions: readonly number[];
}

export interface PlacedField extends Field {
  readonly offset: number;
}

export interface GroupShape {
  readonly rows: number;
  readonly evolving: readonly PlacedField[];
  readonly constant: readonly PlacedField[];
  /** The state may hold more than the fields do: integrals, which start at 0. */
  readonly stateComponents: number;
  readonly constantComponents: number;
}

export interface TableShape {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly fields: readonly PlacedField[];
}

/** An array of a loss term; `offset`: first image component (tracers) or first number in `given` (sources). */
export interface WithShape extends PlacedField {
  readonly group: 'sources' | 'tracers';
  readonly slices: number;
}

/** Offsets in `given`. */
export interface GivenShape {
  readonly params: number;
  readonly start: number;
  readonly constants: number;
  readonly sets: readonly number[];
  readonly pairs: readonly number[];
  /** Where what depends on the grid begins: the sums S. */
  readonly fixed: number;
}

/** First components of a row's `carry`. */
export interface CarryShape {
  readonly state: number;
  readonly cotangent: number;
  readonly constants: number;
  readonly params: number;
  /** The step at which the state was first not finite. */
  readonly failed: number;
  readonly values: number;
  readonly components: number;
}

/** What a partial holds behind Γ: gradients of what does not move. */
export interface TailShape {
  readonly constants: number;
  readonly sets: readonly number[];
  readonly length: number;
}

export function shapesOf(program: Program, twoFrom = rowsForTwo): Shapes {
  const { system } = program;
  const sources = groupShape(system.sources, program.sources);
  const tracers = groupShape(system.tracers, program.tracers);
  const sets = [...system.sets].map(([name, group]): TableShape => {
    const fields = placed(group.constant);
    return { name, rows: group.rows, columns: widthOf(group.constant), fields };
  });
  const params = placed(system.params);
  const pairs = placed(system.pairs);
  const paramComponents = widthOf(params);
  const { given, withs, imageComponents } = placeGiven(program, {
    sources,
    tracers,
    sets,
    pairs,
    paramComponents,
  });
  const bound = [sources, ...sets].map((s) => s.rows);
  return {
    slots: program.slots,
    sources,
    tracers,
    sets,
    pairs,
    params,
    paramComponents,
    withs,
    given,
    imageComponents,
    carry: placeCarry(program, tracers, paramComponents),
    tail: placeTail(sources, sets),
    tracerCrew: tracerCrew(tracers.rows, Math.max(...bound)),
    sourceCrew: sourceCrew(Math.max(1, sources.rows), addsToWeightsInside(program)),
    rowsForTwo: twoFrom,
    sourcesTogether: sources.rows <= workgroupThreads,
    stages: Math.max(...[program.sources, program.tracers].map((g) => flowsOf(g?.step ?? null))),
    fractions: fractionsOf([program.sources?.step ?? null, program.tracers?.step ?? null]),
  };
}

/** Rows of the sources or of a set. */
export function rowsOf(shapes: Shapes, over: string): number {
  return over === 'sources' ? shapes.sources.rows : (shapes.sets.find((s) => s.name === over)?.rows ?? 0);
}

/** Offset within the tail of the gradient of a table that does not move. */
export function tailOffset(shapes: Shapes, table: string): number {
  if (table === 'sources.constant') return shapes.tail.constants;
  const offset = shapes.tail.sets[shapes.sets.findIndex((s) => `${s.name}.constant` === table)];
  invariant(offset !== undefined, `the gradient of table ${table} has a place`);
  return offset;
}

/** Numbers of Γ: one cotangent of the sources' state for each slot of each step, and one at the end. */
export const gammaLength = (shapes: Shapes, steps: number): number =>
  (steps * shapes.slots + 1) * shapes.sources.rows * shapes.sources.stateComponents;

/** Numbers of a step in `given`: h, then the times of its flows. */
export const stepNumbers = (shapes: Shapes): number => 1 + shapes.fractions.length;

function groupShape(group: Group | null, program: Program['sources']): GroupShape {
  const evolving = placed(group?.evolving ?? []);
  const constant = placed(group?.constant ?? []);
  return {
    rows: group?.rows ?? 0,
    evolving,
    constant,
    stateComponents: program?.stateComponents ?? widthOf(evolving),
    constantComponents: program?.constantComponents ?? widthOf(constant),
  };
}

function placeGiven(
  { system }: Program,
  {
    sources,
    tracers,
    sets,
    pairs,
    paramComponents,
  }: Pick<Shapes, 'pairs' | 'paramComponents' | 'sets' | 'sources' | 'tracers'>,
): Pick<Shapes, 'given' | 'imageComponents' | 'withs'> {
  // ∞ and a NaN come first.
  let next = 2;
  const take = (count: number): number => {
    const at = next;
    next += count;
    return at;
  };
  const params = take(paramComponents);
  const start = take(sources.rows * sources.stateComponents);
  const constants = take(sources.rows * sources.constantComponents);
  const setOffsets = sets.map((s) => take(s.rows * s.columns));
  const pairOffsets = pairs.map((p) => take(sources.rows ** 2 * p.width));
  let imageComponents = tracers.stateComponents + tracers.constantComponents;
  const withs = system.terms
    .flatMap((t) => t.with)
    .map(({ name, width, slices, group }): WithShape => {
      if (group === 'sources')
        return { name, width, slices, group, offset: take(sources.rows * width * slices) };
      const offset = imageComponents;
      imageComponents += width * slices;
      return { name, width, slices, group, offset };
    });
  return {
    given: { params, start, constants, sets: setOffsets, pairs: pairOffsets, fixed: next },
    withs,
    imageComponents,
  };
}

function placeCarry({ values }: Program, tracers: GroupShape, paramComponents: number): CarryShape {
  const d = tracers.stateComponents;
  const c = tracers.constantComponents;
  const start = 2 * d + c + paramComponents;
  const width = (values?.planes ?? []).reduce((n, p) => n + p.value.width, 0);
  return {
    state: 0,
    cotangent: d,
    constants: 2 * d,
    params: 2 * d + c,
    failed: start,
    values: start + 1,
    components: start + 1 + width,
  };
}

function placeTail(sources: GroupShape, sets: readonly TableShape[]): TailShape {
  let next = sources.rows * sources.constantComponents;
  const offsets = sets.map((s) => {
    const at = next;
    next += s.rows * s.columns;
    return at;
  });
  return { constants: 0, sets: offsets, length: next };
}

/** Whether weights are added to in loops inside others: threads that share a row would meet at one weight. */
function addsToWeightsInside({ sources }: Program): boolean {
  return (sources?.flowVjp?.scatters ?? []).some((s) => s.target.role === 'pair' && s.loops.length > 1);
}

function flowsOf(step: StepProgram | null): number {
  return (step?.forward ?? []).filter((s) => s.kind === 'flow').length;
}

function fractionsOf(steps: readonly (StepProgram | null)[]): readonly number[] {
  const all = steps.flatMap((s) =>
    (s?.forward ?? []).flatMap((x) => (x.kind === 'flow' ? [x.fraction] : [])),
  );
  return [...new Set(all)].sort((a, b) => a - b);
}

function placed(fields: readonly Field[]): readonly PlacedField[] {
  let next = 0;
  return fields.map(({ name, width }) => {
    const offset = next;
    next += width;
    return { name, width, offset };
  });
}

const widthOf = (fields: readonly Field[]): number => fields.reduce((n, f) => n + f.width, 0);
