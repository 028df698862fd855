/**
 * One block of tracers: forward over all steps with its states held, then backward, in one go.
 *
 * With fewer steps held than there are, the states at the beginnings of segments are kept and each segment runs
 * forward again before its backward sweep: the same code on the same inputs, so the same bits.
 */

import { blockRows } from '../../../kernels/block.ts';
import { lanes, vectorBytes } from '../../../kernels/wasm/frame.ts';
import {
  constantGradient,
  sweepNames,
  termBanks,
  termNames,
  valueBank,
  valuesName,
} from '../../../kernels/wasm/names.ts';
import { imageComponents } from '../../../kernels/wasm/shapes.ts';
import { type GroupPlan, recordBytes, visitMode } from '../../../kernels/wasm/sweep-plan.ts';
import type { OutputTask, ShardTask } from './messages.ts';
import { clearPartial } from './partials.ts';
import {
  bankAt,
  exported,
  keptAddress,
  keptIndex,
  type Station,
  setFields,
  tracerStateBytes,
  zeroBank,
  zeroBytes,
} from './station.ts';

/** Where something was not finite: the grid point and the global row. */
export interface Failure {
  readonly what: 'gradient' | 'loss' | 'state';
  readonly step: number;
  readonly row: number;
}

/** A block as the sweeps see it. */
interface Block {
  readonly group: GroupPlan;
  /** Row of the shard, rows, bytes of a plane worked on. */
  readonly begin: number;
  readonly rows: number;
  readonly bytes: number;
  readonly shard: ShardTask;
}

/** Evaluates block number `index` of a shard into the partial at `partial`; null: everything was finite. */
export function evaluateBlock(
  station: Station,
  shard: ShardTask,
  index: number,
  partial: number,
): Failure | null {
  const { plan, task } = station;
  const group = plan.tracers;
  if (group === null) return null;
  const block = enterBlock(station, group, shard, index, partial);
  station.passing?.('forward', shard.range.index, shard.range.begin + block.begin);
  const final = runForward(station, block);
  if (!allFinite(station, block, final, plan.shapes.tracers.stateComponents))
    return firstBlowUp(station, block);
  writeStates(station, block, final);
  if (task.want === 'sums') {
    runMomentTerms(station, visitMode.values);
    visitPoint(station, task.steps, visitMode.values);
    return lossFailure(station, block, partial);
  }
  station.passing?.('backward', shard.range.index, shard.range.begin + block.begin);
  runBackward(station, block);
  writeGradients(station, block);
  return lossFailure(station, block, partial) ?? gradientFailure(station, block);
}

const gradientMode = visitMode.values + visitMode.seeds;

function enterBlock(
  station: Station,
  group: GroupPlan,
  shard: ShardTask,
  index: number,
  partial: number,
): Block {
  const { plan, own, map } = station;
  const { shapes } = plan;
  const begin = index * blockRows;
  const rows = Math.min(blockRows, shard.range.end - shard.range.begin - begin);
  const { count } = lanes[shapes.lane];
  const bytes = Math.ceil(rows / count) * vectorBytes;
  const imageBytes = imageComponents(shapes) * shapes.tracers.stride;
  station.bytes.set(new Uint8Array(shard.image, index * imageBytes, imageBytes), own.image);
  clearPartial(station, partial, group.writesGamma && station.task.want === 'gradient');
  setFields(station, group, own.tracers, {
    rows,
    bytes,
    firstRow: shard.range.begin + begin,
    gamma: partial + map.partial.gamma,
    tail: partial + map.partial.tail,
    sums: partial + map.partial.sums,
    winners: partial + map.partial.winners,
  });
  for (const { offset, layout } of group.context.frames) {
    const base = own.tracers + offset;
    station.words[(base + layout.rows) >> 2] = rows;
    station.words[(base + layout.firstRow) >> 2] = shard.range.begin + begin;
  }
  return { group, begin, rows, bytes, shard };
}

// --- sweeps -----------------------------------------------------------------------------------------------

/** Steps held at once: all of them when the plan says so. */
const segmentOf = ({ task }: Station): number => Math.max(1, Math.min(task.segmentSteps, task.steps));

/** Says where the states of step 0 would lie when those of step `first` lie at the beginning of the area. */
function holdFrom(station: Station, { group }: Block, first: number): void {
  const { own, plan } = station;
  const stepBytes = plan.shapes.slots * tracerStateBytes(plan.shapes);
  setFields(station, group, own.tracers, { states: own.states - first * stepBytes });
}

function stateAddress(station: Station, first: number, point: number): number {
  const { own, plan } = station;
  return own.states + (point - first) * plan.shapes.slots * tracerStateBytes(plan.shapes);
}

const copyState = (station: Station, to: number, from: number): void => {
  station.bytes.copyWithin(to, from, from + tracerStateBytes(station.plan.shapes));
};

/** From t_0 to the end; returns the address of the final state. Leaves the last segment's states in place. */
function runForward(station: Station, block: Block): number {
  const { own, task } = station;
  const { steps } = task;
  const segment = segmentOf(station);
  const mode = task.want === 'sums' ? visitMode.values : 0;
  copyState(station, own.states, own.image);
  holdFrom(station, block, 0);
  passPoint(station, block, 0, own.states);
  if (steps === 0) return own.states;
  const forward = exported(station, sweepNames('tracers').forward);
  const stops = pointsToStop(station);
  let first = 0;
  for (;;) {
    const end = Math.min(steps, first + segment);
    if (segment < steps)
      copyState(station, own.starts + (first / segment) * tracerStateBytes(station.plan.shapes), own.states);
    let at = first;
    for (const stop of [...stops.filter((p) => p > first && p < end), end]) {
      forward(own.tracers, at, stop, mode);
      passPoint(station, block, stop, stateAddress(station, first, stop));
      at = stop;
    }
    const last = stateAddress(station, first, end);
    if (end === steps) return last;
    copyState(station, own.states, last);
    holdFrom(station, block, end);
    first = end;
  }
}

/** Grid points at which something is taken from the states, ascending. */
const pointsToStop = ({ task }: Station): readonly number[] =>
  [...new Set([...task.kept, ...task.trajectory])].sort((a, b) => a - b);

function passPoint(station: Station, block: Block, point: number, state: number): void {
  const { task } = station;
  if (task.kept.includes(point)) copyState(station, keptAddress(station, point), state);
  const number = task.trajectory.indexOf(point);
  if (number === -1) return;
  for (const output of block.shard.outputs) {
    if (output.kind === 'trajectory') writeOutput(station, block, output, state, number);
  }
}

function runBackward(station: Station, block: Block): void {
  const { own, task, plan } = station;
  const { steps } = task;
  zeroBank(station, block.group, own.tracerWork, 'λ');
  zeroBank(station, block.group, own.tracerWork, constantGradient);
  zeroBytes(station, own.pending, task.kept.length * tracerStateBytes(plan.shapes));
  runMomentTerms(station, gradientMode);
  visitPoint(station, steps, gradientMode);
  if (steps === 0) return;
  const { forward, backward } = sweepNames('tracers');
  const segment = segmentOf(station);
  const count = Math.ceil(steps / segment);
  for (let n = count - 1; n >= 0; n--) {
    const first = n * segment;
    const end = Math.min(steps, first + segment);
    if (n < count - 1) {
      copyState(station, own.states, own.starts + n * tracerStateBytes(plan.shapes));
      holdFrom(station, block, first);
      exported(station, forward)(own.tracers, first, end, 0);
    }
    exported(station, backward)(own.tracers, first, end, gradientMode);
  }
}

function visitPoint(station: Station, point: number, mode: number): void {
  station.exports['visit']?.(station.own.tracers, point, mode);
}

/** Terms that compare times: their states were kept, their seeds wait for the sweep to reach them. */
function runMomentTerms(station: Station, mode: number): void {
  const { own, map, plan, task } = station;
  for (const [i, term] of plan.terms.entries()) {
    if (term.rows === null || term.moments.length === 0) continue;
    const run = exported(station, termNames(i).rows);
    const records = map.shared.records[i] ?? 0;
    for (const [n, point] of (task.points[i] ?? []).entries()) {
      const target = own.pending + keptIndex(task, point) * tracerStateBytes(plan.shapes);
      run(own.tracers, records + n * recordBytes(term), keptAddress(station, point), target, mode);
    }
  }
}

// --- what was not finite ----------------------------------------------------------------------------------

function allFinite(station: Station, block: Block, planes: number, components: number): boolean {
  if (components === 0) return true;
  const { stride } = station.plan.shapes.tracers;
  return exported(station, 'finite')(planes, stride, components, block.bytes) !== 0;
}

/** The lowest row of planes that is not finite, of this block; −1: none. */
function nonFiniteRow(station: Station, block: Block, planes: number, components: number): number {
  const { stride } = station.plan.shapes.tracers;
  let lowest = -1;
  for (let c = 0; c < components; c++) {
    const plane = (planes + c * stride) >> station.shift;
    for (let r = 0; r < (lowest === -1 ? block.rows : lowest); r++) {
      if (!Number.isFinite(station.scalars[plane + r] ?? 0)) lowest = r;
    }
  }
  return lowest;
}

const globalRow = (block: Block, row: number): number => block.shard.range.begin + block.begin + row;

/** Runs forward again, step by step, to the first state that is not finite. */
function firstBlowUp(station: Station, block: Block): Failure {
  const { own, task, plan } = station;
  const components = plan.shapes.tracers.stateComponents;
  copyState(station, own.states, own.image);
  for (let k = 0; k <= task.steps; k++) {
    const row = nonFiniteRow(station, block, own.states, components);
    if (row !== -1) return { what: 'state', step: k, row: globalRow(block, row) };
    holdFrom(station, block, k);
    if (k < task.steps) exported(station, sweepNames('tracers').forward)(own.tracers, k, k + 1, 0);
    copyState(station, own.states, stateAddress(station, k, k + 1));
  }
  return { what: 'state', step: task.steps, row: globalRow(block, 0) };
}

/** Looks at the sums of the block; where one is not finite, evaluates term by term until the row is found. */
function lossFailure(station: Station, block: Block, partial: number): Failure | null {
  const { map, task, own } = station;
  const sums = (partial + map.partial.sums) >> 3;
  const bad = task.reductions.some((_, n) => !Number.isFinite(station.doubles[sums + n] ?? 0));
  if (!bad) return null;
  copyState(station, own.states, own.image);
  for (let k = 0; k <= task.steps; k++) {
    holdFrom(station, block, k);
    visitPoint(station, k, visitMode.values);
    const row = termRow(station, block, k);
    if (row !== -1) return { what: 'loss', step: k, row: globalRow(block, row) };
    if (k < task.steps) exported(station, sweepNames('tracers').forward)(own.tracers, k, k + 1, 0);
    copyState(station, own.states, stateAddress(station, k, k + 1));
  }
  return { what: 'loss', step: task.steps, row: globalRow(block, 0) };
}

/** The lowest row at which a term visited at grid point k is not finite, or −1. */
function termRow(station: Station, block: Block, k: number): number {
  const { plan, own, task } = station;
  const rows = plan.terms.flatMap((term, i) => {
    if (term.rows === null || !(task.points[i]?.includes(k) ?? false)) return [];
    const bank = bankAt(block.group, own.tracerWork, termBanks(termNames(i).rows).value);
    const row = nonFiniteRow(station, block, bank, term.rows.by.length);
    return row === -1 ? [] : [row];
  });
  return rows.length === 0 ? -1 : Math.min(...rows);
}

function gradientFailure(station: Station, block: Block): Failure | null {
  const { own, plan } = station;
  const { stateComponents, constantComponents } = plan.shapes.tracers;
  const banks = [
    ['λ', stateComponents],
    [constantGradient, constantComponents],
  ] as const;
  for (const [name, components] of banks) {
    if (components === 0) continue;
    const planes = bankAt(block.group, own.tracerWork, name);
    if (allFinite(station, block, planes, components)) continue;
    const row = nonFiniteRow(station, block, planes, components);
    if (row !== -1) return { what: 'gradient', step: 0, row: globalRow(block, row) };
  }
  return null;
}

// --- what rows leave --------------------------------------------------------------------------------------

/** Final states and values, while the final state is there. */
function writeStates(station: Station, block: Block, final: number): void {
  const { own, task } = station;
  const outputs = block.shard.outputs;
  for (const output of outputs) if (output.kind === 'final') writeOutput(station, block, output, final, 0);
  const values = outputs.filter((o) => o.kind === 'values');
  if (values.length === 0) return;
  exported(station, valuesName)(own.tracers, task.steps, final);
  for (const output of values) {
    writeOutput(station, block, output, bankAt(block.group, own.tracerWork, valueBank(output.field)), 0);
  }
}

function writeGradients(station: Station, block: Block): void {
  for (const output of block.shard.outputs) {
    if (output.kind !== 'gradient') continue;
    const bank = output.from === 'state' ? 'λ' : constantGradient;
    writeOutput(station, block, output, bankAt(block.group, station.own.tracerWork, bank), 0);
  }
}

/** Planes to rows × width, at this block's rows. */
function writeOutput(station: Station, block: Block, output: OutputTask, planes: number, time: number): void {
  const { stride } = station.plan.shapes.tracers;
  const { range } = block.shard;
  const { width } = output;
  const data = station.shift === 2 ? new Float32Array(output.data) : new Float64Array(output.data);
  const base = (time * (range.end - range.begin) + block.begin) * width;
  for (let c = 0; c < width; c++) {
    const plane = (planes + (output.offset + c) * stride) >> station.shift;
    for (let r = 0; r < block.rows; r++) data[base + r * width + c] = station.scalars[plane + r] ?? 0;
  }
}
