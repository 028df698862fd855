/**
 * What the sources contribute: the scalar parts of the loss with their seeds, and the backward sweep that turns
 * cotangents of the sources' states into the gradient of a leaf.
 */
import { invariant } from '../../../errors.ts';
import { sourceBanks } from '../../../kernels/reference/sources.ts';
import type { TermPoint, TermProgram } from '../../../kernels/sweep/program.ts';
import type { Evaluation, NonFinite, Partial } from '../engine.ts';
import { addTo, columnsOf, firstNonFinite } from './arrays.ts';
import { type Context, tablesAtPoint, tablesAtStage } from './context.ts';
import {
  atPoint,
  atStage,
  type Cotangents,
  contribute,
  gradientOf,
  noCotangents,
  takeOver,
} from './gradients.ts';
import { sweepBackward } from './sweep.ts';

/** The leaf without tracers: h(S; Y, θ, t) and every direct seed. */
export function evaluateSourcesLeaf(context: Context, request: Evaluation): Partial {
  const { program, grid } = context;
  let loss = 0;
  const seeds = linearSeeds(context);
  const cotangents = noCotangents(context.given.params.length);
  for (const [index, term] of program.terms.entries()) {
    if (term.scalar === null) continue;
    for (const at of grid.terms[index] ?? []) {
      const results = evaluateScalar(context, term, at, request.sums, 'value');
      const value = results.planes.get('h')![0]!;
      if (!Number.isFinite(value)) return nonFinite('loss', 0, at.point);
      loss += at.weight * value;
      if (!program.wants.any || term.scalar.vjp === null) continue;
      const transposed = evaluateScalar(context, term, at, request.sums, 'vjp');
      takeOver(cotangents, transposed, grid, atPoint(at.point));
      if (at.sum >= 0 && term.rows?.linear === false) {
        seeds.set(transposed.sums, at.sum);
      }
    }
  }
  const gradient =
    request.want === 'gradient' ? sweepSources(context, cotangents, 'sources') : new Float64Array(0);
  if (!(gradient instanceof Float64Array)) return gradient;
  const { final, trajectory } = request.rows;
  return {
    kind: 'partial',
    leaf: 'sources',
    sums: new Float64Array(grid.sums),
    winners: new Float64Array(grid.sums).fill(-1),
    loss,
    gradient,
    seeds: program.phases === 2 && request.want === 'sums' ? seeds : null,
    sourceStates: final || trajectory.length > 0 ? statesOf(context, trajectory) : null,
  };
}

/** ∂h/∂S before any h is evaluated: 1 for linear terms. Others begin at 0, where what is flat in its sums stays. */
function linearSeeds({ program, grid }: Context): Float64Array {
  const seeds = new Float64Array(grid.sums).fill(1);
  for (const [index, { rows }] of program.terms.entries()) {
    if (rows === null || rows.linear) continue;
    for (const { sum } of grid.terms[index] ?? []) seeds.fill(0, sum, sum + rows.by.length);
  }
  return seeds;
}

/** h at one of a term's points, or its transpose with the point's weight as cotangent. */
function evaluateScalar(
  context: Context,
  term: TermProgram,
  at: TermPoint,
  sums: Float64Array | null,
  which: 'value' | 'vjp',
) {
  const fn = term.scalar?.[which] ?? null;
  invariant(fn !== null, 'a term is evaluated where it has a scalar part');
  const count = term.rows === null || term.rows.linear ? 0 : term.rows.by.length;
  invariant(count === 0 || sums !== null, 'the sums of a non-linear term are given before h is evaluated');
  return context.run(
    fn,
    'scalar',
    {
      rows: 1,
      firstRow: 0,
      time: context.grid.times[at.point]!,
      banks: new Map([['cotangent:h', Float64Array.of(at.weight)]]),
      tables: tablesAtPoint(context, term, at),
      sums: sums === null || count === 0 ? new Float64Array(0) : sums.slice(at.sum, at.sum + count),
    },
    context.given,
  );
}

/**
 * The gradient of a leaf from what its rows left: μ runs backward with Γ of each stage and the seeds of each point
 * added. The program decides what is swept: without a transposed flow nothing is.
 */
export function sweepSources(
  context: Context,
  cotangents: Cotangents,
  leaf: Evaluation['leaves'][number],
): Float64Array | NonFinite {
  const { program, grid, given, sources } = context;
  const group = program.sources;
  const components = group?.stateComponents ?? 0;
  const rows = given.count('sources');
  const banks = sourceBanks(program, context.inputs.fields);
  const vjp = group?.flowVjp ?? null;
  const total = noCotangents(given.params.length);
  takeOverAll(total, cotangents);
  let failure: NonFinite | null = null;
  const μ = sweepBackward(
    vjp === null ? null : (group?.step ?? null),
    grid.times,
    rows * components,
    components,
    (point) => cotangents.arrays.get(atPoint(point)) ?? null,
    (stage, κ) => {
      invariant(vjp !== null, 'a step is transposed where there is a transposed flow');
      const results = context.run(
        vjp,
        'sources',
        {
          rows,
          firstRow: 0,
          time: stage.time,
          banks: new Map([
            ...banks,
            ['state', sources.slots[stage.step]![stage.slot]!],
            ['cotangent:slope', κ],
          ]),
          tables: tablesAtStage(context, stage),
          sums: new Float64Array(0),
        },
        given,
      );
      const ζ = Float64Array.from(results.planes.get('state')!);
      const partners = results.tables.get('sources.state');
      if (partners !== undefined) addTo(ζ, partners);
      const Γ = cotangents.arrays.get(atStage(stage.step, stage.slot));
      if (Γ !== undefined) addTo(ζ, Γ);
      const ofConstants = results.planes.get('constant');
      if (ofConstants !== undefined) contribute(total, 'sources.constant', ofConstants);
      takeOver(total, { ...results, tables: without(results.tables, 'sources.state') }, grid, '');
      return ζ;
    },
    (point, λ) => {
      const at = firstNonFinite(λ);
      if (at !== -1 && failure === null) {
        failure = { ...nonFinite('gradient', Math.floor(at / components), point), leaf };
      }
    },
  );
  if (failure !== null) return failure;
  const gradient = gradientOf(program, μ, total);
  return firstNonFinite(gradient) === -1 ? gradient : { ...nonFinite('gradient', 0, 0), leaf };
}

function takeOverAll(to: Cotangents, from: Cotangents): void {
  for (const [name, values] of from.arrays) contribute(to, name, values);
  addTo(to.params, from.params);
}

function without(tables: ReadonlyMap<string, Float64Array>, name: string): ReadonlyMap<string, Float64Array> {
  return new Map([...tables].filter(([table]) => table !== name));
}

/** The first state of the sources that is not finite. */
export function sourcesBlowUp({ sources, program }: Context): NonFinite | null {
  const components = program.sources?.stateComponents ?? 0;
  for (const [point, state] of sources.states.entries()) {
    const at = firstNonFinite(state);
    if (at !== -1) return nonFinite('state', Math.floor(at / components), point);
  }
  return null;
}

function nonFinite(what: NonFinite['what'], row: number, step: number): NonFinite {
  return { kind: 'non-finite', leaf: 'sources', group: 'sources', what, row, step };
}

/** Evolving fields (no integrals) at the end, then at the points asked for. */
function statesOf({ sources, program, grid }: Context, points: readonly number[]): Float64Array {
  const group = program.sources;
  const components = group?.stateComponents ?? 0;
  const width = components - (group?.integralComponents ?? 0);
  const blocks = [grid.times.length - 1, ...points].map((k) =>
    columnsOf(sources.states[k]!, components, 0, width),
  );
  const out = new Float64Array(blocks.reduce((n, b) => n + b.length, 0));
  let start = 0;
  for (const b of blocks) {
    out.set(b, start);
    start += b.length;
  }
  return out;
}
