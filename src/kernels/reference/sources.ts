/**
 * What the sources' flow reads besides their state, and the flow itself, in double precision.
 */
import type { RowFunction } from '../ir/row-function.ts';
import type { Program } from '../sweep/program.ts';
import type { Field } from '../system.ts';
import type { RowInputs, RowResults } from './memory.ts';

/** Arrays of the sources, sets, pairs, params and source `with` fields by name, row-major. */
export type Fields = ReadonlyMap<string, Float64Array>;

/** What does not change from row to row or from time to time. */
export interface Given {
  readonly count: (over: string) => number;
  readonly pairs: ReadonlyMap<string, Float64Array>;
  readonly params: Float64Array;
  /** Tables of constants: sources, sets, `with` arrays that are the same at all times. */
  readonly tables: ReadonlyMap<string, Float64Array>;
}

/** Runs a row function for rows of one kind. */
export type Run = (
  fn: RowFunction,
  own: 'scalar' | 'sources' | 'tracers',
  inputs: Omit<RowInputs, 'count' | 'pairs' | 'params'>,
  given: Given,
) => RowResults;

export function givenOf({ system }: Program, fields: Fields): Given {
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

/** The sources' own constants, and `with` arrays that an integral may read. */
export function sourceBanks({ system }: Program, fields: Fields): ReadonlyMap<string, Float64Array> {
  const { sources, terms } = system;
  if (sources === null) return new Map();
  const banks = new Map([['constant', interleave(sources.constant, fields, 0, sources.rows)]]);
  for (const w of terms.flatMap((t) => t.with)) {
    const values = fields.get(w.name);
    if (w.group === 'sources' && w.slices === 1 && values !== undefined) banks.set(`with:${w.name}`, values);
  }
  return banks;
}

/** The state of all sources at t_0, rows × components; running integrals start at 0. */
export function sourceStart({ system, sources }: Program, fields: Fields): Float64Array {
  const { rows = 0, evolving = [] } = system.sources ?? {};
  return interleave(evolving, fields, 0, rows, sources?.stateComponents ?? 0);
}

/** d/dt of all components of all sources. */
export function sourceFlow(
  program: Program,
  fields: Fields,
  given: Given,
  run: Run,
): (time: number, state: Float64Array) => Float64Array {
  const banks = sourceBanks(program, fields);
  const rows = program.system.sources?.rows ?? 0;
  const flow = program.sources?.flow ?? null;
  return (time, state) => {
    if (flow === null) return new Float64Array(state.length);
    const inputs = {
      rows,
      firstRow: 0,
      time,
      banks: new Map([...banks, ['state', state]]),
      tables: new Map([...given.tables, ['sources.state', state]]),
      sums: new Float64Array(0),
    };
    return run(flow, 'sources', inputs, given).planes.get('slope') ?? new Float64Array(state.length);
  };
}

/** Rows [begin, end) of all fields side by side; `components` beyond them are 0. */
export function interleave(
  fields: readonly Field[],
  arrays: ReadonlyMap<string, ArrayLike<number>>,
  begin: number,
  end: number,
  components = fields.reduce((n, f) => n + f.width, 0),
): Float64Array {
  const rows = end - begin;
  const out = new Float64Array(rows * components);
  let start = 0;
  for (const { name, width } of fields) {
    const values = arrays.get(name);
    if (values === undefined) throw new RangeError(`no values of \`${name}\` were given`);
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < width; c++) out[r * components + start + c] = values[(begin + r) * width + c]!;
    }
    start += width;
  }
  return out;
}
