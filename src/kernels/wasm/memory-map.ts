/**
 * Where everything of an evaluation lies in the memory that all threads share: a function of plan, grid and threads.
 *
 *   shared     constants, parameters, times, terms' points, tables, the sources' trajectory
 *   a thread   contexts, work areas, the stage states of a segment, one block's rows, its partial sums
 *   units      one partial for every unit of a shard that several threads share
 */
import { vectorBytes } from './frame.ts';
import { accumulatorLength, imageComponents, sourceBlocks } from './shapes.ts';
import { type GroupPlan, recordBytes, type SweepPlan } from './sweep-plan.ts';

/** What decides the sizes besides the plan. */
export interface Extent {
  /** T. */
  readonly steps: number;
  readonly segmentSteps: number;
  readonly threads: number;
  /** Points of each term. */
  readonly points: readonly number[];
  /** Grid points whose states terms with moments keep. */
  readonly kept: number;
  /** Length of S. */
  readonly sums: number;
  /** Partials of split shards. */
  readonly units: number;
  /** Partials a thread stacks: 1 + log2 of its largest unit's blocks, rounded up. */
  readonly stack: number;
  readonly backward: boolean;
}

export interface MemoryMap {
  readonly bytes: number;
  readonly shared: SharedMap;
  readonly threads: readonly ThreadMap[];
  readonly units: readonly number[];
  readonly partial: PartialMap;
}

export interface SharedMap {
  readonly constants: number;
  readonly params: number;
  /** f64 t_0 … t_T. */
  readonly times: number;
  /** For each term: i32 first record of grid point k, T + 2 of them; records. */
  readonly points: readonly number[];
  readonly records: readonly number[];
  /** Records of the terms' scalar parts. */
  readonly scalarRecords: readonly number[];
  /** i32 for each grid point: which pending seed plane, or −1. */
  readonly pending: number;
  /** S in the lane's scalar. */
  readonly sums: number;
  readonly sourceConstants: number;
  readonly sourceConstantBank: number;
  /** By name of the `with` array (of the sources). */
  readonly sourceWiths: Readonly<Record<string, number>>;
  /** First slice of the same as planes: what the sources' own integrals read. */
  readonly sourceWithBanks: Readonly<Record<string, number>>;
  readonly sets: readonly number[];
  readonly pairs: readonly number[];
  /** Sources' states: [step][slot], rows of scalars; planes. */
  readonly table: number;
  readonly states: number;
  readonly barrier: number;
}

export interface ThreadMap {
  readonly tracers: number;
  readonly sources: number;
  readonly scalars: number;
  readonly tracerWork: number;
  readonly sourceWork: number;
  readonly scalarWork: number;
  readonly states: number;
  readonly starts: number;
  readonly image: number;
  readonly kept: number;
  readonly pending: number;
  /** f64 sums of every block of sources. */
  readonly accumulators: number;
  /** Gradients of pair weights, in the lane's scalar; parallel to `shapes.pairs`. */
  readonly pairGradients: readonly number[];
  readonly stack: readonly number[];
}

/** Byte sizes and offsets within one partial: Γ, tail, S, winners. */
export interface PartialMap {
  readonly gamma: number;
  readonly tail: number;
  readonly sums: number;
  readonly winners: number;
  readonly loss: number;
  readonly bytes: number;
  /** f64s that are added when partials meet: Γ and tail. */
  readonly added: number;
}

/** Bytes of the sources' states at one slot: rows of scalars, or planes. */
export function tableBytes(plan: SweepPlan): number {
  const { sources, scalar } = plan.shapes;
  return sources.rows * sources.stateComponents * scalar;
}

export function partialMap(plan: SweepPlan, extent: Pick<Extent, 'backward' | 'steps' | 'sums'>): PartialMap {
  const { sources, slots, tail } = plan.shapes;
  const gammaCount = extent.backward
    ? even((extent.steps * slots + 1) * sources.rows * sources.stateComponents)
    : 0;
  const tailCount = extent.backward ? tail.length : 0;
  const sums = even(extent.sums);
  const tailAt = gammaCount * 8;
  const sumsAt = tailAt + tailCount * 8;
  return {
    gamma: 0,
    tail: tailAt,
    sums: sumsAt,
    winners: sumsAt + sums * 8,
    loss: sumsAt + 2 * sums * 8,
    bytes: sumsAt + 2 * sums * 8 + 16,
    added: gammaCount + tailCount,
  };
}

export function mapMemory(plan: SweepPlan, extent: Extent): MemoryMap {
  const { shapes } = plan;
  const { sources, tracers, scalar, slots } = shapes;
  let next = vectorBytes;
  const take = (bytes: number): number => {
    const address = next;
    next += Math.ceil(bytes / vectorBytes) * vectorBytes;
    return address;
  };
  const context = (group: GroupPlan | null): number => take(group?.context.bytes ?? 0);
  const partial = partialMap(plan, extent);
  const shared: SharedMap = {
    constants: take(plan.constants.byteLength),
    params: take(shapes.paramComponents * scalar),
    times: take((extent.steps + 1) * 8),
    points: plan.terms.map(() => take((extent.steps + 2) * 4)),
    records: plan.terms.map((term, i) => take((extent.points[i] ?? 0) * recordBytes(term))),
    scalarRecords: plan.terms.map((term, i) => take((extent.points[i] ?? 0) * recordBytes(term))),
    pending: take((extent.steps + 1) * 4),
    sums: take(extent.sums * scalar),
    sourceConstants: take(sources.rows * sources.constantComponents * scalar),
    sourceConstantBank: take(sources.constantComponents * sources.stride),
    sourceWiths: Object.fromEntries(
      shapes.withs
        .filter((w) => w.group === 'sources')
        .map((w) => [w.name, take(w.slices * sources.rows * w.width * scalar)]),
    ),
    sourceWithBanks: Object.fromEntries(
      shapes.withs.filter((w) => w.group === 'sources').map((w) => [w.name, take(w.width * sources.stride)]),
    ),
    sets: shapes.sets.map((set) => take(set.rows * set.columns * scalar)),
    pairs: shapes.pairs.map((p) => take(sources.rows ** 2 * p.width * scalar)),
    table: take((extent.steps * slots + 1) * tableBytes(plan)),
    states: take((extent.steps * slots + 1) * sources.stateComponents * sources.stride),
    barrier: take(64),
  };
  const stateBytes = tracers.stateComponents * tracers.stride;
  const segments = Math.ceil(extent.steps / Math.max(1, extent.segmentSteps));
  const held = Math.min(extent.segmentSteps, extent.steps);
  const sweeps = plan.sources !== null && extent.backward;
  const threads = Array.from({ length: extent.threads }, (): ThreadMap => {
    // Threads write side by side: a cache line between their records keeps them apart.
    take(64);
    return {
      tracers: context(plan.tracers),
      sources: context(plan.sources),
      scalars: context(plan.scalars),
      tracerWork: take(plan.tracers?.work.bytes ?? 0),
      sourceWork: take(plan.sources?.work.bytes ?? 0),
      scalarWork: take(plan.scalars?.work.bytes ?? 0),
      states: take(plan.tracers === null ? 0 : (held * slots + 1) * stateBytes),
      starts: take(plan.tracers === null || segments <= 1 ? 0 : segments * stateBytes),
      image: take(plan.tracers === null ? 0 : imageComponents(shapes) * tracers.stride),
      kept: take(plan.tracers === null ? 0 : extent.kept * stateBytes),
      pending: take(plan.tracers === null || !extent.backward ? 0 : extent.kept * stateBytes),
      accumulators: take(sweeps ? sourceBlocks(shapes) * accumulatorLength(shapes) * 8 : 0),
      pairGradients: shapes.pairs.map((p) => take(sweeps ? sources.rows ** 2 * p.width * scalar : 0)),
      stack: Array.from({ length: extent.stack }, () => take(partial.bytes)),
    };
  });
  const units = Array.from({ length: extent.units }, () => take(partial.bytes));
  return { bytes: next, shared, threads, units, partial };
}

const even = (n: number): number => Math.ceil(n / 2) * 2;
