/**
 * From a checked problem to a program: row functions, their transposes, the steps, the terms and the layout.
 */
import { SkewflowError } from '../../errors.ts';
import { concat, type Expr, input, part } from '../ir/expr.ts';
import type { RowFunction } from '../ir/row-function.ts';
import type { Scheme } from '../schemes/scheme.ts';
import { schemeNamed } from '../schemes/table.ts';
import { zeros } from '../simplify/structure.ts';
import type { Field, Group, LossTerm, System } from '../system.ts';
import { placeIntegrals, type Running } from './integrals.ts';
import { layProgram, widthOf } from './layout.ts';
import { lowerTerm, termComponents } from './loss.ts';
import type { GroupProgram, Program, StepProgram } from './program.ts';
import { type Evolution, type Reach, reachOf } from './reach.ts';
import { forwardRows, transposedRows } from './rows.ts';
import { driftsOf, slotCount, stepProgram, velocitiesOf } from './step.ts';

/**
 * Compiles a system. The program is a function of the system alone: equal systems, equal programs.
 *
 * @throws SkewflowError('JobFileError') for a leapfrog without positions and velocities, an integral that is not
 *   linear in its sums, and `with` arrays of two terms that share a name
 */
export function compileProgram(system: System): Program {
  refuseSharedNames(system.terms);
  const integrals = placeIntegrals(system);
  const sources = evolutionOf(system, system.sources, integrals.sources);
  const tracers = evolutionOf(system, system.tracers, integrals.tracers);
  const reach = reachOf(system, sources, tracers);
  const scheme = system.scheme === null ? null : schemeNamed(system.scheme);
  const backward = system.gradient.length > 0;
  const tracerFields = { state: tracers.fields, constant: system.tracers?.constant ?? [] };
  const terms = integrals.terms.map((term, index) =>
    lowerTerm(term, index, { reach, tracers: tracerFields, backward }),
  );
  const layout = layProgram(system, {
    states: { sources: sources.fields, tracers: tracers.fields },
    with: system.terms.flatMap((t) => t.with),
    termComponents: termComponents(integrals.terms),
  });
  const evolves = sources.fields.length + tracers.fields.length > 0;
  return {
    system,
    layout,
    slots: scheme === null || !evolves ? 1 : slotCount(scheme),
    sources: groupProgram('sources', system, scheme, sources, integrals.sources, reach),
    tracers: groupProgram('tracers', system, scheme, tracers, integrals.tracers, reach),
    terms,
    values: system.values.size === 0 ? null : forwardRows('values', system.values),
    phases: terms.some((t) => t.rows !== null && !t.rows.linear) ? 2 : 1,
    wants: wantsOf(system, layout.gradient),
  };
}

function evolutionOf(system: System, group: Group | null, running: readonly Running[]): Evolution {
  const evolving = group?.evolving ?? [];
  return {
    fields: [...evolving, ...running.map((r) => r.field)],
    flows: [...evolving.map((f) => flowOf(system, f)), ...running.map((r) => r.flow)],
  };
}

function flowOf(system: System, field: Field): Expr {
  return system.flow.get(field.name) ?? zeros(field.width);
}

function groupProgram(
  name: 'sources' | 'tracers',
  system: System,
  scheme: Scheme | null,
  evolution: Evolution,
  running: readonly Running[],
  reach: Reach,
): GroupProgram | null {
  const group = system[name];
  if (group === null) return null;
  const width = widthOf(evolution.fields);
  const evolves = scheme !== null && width > 0;
  return {
    step: evolves ? stepOf(name, system, scheme, group, width) : null,
    flow: evolves ? forwardRows(`${name}.flow`, new Map([['slope', concat(...evolution.flows)]])) : null,
    flowVjp: evolves && reach.sweeps[name] ? flowVjp(name, group, evolution, reach) : null,
    stateComponents: width,
    integralComponents: running.length,
    constantComponents: widthOf(group.constant),
  };
}

function stepOf(
  name: 'sources' | 'tracers',
  system: System,
  scheme: Scheme,
  group: Group,
  width: number,
): StepProgram {
  if (scheme.kind !== 'leapfrog') return stepProgram(scheme, width, []);
  const ofSources = new Set(velocitiesOf(system.sources?.evolving ?? [], system.flow).values());
  return stepProgram(scheme, width, driftsOf(name, group.evolving, system.flow, ofSources));
}

/** ζ = F_xᵀκ and everything else the flow reads; plane `state` is always there. */
function flowVjp(
  name: 'sources' | 'tracers',
  group: Group,
  { fields, flows }: Evolution,
  reach: Reach,
): RowFunction {
  const κ = input({ role: 'cotangent', name: 'slope' }, widthOf(fields));
  let start = 0;
  const seeds = flows.map((value) => {
    const seed = { value, cotangent: part(κ, start, value.width) };
    start += value.width;
    return seed;
  });
  const f = transposedRows(
    `${name}.flow.vjp`,
    seeds,
    name,
    { state: fields, constant: group.constant },
    reach,
  );
  return f.planes.some((p) => p.name === 'state')
    ? f
    : { ...f, planes: [{ name: 'state', value: zeros(widthOf(fields)) }, ...f.planes] };
}

function wantsOf(system: System, slots: Program['layout']['gradient']): Program['wants'] {
  const wanted = new Set(system.gradient);
  const ofTracers = [...(system.tracers?.evolving ?? []), ...(system.tracers?.constant ?? [])];
  return {
    sources: slots.some((s) => s.kind !== 'params'),
    params: slots.some((s) => s.kind === 'params'),
    tracers: ofTracers.some((f) => wanted.has(f.name)),
    any: wanted.size > 0,
  };
}

/** Arrays are given to engines by name, so that two terms cannot mean different arrays by one. */
function refuseSharedNames(terms: readonly LossTerm[]): void {
  const seen = new Set<string>();
  for (const { name } of terms.flatMap((t) => t.with)) {
    if (seen.has(name)) {
      throw new SkewflowError(
        'JobFileError',
        `two terms of the loss have a \`with\` array \`${name}\`: rename one`,
      );
    }
    seen.add(name);
  }
}
