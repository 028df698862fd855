/** The formulas a program runs, forward and derived, as text. */
import { type Expr, part } from '../kernels/ir/expr.ts';
import { print } from '../kernels/ir/print.ts';
import type { RowFunction } from '../kernels/ir/row-function.ts';
import { simplify } from '../kernels/simplify/simplify.ts';
import type { GroupProgram, Program } from '../kernels/sweep/program.ts';
import type { Field } from '../kernels/system.ts';

export interface FormulaLine {
  /** What it is, e.g. `x'`, `ζ_x`, `Γ_p[j]`, `θ̄_sigma`. */
  readonly name: string;
  readonly text: string;
}

export interface FormulaSection {
  readonly title: string;
  readonly lines: readonly FormulaLine[];
}

/** Sections in the order they run: flows, then their transposes. */
export function formulasOf(program: Program): readonly FormulaSection[] {
  const { system } = program;
  const groups = (['tracers', 'sources'] as const).flatMap((name) => {
    const group = program[name];
    const fields = system[name];
    return group === null || fields === null ? [] : [{ name, group, fields }];
  });
  return [
    ...groups.flatMap(({ name, group, fields }) => forward(name, group, fields.evolving)),
    ...groups.flatMap(({ name, group, fields }) => backward(name, group, fields.evolving, fields.constant)),
    ...terms(program),
  ].filter((section) => section.lines.length > 0);
}

function forward(name: string, group: GroupProgram, evolving: readonly Field[]): FormulaSection[] {
  const slope = group.flow?.planes.find((p) => p.name === 'slope');
  if (slope === undefined) return [];
  const lines = perField(slope.value, evolving).map(({ field, value }) => ({
    name: `${field}'`,
    text: text(value),
  }));
  return [{ title: `flow of the ${name}`, lines }];
}

function backward(
  name: string,
  group: GroupProgram,
  evolving: readonly Field[],
  constant: readonly Field[],
): FormulaSection[] {
  const fn = group.flowVjp;
  if (fn === null) return [];
  return [
    {
      title: `transposed flow of the ${name} (κ = h·(adjoint of the slope)): one pass over the pairs leaves all of it`,
      lines: cotangents(fn, evolving, constant),
    },
  ];
}

function terms(program: Program): FormulaSection[] {
  return program.terms.flatMap((term, index) => {
    const fields = program.system.tracers;
    const lines: FormulaLine[] = [];
    if (term.rows !== null) {
      for (const p of term.rows.value.planes) lines.push({ name: 's_i', text: text(p.value) });
      if (term.rows.vjp !== null)
        lines.push(...cotangents(term.rows.vjp, fields?.evolving ?? [], fields?.constant ?? []));
    }
    if (term.scalar !== null) lines.push({ name: 'h', text: text(term.scalar.expr) });
    return lines.length === 0 ? [] : [{ title: `term ${index + 1} of the loss`, lines }];
  });
}

/** What a transposed row function leaves, by name. */
function cotangents(
  fn: RowFunction,
  evolving: readonly Field[],
  constant: readonly Field[],
): readonly FormulaLine[] {
  const planes = fn.planes.flatMap((plane) =>
    perField(plane.value, plane.name === 'constant' ? constant : evolving).map(({ field, value }) => ({
      name: `ζ_${field}${plane.name.startsWith('state@') ? plane.name.slice('state'.length) : ''}`,
      value,
    })),
  );
  return [
    ...planes.filter(({ value }) => !isZero(value)).map(({ name, value }) => ({ name, text: text(value) })),
    ...fn.scatters.map((s) => ({
      name: `Γ_${s.target.field}[${letters[s.target.loop.depth] ?? 'j'}]`,
      text: `Σ_i ${text(s.value)}`,
    })),
    ...fn.rowSums.map((r) => ({
      name: r.target.role === 'param' ? `θ̄_${r.target.field}` : `∂h/∂S_${r.target.index}`,
      text: `Σ_i ${text(r.value)}`,
    })),
  ];
}

const letters = ['j', 'k', 'l'];

/** The components of a bank, field by field; running integrals behind them are left out. */
function perField(value: Expr, fields: readonly Field[]): { readonly field: string; readonly value: Expr }[] {
  let start = 0;
  return fields.flatMap(({ name, width }) => {
    const from = start;
    start += width;
    return start > value.width ? [] : [{ field: name, value: simplify(part(value, from, width)) }];
  });
}

function isZero(e: Expr): boolean {
  return e.kind === 'constant' ? e.value === 0 : e.kind === 'concat' && e.args.every(isZero);
}

const text = (e: Expr): string => print(e, { cotangent: (output) => (output === 'slope' ? 'κ' : 'w') });
