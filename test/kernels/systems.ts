/**
 * Small problems for tests, written as a job file writes them: formulas as text, data inline.
 */
import {
  checkFlow,
  checkLoss,
  checkScope,
  checkValue,
  plainText,
  type Scope,
} from '../../src/kernels/formula/index.ts';
import type { SchemeName } from '../../src/kernels/schemes/table.ts';
import type { Field, Group, LossTerm, System, TermTimes } from '../../src/kernels/system.ts';

/** Rows of numbers: `[[1, 2], [3, 4]]` has width 2, `[1, 2]` width 1. */
export type Rows = readonly (readonly number[] | number)[];

export interface TermText {
  readonly value?: string;
  readonly integral?: string;
  readonly at?: readonly number[] | number | 'end' | 'every step' | 'start';
  /** Rows, or one array of rows for each time. */
  readonly with?: Readonly<
    Record<string, { readonly slices: readonly Rows[]; readonly group: 'sources' | 'tracers' }>
  >;
}

export interface ProblemText {
  readonly sources?: Readonly<Record<string, Rows>>;
  readonly tracers?: Readonly<Record<string, Rows>>;
  readonly sets?: Readonly<Record<string, Readonly<Record<string, Rows>>>>;
  /** M × M numbers or vectors, row by row. */
  readonly pairs?: Readonly<Record<string, Rows>>;
  readonly params?: Readonly<Record<string, readonly number[] | number>>;
  readonly flow?: Readonly<Record<string, string>>;
  readonly scheme?: SchemeName;
  readonly from?: number;
  readonly to?: number;
  readonly steps?: number;
  readonly loss?: readonly TermText[] | string;
  readonly values?: Readonly<Record<string, string>>;
  readonly gradient?: readonly string[];
}

/** A problem with its numbers: what an engine is given. */
export interface Problem {
  readonly system: System;
  readonly steps: number;
  /** Sources, sets, pairs, params and source `with` arrays, row-major. */
  readonly fields: ReadonlyMap<string, Float64Array>;
  /** Tracer fields and tracer `with` arrays; sliced ones slice after slice. */
  readonly tracers: ReadonlyMap<string, Float64Array>;
}

export function systemOf(text: ProblemText): Problem {
  const flow = text.flow ?? {};
  const groups = {
    sources: groupOf(text.sources, flow),
    tracers: groupOf(text.tracers, flow),
  };
  const sets = new Map(Object.entries(text.sets ?? {}).map(([name, set]) => [name, groupOf(set, {})!]));
  const params = Object.entries(text.params ?? {}).map(([name, v]) => ({
    name,
    width: typeof v === 'number' ? 1 : v.length,
  }));
  const pairs = Object.entries(text.pairs ?? {}).map(([name, v]) => ({ name, width: widthOf(v) }));
  const scope: Scope = {
    sources: rowsOf(groups.sources),
    tracers: rowsOf(groups.tracers),
    sets: new Map([...sets].map(([name, set]) => [name, rowsOf(set)!])),
    pairs,
    params,
    lets: new Map(),
    evolving: new Set(Object.keys(flow)),
  };
  checkScope(scope);
  const from = text.from ?? 0;
  const to = text.to ?? 1;
  const labels = new Set<string>();
  const terms = termsOf(text).map((term) => termOf(term, scope, from, to, labels));
  const hasFlow = Object.keys(flow).length > 0 || text.scheme !== undefined;
  const moments = new Map(
    [...labels].map((label) => [label, label === 'start' ? from : label === 'end' ? to : Number(label)]),
  );
  return {
    system: {
      ...groups,
      sets,
      pairs,
      params,
      flow: new Map(Object.entries(flow).map(([field, f]) => [field, checkFlow(plainText(f), field, scope)])),
      scheme: hasFlow ? (text.scheme ?? 'euler') : null,
      from,
      to,
      moments,
      terms,
      values: new Map(
        Object.entries(text.values ?? {}).map(([name, f]) => [name, checkValue(plainText(f), scope)]),
      ),
      gradient: text.gradient ?? [],
    },
    steps: hasFlow ? (text.steps ?? 4) : 0,
    fields: dataOf(
      text.sources ?? {},
      ...Object.values(text.sets ?? {}),
      text.pairs ?? {},
      Object.fromEntries(Object.entries(text.params ?? {}).map(([name, v]) => [name, [v]])),
      withData(text, 'sources'),
    ),
    tracers: dataOf(text.tracers ?? {}, withData(text, 'tracers')),
  };
}

function groupOf(
  fields: Readonly<Record<string, Rows>> | undefined,
  flow: Readonly<Record<string, string>>,
): Group | null {
  if (fields === undefined) return null;
  const all = Object.entries(fields).map(([name, rows]): Field => ({ name, width: widthOf(rows) }));
  return {
    rows: Object.values(fields)[0]?.length ?? 0,
    evolving: all.filter((f) => Object.hasOwn(flow, f.name)),
    constant: all.filter((f) => !Object.hasOwn(flow, f.name)),
  };
}

function rowsOf(group: Group | null): { rows: number; fields: readonly Field[] } | null {
  return group === null ? null : { rows: group.rows, fields: [...group.evolving, ...group.constant] };
}

function widthOf(rows: Rows): number {
  const [first] = rows;
  return typeof first === 'number' || first === undefined ? 1 : first.length;
}

function termsOf({ loss }: ProblemText): readonly TermText[] {
  return loss === undefined ? [] : typeof loss === 'string' ? [{ value: loss }] : loss;
}

function termOf(term: TermText, scope: Scope, from: number, to: number, labels: Set<string>): LossTerm {
  const text = term.integral ?? term.value ?? '0';
  const fields = Object.entries(term.with ?? {}).map(([name, { slices, group }]) => ({
    name,
    width: widthOf(slices[0] ?? []),
    slices: slices.length,
    group,
  }));
  const { value, sums, moments } = checkLoss(plainText(text), scope, fields);
  for (const label of moments) labels.add(label);
  return { text, at: timesOf(term, from, to), value, sums, with: fields };
}

function timesOf({ at = 'end', integral }: TermText, from: number, to: number): TermTimes {
  if (integral !== undefined) return { kind: 'integral' };
  if (at === 'every step') return { kind: 'every-step' };
  if (at === 'start') return { kind: 'times', times: [from] };
  if (at === 'end') return { kind: 'times', times: [to] };
  return { kind: 'times', times: typeof at === 'number' ? [at] : at };
}

function withData(text: ProblemText, group: 'sources' | 'tracers'): Record<string, Rows> {
  return Object.fromEntries(
    termsOf(text).flatMap((t) =>
      Object.entries(t.with ?? {}).flatMap(([name, w]) =>
        w.group === group ? [[name, w.slices.flat()]] : [],
      ),
    ),
  );
}

function dataOf(...groups: readonly Readonly<Record<string, Rows>>[]): ReadonlyMap<string, Float64Array> {
  return new Map(
    groups.flatMap((group) =>
      Object.entries(group).map(([name, rows]) => [name, Float64Array.from(rows.flat())] as const),
    ),
  );
}
