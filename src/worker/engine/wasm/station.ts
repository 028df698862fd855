/**
 * One thread's view of an evaluation: typed views of the shared memory, the program's functions, contexts filled in.
 */
import { invariant } from '../../../errors.ts';
import { blockRows } from '../../../kernels/block.ts';
import type { FramePlan } from '../../../kernels/wasm/context.ts';
import { vectorBytes } from '../../../kernels/wasm/frame.ts';
import { type MemoryMap, type ThreadMap, tableBytes } from '../../../kernels/wasm/memory-map.ts';
import { memoryImport, scratchNames, valueBank } from '../../../kernels/wasm/names.ts';
import { rowsOf, type Shapes, sourceBlocks } from '../../../kernels/wasm/shapes.ts';
import type { GroupPlan, SweepPlan } from '../../../kernels/wasm/sweep-plan.ts';
import type { Task } from './messages.ts';
import type { Passing } from './passes.ts';

/** The functions an emitted program exports; which there are depends on the program. */
export type Exports = Readonly<Record<string, (...args: readonly number[]) => number>>;

export interface Station {
  readonly plan: SweepPlan;
  readonly task: Task;
  readonly map: MemoryMap;
  readonly own: ThreadMap;
  readonly exports: Exports;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  /** The memory as scalars of the lane. */
  readonly scalars: Float32Array | Float64Array;
  /** log₂ of a scalar's bytes. */
  readonly shift: number;
  readonly control: Int32Array;
  /** Told of every pass over a block; null: nobody asks. */
  readonly passing: Passing | null;
}

export function makeStation(
  plan: SweepPlan,
  instance: WebAssembly.Instance,
  memory: WebAssembly.Memory,
  task: Task,
  passing: Passing | null,
): Station {
  const { buffer } = memory;
  const own = task.map.threads[task.thread];
  invariant(own !== undefined, 'every thread has its part of the memory');
  const single = plan.shapes.lane === 'f32x4';
  const station: Station = {
    plan,
    task,
    map: task.map,
    own,
    exports: instance.exports as unknown as Exports,
    bytes: new Uint8Array(buffer),
    words: new Int32Array(buffer),
    doubles: new Float64Array(buffer, 0, Math.floor(buffer.byteLength / 8)),
    scalars: single ? new Float32Array(buffer) : new Float64Array(buffer),
    shift: single ? 2 : 3,
    control: new Int32Array(task.control),
    passing,
  };
  fillContexts(station);
  return station;
}

export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): WebAssembly.Instance {
  return new WebAssembly.Instance(module, { [memoryImport.module]: { [memoryImport.name]: memory } });
}

export function exported(station: Station, name: string): (...args: readonly number[]) => number {
  const f = station.exports[name];
  invariant(f !== undefined, `the program has a function ${name}`);
  return f;
}

/** Sets i32 fields of a context; names that the program never reads are passed over. */
export function setFields(
  station: Station,
  group: GroupPlan,
  context: number,
  values: Readonly<Record<string, number>>,
): void {
  for (const [name, value] of Object.entries(values)) {
    const offset = group.context.fields[name];
    if (offset !== undefined) station.words[(context + offset) >> 2] = value;
  }
}

/** Address of a work bank. */
export function bankAt(group: GroupPlan, work: number, name: string): number {
  const bank = group.work.banks[name];
  invariant(bank !== undefined, `bank ${name} is in the work area`);
  return work + bank.offset;
}

export function zeroBytes(station: Station, address: number, bytes: number): void {
  station.bytes.fill(0, address, address + bytes);
}

/** Zeroes a work bank that the program may not have. */
export function zeroBank(station: Station, group: GroupPlan, work: number, name: string): void {
  const bank = group.work.banks[name];
  if (bank !== undefined) zeroBytes(station, work + bank.offset, bank.bytes);
}

/** Stored states of the tracers at one slot. */
export const tracerStateBytes = ({ tracers }: Shapes): number => tracers.stateComponents * tracers.stride;

// --- contexts ---------------------------------------------------------------------------------------------

/** Where the entries of a frame that no sweep sets are found. */
interface Addresses {
  readonly bank: (name: string) => number;
  readonly plane: (name: string) => number;
  readonly stride: number;
  readonly work: number;
}

function fillContexts(station: Station): void {
  const { plan, own, map, task } = station;
  const { shared } = map;
  const { shapes } = plan;
  const times = { times: shared.times, table: shared.table };
  const terms: Record<string, number> = {};
  for (const [i, points] of shared.points.entries()) terms[`points${i}`] = points;
  for (const [i, records] of shared.records.entries()) terms[`records${i}`] = records;
  for (const [name, address] of Object.entries(shared.sourceWiths)) terms[`with ${name}`] = address;
  for (const [label, point] of Object.entries(task.moments)) {
    terms[`gamma@${label}`] = point * shapes.slots * shapes.sources.rows * shapes.sources.stateComponents * 8;
    terms[`pending@${label}`] = own.pending + keptIndex(task, point) * tracerStateBytes(shapes);
  }

  if (plan.tracers !== null) {
    setFields(station, plan.tracers, own.tracers, {
      ...times,
      ...terms,
      work: own.tracerWork,
      image: own.image,
      pending: own.pending,
      pendingIndex: shared.pending,
    });
    const { stride, stateComponents } = shapes.tracers;
    const group = plan.tracers;
    fillFrames(station, group, own.tracers, {
      stride,
      work: own.tracerWork,
      bank: (name) => {
        const [kind, label] = split(name);
        if (kind === 'constant') return own.image + stateComponents * stride;
        if (kind === 'with') return own.image + withOffset(shapes, label) * stride;
        if (kind === 'state' && label !== '') return keptAddress(station, task.moments[label] ?? 0);
        return 0;
      },
      plane: (name) => {
        const bank = group.work.banks[valueBank(name)];
        return bank === undefined ? 0 : own.tracerWork + bank.offset;
      },
    });
    zeroScratch(station, group, own.tracerWork);
  }
  if (plan.sources !== null) {
    setFields(station, plan.sources, own.sources, { ...times, barrier: shared.barrier });
    const addresses = { stride: shapes.sources.stride, work: own.sourceWork, bank: () => 0, plane: () => 0 };
    fillFrames(station, plan.sources, own.sources, addresses);
    zeroScratch(station, plan.sources, own.sourceWork);
  }
  if (plan.scalars !== null) {
    setFields(station, plan.scalars, own.scalars, {
      ...times,
      ...terms,
      work: own.scalarWork,
      S: shared.sums,
      rows: 1,
      firstRow: 0,
      bytes: 16,
    });
    const addresses = { stride: shapes.tracers.stride, work: own.scalarWork, bank: () => 0, plane: () => 0 };
    fillFrames(station, plan.scalars, own.scalars, addresses);
    for (const frame of plan.scalars.context.frames) {
      station.words[(own.scalars + frame.offset + frame.layout.rows) >> 2] = 1;
    }
    zeroScratch(station, plan.scalars, own.scalarWork);
  }
}

/** How many threads sweep over the sources together: at most one for each block of them. */
export const sourceThreads = ({ plan, task }: Station): number =>
  task.together ? Math.min(task.threads, sourceBlocks(plan.shapes)) : 1;

/**
 * Says which sources this thread sweeps over, and where: all of them in its own work area, or together with others its
 * share of the blocks in the area of the first thread. Returns the address of the area's banks and sums.
 */
export function takeSources(station: Station, together: boolean): ThreadMap {
  const { plan, own, map, task } = station;
  const group = plan.sources;
  const [first = own] = map.threads;
  const at = together ? first : own;
  if (group === null) return at;
  const { shapes } = plan;
  const blocks = sourceBlocks(shapes);
  const threads = together ? sourceThreads(station) : 1;
  const share = (thread: number): number =>
    Math.min(shapes.sources.rows, Math.floor((thread * blocks) / threads) * blockRows);
  const [begin, end] = together ? [share(task.thread), share(task.thread + 1)] : [0, shapes.sources.rows];
  const shift = begin * shapes.scalar;
  const banks = Object.entries(map.shared.sourceWithBanks).map(
    ([name, b]) => [`bank ${name}`, b + shift] as const,
  );
  setFields(station, group, own.sources, {
    ...Object.fromEntries(banks),
    work: at.sourceWork + shift,
    states: map.shared.states + shift,
    constants: map.shared.sourceConstantBank + shift,
    accumulators: at.accumulators,
    threads,
    firstRow: begin,
    rows: end - begin,
    bytes: Math.ceil(((end - begin) * shapes.scalar) / vectorBytes) * vectorBytes,
  });
  for (const frame of group.context.frames) {
    for (const pair of frame.layout.pairGradients) {
      const number = shapes.pairs.findIndex((p) => p.name === pair.field);
      station.words[(own.sources + frame.offset + pair.address) >> 2] = at.pairGradients[number] ?? 0;
    }
  }
  return at;
}

function fillFrames(station: Station, group: GroupPlan, context: number, addresses: Addresses): void {
  for (const frame of group.context.frames) {
    fillFrame(station, group, frame, context + frame.offset, addresses);
    station.doubles[(context + frame.rowsVisited) >> 3] = 0;
  }
}

function fillFrame(
  station: Station,
  group: GroupPlan,
  frame: FramePlan,
  base: number,
  addresses: Addresses,
): void {
  const { plan, map, own } = station;
  const { shared } = map;
  const { layout } = frame;
  const put = (offset: number, value: number): void => {
    station.words[(base + offset) >> 2] = value;
  };
  const scratch = (name: string): number => {
    const bank = group.work.banks[name];
    return bank === undefined ? 0 : addresses.work + bank.offset;
  };
  put(layout.firstRow, 0);
  put(layout.params, shared.params);
  put(layout.sums, shared.sums);
  put(layout.constants, shared.constants);
  put(layout.rowSums, scratch(scratchNames.rowSums));
  for (const bank of layout.banks) {
    put(bank.address, addresses.bank(bank.name));
    put(bank.stride, addresses.stride);
  }
  for (const table of layout.tables) put(table.address, tableAddress(station, table.name));
  for (const set of layout.sets) put(set.rows, rowsOf(plan.shapes, set.over));
  for (const plane of layout.planes) {
    put(plane.address, addresses.plane(plane.bank));
    put(plane.stride, addresses.stride);
  }
  for (const scatter of layout.scatters) put(scatter.address, scratch(scratchNames.scatter(scatter.table)));
  const pairNumber = (field: string): number => plan.shapes.pairs.findIndex((p) => p.name === field);
  for (const pair of layout.pairs) put(pair.address, shared.pairs[pairNumber(pair.field)] ?? 0);
  for (const pair of layout.pairGradients) put(pair.address, own.pairGradients[pairNumber(pair.field)] ?? 0);
}

/** A table that is the same for the whole evaluation; the sources' state moves and the sweep sets it. */
function tableAddress({ plan, map, task }: Station, name: string): number {
  const { shared } = map;
  if (name === 'sources.constant') return shared.sourceConstants;
  const withName = /^sources\.with:(.*)$/.exec(name)?.[1];
  if (withName !== undefined) return shared.sourceWiths[withName] ?? 0;
  const moment = /^sources\.state@(.*)$/.exec(name)?.[1];
  if (moment !== undefined) {
    return shared.table + (task.moments[moment] ?? 0) * plan.shapes.slots * tableBytes(plan);
  }
  return shared.sets[plan.shapes.sets.findIndex((s) => `${s.name}.constant` === name)] ?? 0;
}

/** Kernels add to these vectors, and every call leaves them zero: so they begin. */
function zeroScratch(station: Station, group: GroupPlan, work: number): void {
  for (const [name, bank] of Object.entries(group.work.banks)) {
    if (bank.components === 0) zeroBytes(station, work + bank.offset, bank.bytes);
    else if (name === 'λ') zeroBytes(station, work + bank.offset, bank.bytes);
  }
}

/** `state@0.5` → state, 0.5; `with:seen` → with, seen. */
function split(bank: string): readonly [kind: string, label: string] {
  const at = bank.search(/[@:]/);
  return at === -1 ? [bank, ''] : [bank.slice(0, at), bank.slice(at + 1)];
}

function withOffset(shapes: Shapes, name: string): number {
  const found = shapes.withs.find((w) => w.name === name && w.group === 'tracers');
  invariant(found !== undefined, `the array ${name} of a term is in the image`);
  return found.offset;
}

/** Number of a kept grid point; 0 where nothing is kept. */
export const keptIndex = (task: Task, point: number): number => Math.max(0, task.kept.indexOf(point));

/** Kept states of a grid point. */
export const keptAddress = (station: Station, point: number): number =>
  station.own.kept + keptIndex(station.task, point) * tracerStateBytes(station.plan.shapes);
