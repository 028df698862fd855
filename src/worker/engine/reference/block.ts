/**
 * How one block of tracers goes forward through time, is compared with the loss, and goes back.
 */
import { invariant } from '../../../errors.ts';
import { interleave } from '../../../kernels/reference/sources.ts';
import type { TermPoint, TermProgram, TermRows } from '../../../kernels/sweep/program.ts';
import type { Evaluation, NonFinite } from '../engine.ts';
import { addTo, firstNonFinite } from './arrays.ts';
import { type Context, tablesAtPoint, tablesAtStage } from './context.ts';
import { atPoint, atStage, type Cotangents, noCotangents, takeOver } from './gradients.ts';
import type { RowStore } from './row-store.ts';
import type { Shard } from './shard-leaf.ts';
import { type By, enter, noSums, type Sums } from './sums.ts';
import { sweepBackward, sweepForward, type Trajectory } from './sweep.ts';

export interface BlockResult {
  readonly sums: Sums;
  readonly cotangents: Cotangents;
}

/** Rows [begin, end) of a shard. */
export interface Block {
  readonly context: Context;
  readonly shard: Shard;
  readonly begin: number;
  readonly end: number;
  readonly by: readonly By[];
}

export function evaluateBlock(block: Block, request: Evaluation, store: RowStore): BlockResult | NonFinite {
  const { context, begin } = block;
  const trajectory = forward(block);
  const blowUp = firstBlowUp(block, trajectory);
  if (blowUp !== null) return blowUp;
  if (store.wantsStates) store.putStates(begin, trajectory.states);
  if (store.wantsValues) putValues(block, trajectory, store);
  const sums = noSums(block.by);
  const failure = addTerms(block, trajectory, sums);
  if (failure !== null) return failure;
  const cotangents = noCotangents(context.given.params.length);
  if (request.want === 'sums') return { sums, cotangents };
  const backwards = backward(block, trajectory, request, cotangents, store);
  return backwards ?? { sums, cotangents };
}

/** What does not change in time: the constants and the `with` arrays that are the same at all times. */
function constantBanks(block: Block): Map<string, Float64Array> {
  const { context, shard, begin, end } = block;
  const { system } = context.program;
  const banks = new Map([['constant', interleave(system.tracers?.constant ?? [], shard.rows, begin, end)]]);
  for (const w of system.terms.flatMap((t) => t.with)) {
    if (w.group === 'tracers' && w.slices === 1) {
      banks.set(`with:${w.name}`, interleave([w], shard.rows, begin, end));
    }
  }
  return banks;
}

function forward(block: Block): Trajectory {
  const { context, shard, begin, end } = block;
  const { program, grid } = context;
  const components = program.tracers?.stateComponents ?? 0;
  const { flow = null, step = null } = program.tracers ?? {};
  const banks = constantBanks(block);
  const start = interleave(program.system.tracers?.evolving ?? [], shard.rows, begin, end, components);
  return sweepForward(step, grid.times, start, components, (stage, state) => {
    invariant(flow !== null, 'a group with a step has a flow');
    const results = context.run(
      flow,
      'tracers',
      {
        rows: end - begin,
        firstRow: shard.range.begin + begin,
        time: stage.time,
        banks: new Map([...banks, ['state', state]]),
        tables: tablesAtStage(context, stage),
        sums: new Float64Array(0),
      },
      context.given,
    );
    return results.planes.get('slope')!;
  });
}

function firstBlowUp(block: Block, { states }: Trajectory): NonFinite | null {
  const components = block.context.program.tracers?.stateComponents ?? 0;
  for (const [point, state] of states.entries()) {
    const at = firstNonFinite(state);
    if (at !== -1) return nonFinite(block, 'state', Math.floor(at / components), point);
  }
  return null;
}

function nonFinite({ shard, begin }: Block, what: NonFinite['what'], row: number, step: number): NonFinite {
  const { index, begin: first } = shard.range;
  return { kind: 'non-finite', leaf: index, group: 'tracers', what, row: first + begin + row, step };
}

function putValues(block: Block, { states }: Trajectory, store: RowStore): void {
  const { context, shard, begin, end } = block;
  const { program, grid } = context;
  if (program.values === null) return;
  const point = grid.times.length - 1;
  const results = context.run(
    program.values,
    'tracers',
    {
      rows: end - begin,
      firstRow: shard.range.begin + begin,
      time: grid.times[point]!,
      banks: new Map([...constantBanks(block), ['state', states[point]!]]),
      tables: tablesAtPoint(context, null, { point, slice: 0 }),
      sums: new Float64Array(0),
    },
    context.given,
  );
  store.putValues(begin, results.planes);
}

/** Every term with a part a row, with each of its points. */
function* visits({ context }: Block): Iterable<{ term: TermProgram; rows: TermRows; at: TermPoint }> {
  for (const [index, term] of context.program.terms.entries()) {
    if (term.rows === null) continue;
    for (const at of context.grid.terms[index] ?? []) yield { term, rows: term.rows, at };
  }
}

/** What the row functions of a term read at one of its points. */
function termInputs(block: Block, { states }: Trajectory, term: TermProgram, at: TermPoint) {
  const { context, shard, begin, end } = block;
  const { grid, program } = context;
  const banks = constantBanks(block);
  banks.set('state', states[at.point]!);
  for (const moment of term.moments) banks.set(`state@${moment}`, states[grid.moments.get(moment)!]!);
  const size = shard.range.end - shard.range.begin;
  for (const w of program.system.terms[term.term]?.with ?? []) {
    if (w.group !== 'tracers') continue;
    const first = w.slices > 1 ? at.slice * size : 0;
    banks.set(`with:${w.name}`, interleave([w], shard.rows, first + begin, first + end));
  }
  return {
    rows: end - begin,
    firstRow: shard.range.begin + begin,
    time: grid.times[at.point]!,
    banks,
    tables: tablesAtPoint(context, term, at),
    sums: new Float64Array(0),
  };
}

/** Adds the rows' values to S; a linear entry is a part of the loss already, its weights included. */
function addTerms(block: Block, trajectory: Trajectory, sums: Sums): NonFinite | null {
  const { context, shard, begin } = block;
  for (const { term, rows, at } of visits(block)) {
    const inputs = termInputs(block, trajectory, term, at);
    const values = context.run(rows.value, 'tracers', inputs, context.given).planes.get('terms')!;
    const bad = firstNonFinite(values);
    if (bad !== -1) return nonFinite(block, 'loss', Math.floor(bad / rows.by.length), at.point);
    for (let r = 0; r < inputs.rows; r++) {
      for (let c = 0; c < rows.by.length; c++) {
        const value = values[r * rows.by.length + c]!;
        enter(
          sums,
          block.by,
          at.sum + c,
          rows.linear ? at.weight * value : value,
          shard.range.begin + begin + r,
        );
      }
    }
  }
  return null;
}

/** λ from the terms' seeds back to t_0; what the rows leave for everybody goes into `cotangents`. */
function backward(
  block: Block,
  trajectory: Trajectory,
  request: Evaluation,
  cotangents: Cotangents,
  store: RowStore,
): NonFinite | null {
  const { context, shard, begin, end } = block;
  const { program, grid } = context;
  const group = program.tracers;
  const components = group?.stateComponents ?? 0;
  const count = end - begin;
  const ofConstants = new Float64Array(count * (group?.constantComponents ?? 0));
  const seeds = new Map<number, Float64Array>();
  const seedAt = (point: number): Float64Array => {
    const known = seeds.get(point) ?? new Float64Array(count * components);
    seeds.set(point, known);
    return known;
  };

  for (const { term, rows, at } of visits(block)) {
    if (rows.vjp === null) continue;
    const inputs = termInputs(block, trajectory, term, at);
    inputs.banks.set('cotangent:terms', termCotangents(block, rows, at, request));
    const results = context.run(rows.vjp, 'tracers', inputs, context.given);
    for (const [plane, values] of results.planes) {
      const [name, moment] = plane.split('@');
      const point = moment === undefined ? at.point : grid.moments.get(moment)!;
      addTo(name === 'constant' ? ofConstants : seedAt(point), values);
    }
    takeOver(cotangents, results, grid, atPoint(at.point));
  }

  const vjp = group?.flowVjp ?? null;
  const banks = constantBanks(block);
  let failure: NonFinite | null = null;
  const λ = sweepBackward(
    vjp === null ? null : (group?.step ?? null),
    grid.times,
    count * components,
    components,
    (point) => seeds.get(point) ?? null,
    (stage, κ) => {
      invariant(vjp !== null, 'a step is transposed where there is a transposed flow');
      const results = context.run(
        vjp,
        'tracers',
        {
          rows: count,
          firstRow: shard.range.begin + begin,
          time: stage.time,
          banks: new Map([
            ...banks,
            ['state', trajectory.slots[stage.step]![stage.slot]!],
            ['cotangent:slope', κ],
          ]),
          tables: tablesAtStage(context, stage),
          sums: new Float64Array(0),
        },
        context.given,
      );
      const constants = results.planes.get('constant');
      if (constants !== undefined) addTo(ofConstants, constants);
      takeOver(cotangents, results, grid, atStage(stage.step, stage.slot));
      return results.planes.get('state')!;
    },
    (point, values) => {
      const at = firstNonFinite(values);
      if (at !== -1) failure ??= nonFinite(block, 'gradient', Math.floor(at / components), point);
    },
  );
  if (failure === null && store.wantsGradient) store.putGradient(begin, λ, ofConstants);
  return failure;
}

/** ∂L/∂(plane `terms`): the point's weight, the seed of the sum, or for min and max the seed at the winner alone. */
function termCotangents(
  { shard, begin, end }: Block,
  { linear, by }: TermRows,
  at: TermPoint,
  { seeds }: Evaluation,
): Float64Array {
  const out = new Float64Array((end - begin) * by.length);
  for (let r = 0; r < end - begin; r++) {
    for (const [c, reduction] of by.entries()) {
      const n = at.sum + c;
      invariant(linear || seeds !== null, 'seeds are given before the backward sweep of a two-phase program');
      const seed = linear ? at.weight : seeds!.values[n]!;
      const counts = reduction === 'sum' || seeds?.winners[n] === shard.range.begin + begin + r;
      out[r * by.length + c] = counts ? seed : 0;
    }
  }
  return out;
}
