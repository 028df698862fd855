/**
 * What every leaf of one evaluation shares: the interpreted program, the parameters and the sources' trajectory.
 */

import type { RowFunction } from '../../../kernels/ir/row-function.ts';
import { type Interpreted, interpret } from '../../../kernels/reference/interpret.ts';
import type { RowInputs, RowResults } from '../../../kernels/reference/memory.ts';
import { boundVisits } from '../../../kernels/sweep/cost.ts';
import type { Grid, Program, TermPoint, TermProgram } from '../../../kernels/sweep/program.ts';
import type { Inputs } from '../engine.ts';
import { interleave } from './arrays.ts';
import { type Stage, sweepForward, type Trajectory } from './sweep.ts';

/** Runs a row function and counts its work. */
export type Run = (
  fn: RowFunction,
  own: 'scalar' | 'sources' | 'tracers',
  inputs: Omit<RowInputs, 'count' | 'pairs' | 'params'>,
  given: Given,
) => RowResults;

/** What does not change from row to row or from time to time. */
export interface Given {
  readonly count: (over: string) => number;
  readonly pairs: ReadonlyMap<string, Float64Array>;
  readonly params: Float64Array;
  /** Tables of constants: sources, sets, `with` arrays that are the same at all times. */
  readonly tables: ReadonlyMap<string, Float64Array>;
}

export interface Context {
  readonly program: Program;
  readonly grid: Grid;
  readonly inputs: Inputs;
  readonly run: Run;
  readonly given: Given;
  readonly sources: Trajectory;
}

/** Interprets each row function once; `rows` and `pairs` are counted by its name. */
export function runner(program: Program, rows: Map<string, number>, pairs: Map<string, number>): Run {
  const ready = new Map<RowFunction, Interpreted>();
  return (fn, own, inputs, given) => {
    const known = ready.get(fn) ?? interpret(fn, program.layout.of(own));
    ready.set(fn, known);
    rows.set(fn.name, (rows.get(fn.name) ?? 0) + inputs.rows);
    const visits = inputs.rows * boundVisits(fn, given.count);
    pairs.set(fn.name, (pairs.get(fn.name) ?? 0) + visits);
    return known({ ...inputs, count: given.count, pairs: given.pairs, params: given.params });
  };
}

export function contextOf(program: Program, inputs: Inputs, run: Run): Context {
  const { grid } = inputs;
  const given = givenOf(program, inputs);
  const { sources } = program.system;
  const components = program.sources?.stateComponents ?? 0;
  const rows = sources?.rows ?? 0;
  const banks = sourceBanks(program, inputs);
  const start = interleave(sources?.evolving ?? [], inputs.fields, 0, rows, components);
  const { flow = null, step = null } = program.sources ?? {};
  const trajectory = sweepForward(step, grid.times, start, components, ({ time }, state) => {
    if (flow === null) return new Float64Array(state.length);
    const results = run(
      flow,
      'sources',
      {
        rows,
        firstRow: 0,
        time,
        banks: new Map([...banks, ['state', state]]),
        tables: new Map([...given.tables, ['sources.state', state]]),
        sums: new Float64Array(0),
      },
      given,
    );
    return results.planes.get('slope')!;
  });
  return { program, grid, inputs, run, given, sources: trajectory };
}

/** The sources' own constant bank and `with` arrays, as their flow reads them. */
export function sourceBanks(program: Program, inputs: Inputs): ReadonlyMap<string, Float64Array> {
  const { sources, terms } = program.system;
  if (sources === null) return new Map();
  const banks = new Map([['constant', interleave(sources.constant, inputs.fields, 0, sources.rows)]]);
  for (const w of terms.flatMap((t) => t.with)) {
    const values = inputs.fields.get(w.name);
    if (w.group === 'sources' && w.slices === 1 && values !== undefined) banks.set(`with:${w.name}`, values);
  }
  return banks;
}

function givenOf(program: Program, inputs: Inputs): Given {
  const { system } = program;
  const { fields } = inputs;
  const tables = new Map<string, Float64Array>();
  const { sources } = system;
  if (sources !== null) tables.set('sources.constant', interleave(sources.constant, fields, 0, sources.rows));
  for (const [name, set] of system.sets) {
    tables.set(`${name}.constant`, interleave(set.constant, fields, 0, set.rows));
  }
  for (const w of system.terms.flatMap((t) => t.with)) {
    const values = fields.get(w.name);
    if (w.group === 'sources' && w.slices === 1 && values !== undefined) {
      tables.set(`sources.with:${w.name}`, values);
    }
  }
  return {
    count: (over) => (over === 'sources' ? sources?.rows : system.sets.get(over)?.rows) ?? 0,
    pairs: new Map(system.pairs.map((p) => [p.name, fields.get(p.name) ?? new Float64Array(0)])),
    params: interleave(system.params, fields, 0, 1),
    tables,
  };
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
