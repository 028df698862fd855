/**
 * How large everything of a program is: rows, components and strides, before time and threads are known.
 */

import { invariant } from '../../errors.ts';
import { blockRows } from '../block.ts';
import type { GroupProgram, Program } from '../sweep/program.ts';
import type { Field, Group } from '../system.ts';
import { type Lane, lanes, vectorBytes } from './frame.ts';

/** Plain data: sent to the threads. */
export interface Shapes {
  readonly lane: Lane;
  /** Bytes of a scalar of the lane. */
  readonly scalar: number;
  /** Source states a step shows to the tracers. */
  readonly slots: number;
  readonly sources: GroupShape;
  readonly tracers: GroupShape;
  readonly sets: readonly {
    readonly name: string;
    readonly rows: number;
    readonly columns: number;
    readonly fields: readonly FieldShape[];
  }[];
  readonly pairs: readonly FieldShape[];
  readonly params: readonly FieldShape[];
  /** Components of all parameters together. */
  readonly paramComponents: number;
  /** Arrays of the loss terms; `offset` is the first component within the tracers' image, 0 for the sources'. */
  readonly withs: readonly WithShape[];
  readonly tail: TailShape;
}

export interface GroupShape {
  readonly rows: number;
  readonly evolving: readonly FieldShape[];
  readonly constant: readonly FieldShape[];
  /** Components a row; the state may hold more than the fields do (integrals, which start at 0). */
  readonly stateComponents: number;
  readonly constantComponents: number;
  /** Bytes between planes. Tracers: one block. Sources: all rows, padded to whole vectors. */
  readonly stride: number;
}

/** A field's place among the components of its row. */
export interface FieldShape {
  readonly name: string;
  readonly width: number;
  readonly offset: number;
}

export interface WithShape {
  readonly name: string;
  readonly group: 'sources' | 'tracers';
  readonly width: number;
  readonly slices: number;
  readonly offset: number;
}

/** f64 counts and offsets of what a block leaves besides Γ: gradients of everything that does not move. */
export interface TailShape {
  readonly constants: number;
  /** In the order of `sets`. */
  readonly sets: readonly number[];
  readonly params: number;
  /** Total, padded to an even count. */
  readonly length: number;
}

export function shapesOf(program: Program, lane: Lane): Shapes {
  const { system } = program;
  const scalar = lanes[lane].bytes;
  const padded = (rows: number): number => Math.ceil((rows * scalar) / vectorBytes) * vectorBytes;
  const sources = groupShape(system.sources, program.sources, padded(system.sources?.rows ?? 0));
  const tracers = groupShape(system.tracers, program.tracers, blockRows * scalar);
  const sets = [...system.sets].map(([name, group]) => {
    const fields = fieldShapes(group.constant);
    return { name, rows: group.rows, columns: widthOf(group.constant), fields };
  });
  const params = fieldShapes(system.params);
  const paramComponents = widthOf(system.params);
  let next = sources.rows * sources.constantComponents;
  const setOffsets = sets.map((set) => {
    const offset = next;
    next += set.rows * set.columns;
    return offset;
  });
  const tail = {
    constants: 0,
    sets: setOffsets,
    params: next,
    length: Math.ceil((next + paramComponents) / 2) * 2,
  };
  return {
    lane,
    scalar,
    slots: program.slots,
    sources,
    tracers,
    sets,
    pairs: fieldShapes(system.pairs),
    params,
    paramComponents,
    withs: withShapes(program, tracers),
    tail,
  };
}

/** Components of the planes that the rows of a tracer block bring: state, constants, every slice of every `with` array. */
export function imageComponents(shapes: Shapes): number {
  const { tracers } = shapes;
  const withs = shapes.withs.filter((w) => w.group === 'tracers');
  return (
    tracers.stateComponents + tracers.constantComponents + withs.reduce((n, w) => n + w.width * w.slices, 0)
  );
}

function withShapes(program: Program, tracers: GroupShape): readonly WithShape[] {
  let next = tracers.stateComponents + tracers.constantComponents;
  return program.system.terms.flatMap((term) =>
    term.with.map((w) => {
      const offset = w.group === 'tracers' ? next : 0;
      if (w.group === 'tracers') next += w.width * w.slices;
      return { name: w.name, group: w.group, width: w.width, slices: w.slices, offset };
    }),
  );
}

function groupShape(group: Group | null, program: GroupProgram | null, stride: number): GroupShape {
  const evolving = fieldShapes(group?.evolving ?? []);
  const constant = fieldShapes(group?.constant ?? []);
  return {
    rows: group?.rows ?? 0,
    evolving,
    constant,
    stateComponents: program?.stateComponents ?? widthOf(group?.evolving ?? []),
    constantComponents: program?.constantComponents ?? widthOf(group?.constant ?? []),
    stride,
  };
}

function fieldShapes(fields: readonly Field[]): readonly FieldShape[] {
  let next = 0;
  return fields.map((f) => {
    const offset = next;
    next += f.width;
    return { name: f.name, width: f.width, offset };
  });
}

const widthOf = (fields: readonly Field[]): number => fields.reduce((w, f) => w + f.width, 0);

/** Byte offset within the tail of the gradient of a table that does not move. */
export function tailOffset(shapes: Shapes, table: string): number {
  if (table === 'sources.constant') return shapes.tail.constants * 8;
  const offset = shapes.tail.sets[shapes.sets.findIndex((s) => `${s.name}.constant` === table)];
  invariant(offset !== undefined, `the gradient of table ${table} has a place`);
  return offset * 8;
}

/** Rows of the sources or of a set. */
export const rowsOf = (shapes: Shapes, over: string): number =>
  over === 'sources' ? shapes.sources.rows : (shapes.sets.find((s) => s.name === over)?.rows ?? 0);

/** f64s of what one block of sources adds up: cotangents of all rows, then the tail. */
export function accumulatorLength(shapes: Shapes): number {
  return Math.ceil((shapes.sources.rows * shapes.sources.stateComponents) / 2) * 2 + shapes.tail.length;
}

export const sourceBlocks = (shapes: Shapes): number => Math.ceil(shapes.sources.rows / blockRows);
