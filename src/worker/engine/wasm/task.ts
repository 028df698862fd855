/**
 * How an evaluation is cut into units and told to the threads. Nothing here reaches the bits: a unit is a subtree.
 */
import { SkewflowError } from '../../../errors.ts';
import type { GradientSlot, Program } from '../../../kernels/sweep/program.ts';
import type { Extent, MemoryMap } from '../../../kernels/wasm/memory-map.ts';
import type { Shapes } from '../../../kernels/wasm/shapes.ts';
import type { SweepPlan } from '../../../kernels/wasm/sweep-plan.ts';
import { planUnits, sharesSweeps, unitBlocks } from '../../../partition/units.ts';
import type { Evaluation, EvaluationPlan, LeafId } from '../engine.ts';
import { countersOf } from './evaluation.ts';
import {
  controlWords,
  failureDoubles,
  type GradientPiece,
  type LeafTask,
  type ShardTask,
  type Task,
} from './messages.ts';
import { planOutputs } from './outputs.ts';
import type { Resident } from './resident.ts';

export interface EvaluationLayout {
  readonly extent: Extent;
  readonly kept: readonly number[];
  readonly leaves: readonly {
    readonly id: LeafId;
    readonly resident: Resident | null;
    readonly units: number;
  }[];
  /** Whether threads share the sweeps over the sources. */
  readonly together: boolean;
  /** Whether every leaf keeps its partial until the shared backward sweeps. */
  readonly keepsPartials: boolean;
  readonly sums: number;
}

/** What decides the memory of an evaluation. @throws SkewflowError('ProtocolError') for a shard that is not bound */
export function extentOf(
  plan: SweepPlan,
  { segmentSteps }: EvaluationPlan,
  request: Evaluation,
  shards: ReadonlyMap<number, Resident>,
  threadsMax: number,
): EvaluationLayout {
  const { grid } = request.inputs;
  const bound = request.leaves.map((id) => {
    const resident = id === 'sources' ? null : (shards.get(id) ?? null);
    if (id !== 'sources' && resident === null) {
      throw new SkewflowError('ProtocolError', `shard ${id} is evaluated before its rows are bound`);
    }
    return { id, resident };
  });
  const blocks = bound.flatMap(({ resident }) => (resident === null ? [] : [resident.blocks]));
  const sweeps = request.want === 'gradient';
  const swept = plan.sources === null ? 0 : plan.shapes.sources.rows;
  const together = sharesSweeps(swept, threadsMax, bound.length);
  const plans = planUnits(blocks, threadsMax);
  let shard = 0;
  const leaves = bound.map(({ id, resident }) => ({
    id,
    resident,
    units: resident === null ? 1 : (plans.units[shard++] ?? 1),
  }));
  const units = leaves.reduce((n, l) => n + l.units, 0);
  const asksSeeds = request.leaves.includes('sources') && request.seeds === null && request.want === 'sums';
  const kept = keptPoints(plan, request);
  return {
    extent: {
      steps: grid.times.length - 1,
      segmentSteps,
      threads: together ? threadsMax : Math.max(1, Math.min(threadsMax, units)),
      points: grid.terms.map((t) => t.length),
      kept: kept.length,
      sums: grid.sums,
      // A shared sweep comes after all units: until then every leaf keeps its partial.
      units: together && sweeps ? leaves.reduce((n, l) => n + l.units, 0) : plans.shared,
      stack: plans.stack,
      backward: plan.backward && (request.want === 'gradient' || asksSeeds),
    },
    kept,
    leaves,
    together,
    keepsPartials: together && sweeps,
    sums: grid.sums,
  };
}

/** Grid points whose states terms with moments read. */
function keptPoints(plan: SweepPlan, request: Evaluation): readonly number[] {
  const { grid } = request.inputs;
  const points = plan.terms.flatMap((term, i) =>
    term.rows === null || term.moments.length === 0
      ? []
      : [...(grid.terms[i] ?? []).map((p) => p.point), ...term.moments.map((m) => grid.moments.get(m) ?? 0)],
  );
  return [...new Set(points)].sort((a, b) => a - b);
}

/** The task of every thread; `thread` is each one's own. */
export function planTask(
  program: Program,
  plan: SweepPlan,
  request: Evaluation,
  layout: EvaluationLayout,
  map: MemoryMap,
): Task {
  const { grid } = request.inputs;
  const { extent } = layout;
  let partial = 0;
  let counter: number = controlWords.counters;
  const units: number[] = [];
  const planned = layout.leaves.map(({ id, resident, units: count }, leaf) => {
    const kept = count > 1 || layout.keepsPartials;
    const firstPartial = kept ? partial : -1;
    if (kept) partial += count;
    if (resident === null) {
      // Where sweeps are shared, so is this leaf: it has no unit.
      if (!layout.keepsPartials) units.push(leaf, 0, 0);
      return { id, resident, units: count, firstPartial, firstCounter: 0 };
    }
    const size = unitBlocks(resident.blocks, count);
    for (let first = 0; first < resident.blocks; first += size) {
      units.push(leaf, first, Math.min(size, resident.blocks - first));
    }
    const made = { id, resident, units: count, firstPartial, firstCounter: counter };
    counter += countersOf(count);
    return made;
  });
  const failuresAt = Math.ceil(counter / 2) * 8;
  const control = new SharedArrayBuffer(failuresAt + planned.length * failureDoubles * 8);
  const leaves = planned.map(({ id, resident, ...p }, leaf): LeafTask => {
    if (resident === null) return { id, shard: null, partial: p.firstPartial };
    const shard: ShardTask = {
      range: resident.range,
      image: resident.image,
      blocks: resident.blocks,
      units: p.units,
      firstPartial: p.firstPartial,
      firstCounter: p.firstCounter,
      failure: failuresAt + leaf * failureDoubles * 8,
      outputs: planOutputs(program, plan, request, resident.range),
    };
    return { id, shard, partial: p.firstPartial };
  });
  return {
    map,
    thread: 0,
    threads: extent.threads,
    control,
    steps: extent.steps,
    segmentSteps: extent.segmentSteps,
    want: request.want,
    phases: program.phases,
    leaves,
    units: sourcesFirst(units, leaves),
    reductions: reductionsOf(plan, request),
    points: grid.terms.map((t) => Int32Array.from(t, (p) => p.point)),
    sumsOf: grid.terms.map((t) => Int32Array.from(t.filter((p) => p.sum >= 0).map((p) => p.sum))),
    together: layout.together,
    keepsPartials: layout.keepsPartials,
    backward: extent.backward,
    moments: Object.fromEntries(grid.moments),
    kept: Int32Array.from(layout.kept),
    trajectory: Int32Array.from(request.rows.trajectory),
    gradient: gradientPieces(program, plan),
    gradientLength: program.layout.gradientLength,
    wantsFinal: request.rows.final,
  };
}

/** The sources leaf needs no tracers: whoever comes first takes it. */
function sourcesFirst(units: readonly number[], leaves: readonly LeafTask[]): Int32Array {
  const triples = Array.from({ length: units.length / 3 }, (_, n) => units.slice(3 * n, 3 * n + 3));
  const isShard = (triple: readonly number[]): number => (leaves[triple[0] ?? 0]?.shard === null ? 0 : 1);
  return Int32Array.from(triples.sort((a, b) => isShard(a) - isShard(b)).flat());
}

function reductionsOf(plan: SweepPlan, request: Evaluation): Uint8Array {
  const { grid } = request.inputs;
  const reductions = new Uint8Array(grid.sums);
  for (const [i, term] of plan.terms.entries()) {
    for (const [c, by] of (term.rows?.by ?? []).entries()) {
      for (const { sum } of grid.terms[i] ?? [])
        reductions[sum + c] = by === 'sum' ? 0 : by === 'min' ? 1 : 2;
    }
  }
  return reductions;
}

function gradientPieces(program: Program, plan: SweepPlan): readonly GradientPiece[] {
  return program.layout.gradient.map((slot) => gradientPiece(plan.shapes, slot));
}

function gradientPiece(shapes: Shapes, slot: GradientSlot): GradientPiece {
  const common = { offset: slot.offset, rows: slot.rows, width: slot.width, start: 0 };
  switch (slot.kind) {
    case 'pairs':
      return {
        ...common,
        kind: 'pairs',
        from: shapes.pairs.findIndex((p) => p.name === slot.field),
        columns: slot.width,
      };
    case 'params': {
      const from = shapes.params.find((p) => p.name === slot.field)?.offset ?? 0;
      return { ...common, kind: 'params', from, columns: shapes.paramComponents };
    }
    case 'sets': {
      const n = shapes.sets.findIndex((s) => s.name === slot.set);
      const from = shapes.sets[n]?.fields.find((f) => f.name === slot.field)?.offset ?? 0;
      return {
        ...common,
        kind: 'set',
        from,
        start: shapes.tail.sets[n] ?? 0,
        columns: shapes.sets[n]?.columns ?? 0,
      };
    }
    case 'sources': {
      const state = shapes.sources.evolving.find((f) => f.name === slot.field);
      if (state !== undefined) {
        return { ...common, kind: 'state', from: state.offset, columns: shapes.sources.stateComponents };
      }
      const from = shapes.sources.constant.find((f) => f.name === slot.field)?.offset ?? 0;
      return { ...common, kind: 'constant', from, columns: shapes.sources.constantComponents };
    }
  }
}
