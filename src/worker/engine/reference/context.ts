/**
 * What every leaf of one evaluation shares: the interpreted program, the parameters and the sources' trajectory.
 */

import type { RowFunction } from '../../../kernels/ir/row-function.ts';
import { type Interpreted, interpret } from '../../../kernels/reference/interpret.ts';
import {
  type Given,
  givenOf,
  type Run,
  sourceFlow,
  sourceStart,
} from '../../../kernels/reference/sources.ts';
import { boundVisits } from '../../../kernels/sweep/cost.ts';
import type { Grid, Program, TermPoint, TermProgram } from '../../../kernels/sweep/program.ts';
import type { Inputs } from '../engine.ts';
import { type Stage, sweepForward, type Trajectory } from './sweep.ts';

export interface Context {
  readonly program: Program;
  readonly grid: Grid;
  readonly inputs: Inputs;
  readonly run: Run;
  readonly given: Given;
  readonly sources: Trajectory;
}

/** Interprets each row function once, and counts what a row of it visits once; `rows` and `pairs` are counted by its name. */
export function runner(program: Program, rows: Map<string, number>, pairs: Map<string, number>): Run {
  const ready = new Map<RowFunction, { readonly compute: Interpreted; readonly visits: number }>();
  return (fn, own, inputs, given) => {
    const known = ready.get(fn) ?? {
      compute: interpret(fn, program.layout.of(own)),
      visits: boundVisits(fn, given.count),
    };
    ready.set(fn, known);
    rows.set(fn.name, (rows.get(fn.name) ?? 0) + inputs.rows);
    pairs.set(fn.name, (pairs.get(fn.name) ?? 0) + inputs.rows * known.visits);
    return known.compute({ ...inputs, count: given.count, pairs: given.pairs, params: given.params });
  };
}

export function contextOf(program: Program, inputs: Inputs, run: Run): Context {
  const { grid } = inputs;
  const given = givenOf(program, inputs.fields);
  const flow = sourceFlow(program, inputs.fields, given, run);
  const sources = sweepForward(
    program.sources?.step ?? null,
    grid.times,
    sourceStart(program, inputs.fields),
    program.sources?.stateComponents ?? 0,
    ({ time }, state) => flow(time, state),
  );
  return { program, grid, inputs, run, given, sources };
}

/** The tables a flow sees at a stage. */
export function tablesAtStage({ given, sources }: Context, { step, slot }: Stage): Map<string, Float64Array> {
  const state = sources.slots[step]?.[slot] ?? sources.slots[step]?.[0] ?? new Float64Array(0);
  return new Map([...given.tables, ['sources.state', state]]);
}

/** The tables a term sees at one of its points: states now and at its moments, slices of `with` arrays. */
export function tablesAtPoint(
  context: Context,
  term: TermProgram | null,
  at: Pick<TermPoint, 'point' | 'slice'>,
): Map<string, Float64Array> {
  const { given, sources, grid, inputs, program } = context;
  const tables = new Map([...given.tables, ['sources.state', sources.states[at.point]!]]);
  for (const moment of term?.moments ?? []) {
    tables.set(`sources.state@${moment}`, sources.states[grid.moments.get(moment)!]!);
  }
  for (const w of term === null ? [] : (program.system.terms[term.term]?.with ?? [])) {
    if (w.group !== 'sources') continue;
    const size = given.count('sources') * w.width;
    const slice = w.slices > 1 ? at.slice : 0;
    tables.set(
      `sources.with:${w.name}`,
      inputs.fields.get(w.name)!.subarray(slice * size, (slice + 1) * size),
    );
  }
  return tables;
}
