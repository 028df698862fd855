/** The formulas a program runs, forward and derived, as text. */
import { abbreviate } from '../kernels/ir/abbreviate.ts';
import { type Expr, input, part } from '../kernels/ir/expr.ts';
import { letterOf, type PrintOptions } from '../kernels/ir/print.ts';
import type { RowFunction } from '../kernels/ir/row-function.ts';
import { substitute } from '../kernels/ir/substitute.ts';
import { simplify } from '../kernels/simplify/simplify.ts';
import type { GroupProgram, Program } from '../kernels/sweep/program.ts';
import type { Field, System } from '../kernels/system.ts';

/** One formula that runs. */
export interface FormulaLine {
  /** What it is, e.g. `x'`, `ζ_x`, `Γ_p[j]`, `θ̄_sigma`, or the name `E1[j]` of what several lines share. */
  readonly name: string;
  /** Its right-hand side, in the notation of job files. */
  readonly text: string;
}

/** Formulas that run together, e.g. the flow of the tracers or its transpose. */
export interface FormulaSection {
  /** What the lines are of. */
  readonly title: string;
  /** What is shared first, each line using earlier ones only. */
  readonly lines: readonly FormulaLine[];
}

/** Sections in the order they run: flows, then their transposes, then the terms of the loss. */
export function formulasOf(program: Program): readonly FormulaSection[] {
  const { system } = program;
  const groups = (['tracers', 'sources'] as const).flatMap((name) => {
    const group = program[name];
    const fields = system[name];
    return group === null || fields === null ? [] : [{ name, group, fields }];
  });
  return [
    ...groups.map(({ name, group, fields }) => forward(system, name, group, fields.evolving)),
    ...groups.map(({ name, group, fields }) => backward(system, name, group, fields)),
    ...terms(program),
  ].filter((section) => section.lines.length > 0);
}

/** A line before it is text. */
interface Equation {
  readonly name: string;
  /** What stands before the value, e.g. `Σ_i `. */
  readonly sum: string;
  readonly value: Expr;
}

function forward(system: System, name: Own, group: GroupProgram, evolving: readonly Field[]): FormulaSection {
  const slope = group.flow?.planes.find((p) => p.name === 'slope');
  const equations =
    slope === undefined
      ? []
      : perField(slope.value, evolving).map(({ field, value }) => ({ name: `${field}'`, sum: '', value }));
  return { title: `flow of the ${name}`, lines: written(system, name, equations) };
}

function backward(
  system: System,
  name: Own,
  { flowVjp }: GroupProgram,
  fields: { readonly evolving: readonly Field[]; readonly constant: readonly Field[] },
): FormulaSection {
  const equations = flowVjp === null ? [] : cotangents(flowVjp, name, fields);
  const several = fields.evolving.length > 1;
  return {
    title: `transposed flow of the ${name}: one pass for all of it; κ is h × the adjoint of ${several ? 'each slope' : 'the slope'}`,
    lines: written(
      system,
      name,
      equations.map((e) => ({ ...e, value: byField(e.value, fields.evolving) })),
    ),
  };
}

function terms({ system, terms }: Program): FormulaSection[] {
  const fields = { evolving: system.tracers?.evolving ?? [], constant: system.tracers?.constant ?? [] };
  return terms.map((term, index) => {
    const equations: Equation[] = [];
    if (term.rows !== null) {
      for (const p of term.rows.value.planes) equations.push({ name: 's_i', sum: '', value: p.value });
      if (term.rows.vjp !== null) equations.push(...cotangents(term.rows.vjp, 'tracers', fields));
    }
    if (term.scalar !== null) equations.push({ name: 'h', sum: '', value: term.scalar.expr });
    return { title: `term ${index + 1} of the loss`, lines: written(system, 'tracers', equations) };
  });
}

type Own = 'sources' | 'tracers';

/** The row an own value belongs to. */
const ownLetters: Readonly<Record<Own, 'i' | 'j'>> = { tracers: 'i', sources: 'j' };

/** What a transposed row function leaves, by name. */
function cotangents(
  fn: RowFunction,
  own: Own,
  { evolving, constant }: { readonly evolving: readonly Field[]; readonly constant: readonly Field[] },
): readonly Equation[] {
  const letter = ownLetters[own];
  const sum = `Σ_${letter} `;
  const planes = fn.planes.flatMap((plane) =>
    perField(plane.value, plane.name === 'constant' ? constant : evolving).map(({ field, value }) => ({
      name: `ζ_${field}${plane.name.startsWith('state@') ? plane.name.slice('state'.length) : ''}`,
      sum: '',
      value,
    })),
  );
  return [
    ...planes.filter(({ value }) => !isZero(value)),
    ...fn.scatters.map((s) => ({
      name: `Γ_${s.target.field}[${letterOf(s.target.loop, letter)}]`,
      // The gradient of a weight is one number a pair: nothing is summed.
      sum: s.target.role === 'pair' ? '' : sum,
      value: s.value,
    })),
    ...fn.rowSums.map((r) => ({
      name: r.target.role === 'param' ? `θ̄_${r.target.field}` : `∂h/∂S_${r.target.index}`,
      sum,
      value: r.value,
    })),
  ];
}

/** Equations as text, with names for what they share. */
function written(system: System, own: Own, equations: readonly Equation[]): readonly FormulaLine[] {
  const options: PrintOptions = { own: ownLetters[own], cotangent: cotangentText };
  const { definitions, texts } = abbreviate(
    equations.map((e) => e.value),
    options,
    (name) => namesOf(system).has(name),
  );
  return [
    ...definitions,
    ...equations.map(({ name, sum, value }, k) => ({ name, text: sum + factor(value, texts[k] ?? '', sum) })),
  ];
}

/** A sum of several parts stands in parentheses behind a Σ. */
function factor(value: Expr, text: string, sum: string): string {
  const loose = value.kind === 'apply' && (value.op === 'add' || value.op === 'sub');
  return sum !== '' && loose ? `(${text})` : text;
}

function namesOf({ sources, tracers, sets, params, pairs }: System): ReadonlySet<string> {
  const groups = [sources, tracers, ...sets.values()].flatMap((g) => (g === null ? [] : [g]));
  const fields = groups.flatMap((g) => [...g.evolving, ...g.constant]);
  return new Set([...fields, ...params, ...pairs].map((f) => f.name));
}

/** Marks the part of a slope's cotangent that belongs to one field. */
const fieldMark = 'slope ';

function cotangentText(output: string): string {
  if (output === 'slope') return 'κ';
  return output.startsWith(fieldMark) ? `κ_${output.slice(fieldMark.length)}` : 'w';
}

/** κ field by field: its components [start, start + width) are κ_field where the state has several fields. */
function byField(e: Expr, fields: readonly Field[]): Expr {
  if (fields.length < 2) return e;
  return substitute(e, (node) => {
    const whole = node.kind === 'part' && isSlope(node.arg);
    if (!whole) return null;
    let start = 0;
    for (const { name, width } of fields) {
      if (node.start >= start && node.start + node.width <= start + width) {
        const own = input({ role: 'cotangent', name: fieldMark + name }, width);
        return node.width === width ? own : part(own, node.start - start, node.width);
      }
      start += width;
    }
    return null;
  });
}

const isSlope = (e: Expr): boolean =>
  e.kind === 'input' && e.leaf.role === 'cotangent' && e.leaf.name === 'slope';

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
