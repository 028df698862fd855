/**
 * Where every field of a program lives: banks, tables, parameters and the gradient a leaf of the tree returns.
 */
import { invariant } from '../../errors.ts';
import { type Moment, now } from '../ir/expr.ts';
import type { Layout } from '../ir/kernel.ts';
import type { Field, Group, System } from '../system.ts';
import type { GradientSlot, ProgramLayout } from './program.ts';

/** A field's first component in its bank or table. */
interface Place {
  readonly start: number;
  readonly width: number;
}

/** What the layout needs to know besides the system. */
export interface LayoutInputs {
  /** Evolving fields with the running integrals behind them. */
  readonly states: Readonly<Record<'sources' | 'tracers', readonly Field[]>>;
  readonly with: readonly (Field & { readonly group: 'sources' | 'tracers' })[];
  /** The largest number of components a plane `terms` has: kernels of other terms use the first of them. */
  readonly termComponents: number;
}

export function layProgram(system: System, inputs: LayoutInputs): ProgramLayout {
  const params = places(system.params);
  const tables = new Map<
    string,
    { readonly table: string; readonly place: Place; readonly columns: number }
  >();
  const addTable = (over: string, table: string, fields: readonly Field[]): void => {
    for (const [field, place] of places(fields)) {
      tables.set(`${over} ${field}`, { table, place, columns: widthOf(fields) });
    }
  };
  addTable('sources', 'sources.state', inputs.states.sources);
  addTable('sources', 'sources.constant', system.sources?.constant ?? []);
  for (const f of inputs.with) if (f.group === 'sources') addTable('sources', `sources.with:${f.name}`, [f]);
  for (const [name, set] of system.sets) addTable(name, `${name}.constant`, set.constant);

  const layoutOf = (own: 'scalar' | 'sources' | 'tracers'): Layout => {
    const banks = own === 'scalar' ? new Map<string, never>() : ownBanks(own, system[own], inputs);
    const slope = own === 'scalar' ? 0 : widthOf(inputs.states[own]);
    return {
      own: (field, at) => {
        const found = banks.get(field);
        invariant(found !== undefined, `\`${field}\` is a field of the ${own}`);
        return {
          bank: at === now || found.bank !== 'state' ? found.bank : `state@${at}`,
          component: found.place.start,
          components: found.components,
        };
      },
      row: (over, field, at) => {
        const found = tables.get(`${over} ${field}`);
        invariant(found !== undefined, `\`${field}\` is a field of ${over}`);
        return {
          table: tableAt(found.table, at),
          column: found.place.start,
          columns: found.columns,
        };
      },
      param: (field) => {
        const found = params.get(field);
        invariant(found !== undefined, `\`${field}\` is a parameter`);
        return found.start;
      },
      pair: (field) => {
        const found = system.pairs.find((p) => p.name === field);
        invariant(found !== undefined, `\`${field}\` is a weight between sources`);
        return found.width;
      },
      cotangent: (name) => ({
        bank: `cotangent:${name}`,
        components: name === 'slope' ? slope : name === 'terms' ? inputs.termComponents : 1,
      }),
    };
  };
  const layouts = {
    scalar: layoutOf('scalar'),
    sources: layoutOf('sources'),
    tracers: layoutOf('tracers'),
  };
  const gradient = gradientSlots(system);
  return {
    of: (own) => layouts[own],
    gradient,
    gradientLength: gradient.reduce((n, s) => n + s.rows * s.width, 0),
  };
}

export function widthOf(fields: readonly Field[]): number {
  return fields.reduce((n, f) => n + f.width, 0);
}

/** `sources.state` at another moment than now; constants are the same at all moments. */
function tableAt(table: string, at: Moment): string {
  return at === now || table !== 'sources.state' ? table : `${table}@${at}`;
}

/** Fields one after another. */
function places(fields: readonly Field[]): ReadonlyMap<string, Place> {
  const all = new Map<string, Place>();
  let start = 0;
  for (const { name, width } of fields) {
    all.set(name, { start, width });
    start += width;
  }
  return all;
}

interface OwnBank {
  readonly bank: string;
  readonly place: Place;
  readonly components: number;
}

function ownBanks(
  own: 'sources' | 'tracers',
  group: Group | null,
  inputs: LayoutInputs,
): ReadonlyMap<string, OwnBank> {
  const banks = new Map<string, OwnBank>();
  const add = (bank: string, fields: readonly Field[]): void => {
    for (const [field, place] of places(fields))
      banks.set(field, { bank, place, components: widthOf(fields) });
  };
  add('state', inputs.states[own]);
  add('constant', group?.constant ?? []);
  for (const f of inputs.with) if (f.group === own) add(`with:${f.name}`, [f]);
  return banks;
}

/** Wanted fields of sources (evolving, then constant), sets, pairs and params, one after another. */
function gradientSlots(system: System): readonly GradientSlot[] {
  const wanted = new Set(system.gradient);
  const rowsOfPairs = (system.sources?.rows ?? 0) ** 2;
  const candidates: readonly Omit<GradientSlot, 'offset'>[] = [
    ...slotsOf('sources', '', system.sources, [
      ...(system.sources?.evolving ?? []),
      ...(system.sources?.constant ?? []),
    ]),
    ...[...system.sets].flatMap(([name, set]) => slotsOf('sets', name, set, set.constant)),
    ...system.pairs.map(({ name, width }) => ({
      kind: 'pairs' as const,
      set: '',
      field: name,
      rows: rowsOfPairs,
      width,
    })),
    ...system.params.map(({ name, width }) => ({
      kind: 'params' as const,
      set: '',
      field: name,
      rows: 1,
      width,
    })),
  ];
  let offset = 0;
  return candidates
    .filter((s) => wanted.has(s.field))
    .map((s): GradientSlot => {
      const slot = { ...s, offset };
      offset += s.rows * s.width;
      return slot;
    });
}

function slotsOf(
  kind: 'sets' | 'sources',
  set: string,
  group: Group | null,
  fields: readonly Field[],
): readonly Omit<GradientSlot, 'offset'>[] {
  return fields.map(({ name, width }) => ({ kind, set, field: name, rows: group?.rows ?? 0, width }));
}
