/**
 * From a compiled job to one WASM module: every row kernel, the sweeps that call them, and the plan of what they read.
 */
import type { Kernel, Layout } from '../ir/kernel.ts';
import type { RowFunction } from '../ir/row-function.ts';
import { lower } from '../lower/lower.ts';
import type { GroupProgram, Program, StepProgram, TermProgram } from '../sweep/program.ts';
import { type ConstantPool, constantPool } from './constant-pool.ts';
import { type ContextBuilder, contextBuilder } from './context.ts';
import type { Lane } from './frame.ts';
import { emitBackward, emitForward } from './group-sweep.ts';
import { makeSite, type Site } from './kernel-call.ts';
import { type FunctionRef, ModuleBuilder } from './module.ts';
import {
  constantGradient,
  constantPart,
  memoryImport,
  scratchNames,
  seedBank,
  sweepNames,
  termBanks,
  termNames,
  valueBank,
} from './names.ts';
import { defineRowKernel } from './row-kernel.ts';
import { rowsOf, type Shapes, shapesOf } from './shapes.ts';
import { emitSourceFunctions } from './source-functions.ts';
import { type GroupPlan, recordBytes, type SweepPlan, type TermPlan } from './sweep-plan.ts';
import { emitTerm, emitValues, emitVisit, type TermEmission, type VisitedTerm } from './term-visit.ts';
import { emitVectorFunctions, type VectorFunctions } from './vectors.ts';
import { reserveStep, type WorkBuilder, workBuilder } from './work.ts';

export interface EmittedProgram {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly plan: SweepPlan;
  readonly listing: () => string;
}

export interface EmitOptions {
  readonly lane: Lane;
  /** Multiply-adds by relaxed instructions. */
  readonly fma: boolean;
}

export function emitProgram(program: Program, options: EmitOptions): EmittedProgram {
  const module = new ModuleBuilder(memoryImport);
  const constants = constantPool(options.lane);
  const shapes = shapesOf(program, options.lane);
  const backward = program.wants.any;
  const tools: Tools = {
    module,
    shapes,
    helpers: emitVectorFunctions(module, options.lane),
    define: kernelDefiner(module, options, constants),
    backward,
  };
  const tracers = program.tracers === null ? null : emitTracers(tools, program, program.tracers);
  const sources = program.sources === null ? null : emitSources(tools, program, program.sources);
  const scalars = emitScalars(tools, program);
  return {
    bytes: module.bytes(),
    plan: {
      shapes,
      constants: constants.image(),
      tracers,
      sources,
      scalars,
      terms: program.terms.map(termPlan),
      values: program.values?.planes.map((p) => ({ name: p.name, width: p.value.width })) ?? null,
      backward,
    },
    listing: () => module.listing(),
  };
}

interface Tools {
  readonly module: ModuleBuilder;
  readonly shapes: Shapes;
  readonly helpers: VectorFunctions;
  readonly define: (fn: RowFunction, layout: Layout) => { readonly kernel: Kernel; readonly fn: FunctionRef };
  readonly backward: boolean;
}

/** Context and work area of one kind of own row. */
interface Room {
  readonly context: ContextBuilder;
  readonly work: WorkBuilder;
}

function kernelDefiner(
  module: ModuleBuilder,
  options: EmitOptions,
  constants: ConstantPool,
): Tools['define'] {
  return (fn, layout) => {
    const kernel = lower(fn, layout);
    return { kernel, fn: defineRowKernel(module, kernel, { ...options, constants }) };
  };
}

/** A kernel with a frame in the room, and scratch vectors for what it adds up. */
function siteIn(tools: Tools, room: Room, fn: RowFunction, layout: Layout): Site {
  const defined = tools.define(fn, layout);
  const site = makeSite(room.context, defined.kernel, defined.fn, tools.shapes.lane);
  room.work.vectors(scratchNames.rowSums, site.kernel.rowSums.length);
  for (const { table, columns } of site.frame.layout.scatters) {
    const over = site.frame.layout.tables.find((t) => t.name === table)?.over ?? '';
    room.work.vectors(scratchNames.scatter(table), rowsOf(tools.shapes, over) * columns);
  }
  return site;
}

function emitTracers(tools: Tools, program: Program, group: GroupProgram): GroupPlan {
  const { module, shapes, helpers } = tools;
  const room: Room = { context: contextBuilder(), work: workBuilder(shapes.tracers.stride) };
  const layout = program.layout.of('tracers');
  const { stateComponents, constantComponents } = shapes.tracers;
  if (tools.backward) {
    room.work.planes('λ', stateComponents);
    room.work.planes(constantGradient, constantComponents);
    room.work.planes(constantPart, constantComponents);
  }
  if (group.step !== null) reserveStep(room.work, group.step, stateComponents, tools.backward);
  const flow = group.flow === null ? null : siteIn(tools, room, group.flow, layout);
  const vjp = group.flowVjp === null ? null : siteIn(tools, room, group.flowVjp, layout);
  const values = program.values === null ? null : siteIn(tools, room, program.values, layout);
  for (const p of program.values?.planes ?? []) room.work.planes(valueBank(p.name), p.value.width);

  const terms = program.terms.flatMap((term, index) =>
    term.rows === null
      ? []
      : [{ term, index, emission: rowsTerm(tools, room, layout, term, term.rows, index) }],
  );
  if (values !== null) emitValues({ module, shapes, context: room.context }, values);
  const visited = terms.flatMap(({ term, index, emission }): readonly VisitedTerm[] => {
    const fn = emitTerm(emission);
    return term.moments.length > 0 ? [] : [{ index, fn, recordBytes: recordBytes(termPlan(term)) }];
  });
  const pendingSeeds = tools.backward && terms.some(({ term }) => term.moments.length > 0);
  const visit =
    visited.length > 0 || pendingSeeds
      ? emitVisit({ module, shapes, context: room.context, work: room.work }, visited, pendingSeeds)
      : null;
  const step = group.step ?? { slots: program.slots, forward: [], backward: [] };
  const seeding = terms.map(({ emission }) => emission.vjp);
  const writesGamma = everySlotOnce(step) && addsToSources(vjp) && !seeding.some(addsToSources);
  const emission = {
    module,
    shapes,
    group: shapes.tracers,
    ...room,
    helpers,
    step,
    flow,
    vjp,
    sources: null,
    visit,
    writesGamma,
  };
  const names = sweepNames('tracers');
  emitForward(emission, names.forward);
  if (tools.backward) emitBackward(emission, names.backward);
  return { context: room.context.plan(), work: room.work.plan(), writesGamma };
}

const addsToSources = (site: Site | null): boolean =>
  site?.frame.layout.scatters.some((s) => s.table.startsWith('sources.state')) ?? false;

/** Whether the backward step has one transposed flow at every slot. */
function everySlotOnce(step: StepProgram): boolean {
  const slots = step.backward.flatMap((s) => (s.kind === 'flow-vjp' ? [s.slot] : []));
  return slots.length === step.slots && new Set(slots).size === step.slots;
}

/** Everything of a term's part with tracers is reserved here, before any address is settled. */
function rowsTerm(
  tools: Tools,
  room: Room,
  layout: Layout,
  term: TermProgram,
  rows: NonNullable<TermProgram['rows']>,
  index: number,
): TermEmission {
  const name = termNames(index).rows;
  const banks = termBanks(name);
  room.work.planes(banks.value, rows.by.length);
  const value = siteIn(tools, room, rows.value, layout);
  const vjp = tools.backward && rows.vjp !== null ? siteIn(tools, room, rows.vjp, layout) : null;
  if (vjp !== null) {
    room.work.planes(banks.cotangent, rows.by.length);
    for (const moment of [null, ...term.moments]) {
      room.work.planes(seedBank(moment), tools.shapes.tracers.stateComponents);
    }
  }
  const { module, shapes, helpers } = tools;
  const sliced = new Set(term.sliced);
  return {
    module,
    shapes,
    ...room,
    helpers,
    name,
    kind: 'rows',
    value,
    vjp,
    by: rows.by,
    sliced,
    moments: term.moments,
  };
}

function emitSources(tools: Tools, program: Program, group: GroupProgram): GroupPlan | null {
  if (group.step === null) return null;
  const { module, shapes, helpers } = tools;
  const room: Room = { context: contextBuilder(), work: workBuilder(shapes.sources.stride) };
  const layout = program.layout.of('sources');
  const { stateComponents, constantComponents } = shapes.sources;
  if (tools.backward) {
    room.work.planes('λ', stateComponents);
    room.work.planes(constantGradient, constantComponents);
    room.work.planes(constantPart, constantComponents);
  }
  reserveStep(room.work, group.step, stateComponents, tools.backward);
  const flow = group.flow === null ? null : siteIn(tools, room, group.flow, layout);
  const vjp = group.flowVjp === null ? null : siteIn(tools, room, group.flowVjp, layout);
  const scatters = vjp?.frame.layout.scatters.some((s) => s.table === 'sources.state') ?? false;
  const sources = emitSourceFunctions(module, shapes, room.context, scatters);
  const emission = {
    module,
    shapes,
    group: shapes.sources,
    ...room,
    helpers,
    step: group.step,
    flow,
    vjp,
    sources,
    visit: null,
    writesGamma: false,
  };
  const names = sweepNames('sources');
  emitForward(emission, names.forward);
  if (tools.backward) emitBackward(emission, names.backward);
  return { context: room.context.plan(), work: room.work.plan(), writesGamma: false };
}

function emitScalars(tools: Tools, program: Program): GroupPlan | null {
  if (program.terms.every((t) => t.scalar === null)) return null;
  const { module, shapes, helpers } = tools;
  const room: Room = { context: contextBuilder(), work: workBuilder(shapes.tracers.stride) };
  const layout = program.layout.of('scalar');
  const emissions = program.terms.flatMap((term, index): readonly TermEmission[] => {
    if (term.scalar === null) return [];
    const name = termNames(index).scalar;
    const banks = termBanks(name);
    room.work.planes(banks.value, 1);
    const value = siteIn(tools, room, term.scalar.value, layout);
    const vjp =
      tools.backward && term.scalar.vjp !== null ? siteIn(tools, room, term.scalar.vjp, layout) : null;
    if (vjp !== null) room.work.planes(banks.cotangent, 1);
    const sliced = new Set(term.sliced);
    return [
      {
        module,
        shapes,
        ...room,
        helpers,
        name,
        kind: 'scalar',
        value,
        vjp,
        by: ['sum'],
        sliced,
        moments: term.moments,
      },
    ];
  });
  for (const emission of emissions) emitTerm(emission);
  return { context: room.context.plan(), work: room.work.plan(), writesGamma: false };
}

function termPlan(term: TermProgram): TermPlan {
  return {
    rows:
      term.rows === null
        ? null
        : { linear: term.rows.linear, by: term.rows.by, backward: term.rows.vjp !== null },
    scalar: term.scalar === null ? null : { backward: term.scalar.vjp !== null },
    moments: term.moments,
  };
}
