/**
 * How an evaluation's inputs get into shared memory: parameters, tables, the sources' start, the terms' records.
 */
import { invariant, SkewflowError } from '../../../errors.ts';
import type { MemoryMap } from '../../../kernels/wasm/memory-map.ts';
import type { FieldShape } from '../../../kernels/wasm/shapes.ts';
import { recordBytes, type SweepPlan, termRecord } from '../../../kernels/wasm/sweep-plan.ts';
import type { Evaluation, Inputs } from '../engine.ts';

interface Target {
  readonly plan: SweepPlan;
  readonly map: MemoryMap;
  readonly view: DataView;
  readonly scalars: Float32Array | Float64Array;
  readonly doubles: Float64Array;
  readonly words: Int32Array;
}

/** @throws SkewflowError('ShapeError') when a field is missing or has another size than the program says */
export function writeInputs(
  plan: SweepPlan,
  map: MemoryMap,
  memory: WebAssembly.Memory,
  request: Evaluation,
  kept: readonly number[],
): void {
  const { buffer } = memory;
  const { shapes } = plan;
  const to: Target = {
    plan,
    map,
    view: new DataView(buffer),
    scalars: shapes.scalar === 4 ? new Float32Array(buffer) : new Float64Array(buffer),
    doubles: new Float64Array(buffer, 0, Math.floor(buffer.byteLength / 8)),
    words: new Int32Array(buffer),
  };
  const { inputs } = request;
  const { shared } = map;
  new Uint8Array(buffer).set(plan.constants, shared.constants);
  const { sources } = shapes;
  const e = sources.stateComponents;
  to.doubles.set(inputs.grid.times, shared.times >> 3);
  writeTable(to, inputs, shapes.params, 1, shapes.paramComponents, shared.params);
  writeTable(to, inputs, sources.constant, sources.rows, sources.constantComponents, shared.sourceConstants);
  clearScalars(to, shared.table, sources.rows * e);
  writeTable(to, inputs, sources.evolving, sources.rows, e, shared.table);
  for (const [n, set] of shapes.sets.entries()) {
    writeTable(to, inputs, set.fields, set.rows, set.columns, shared.sets[n] ?? 0);
  }
  for (const w of shapes.withs) {
    if (w.group !== 'sources') continue;
    const values = fieldOf(inputs, w.name, w.slices * sources.rows * w.width);
    to.scalars.set(values, (shared.sourceWiths[w.name] ?? 0) / shapes.scalar);
  }
  for (const [n, pair] of shapes.pairs.entries()) {
    const values = fieldOf(inputs, pair.name, sources.rows ** 2 * pair.width);
    to.scalars.set(values, (shared.pairs[n] ?? 0) / shapes.scalar);
  }
  for (const w of shapes.withs) {
    if (w.group !== 'sources') continue;
    toPlanes(to, shared.sourceWiths[w.name] ?? 0, shared.sourceWithBanks[w.name] ?? 0, w.width);
  }
  toPlanes(to, shared.table, shared.states, e);
  toPlanes(to, shared.sourceConstants, shared.sourceConstantBank, sources.constantComponents);
  if (request.sums !== null) to.scalars.set(request.sums, shared.sums / shapes.scalar);
  writeTerms(to, request);
  to.words.fill(-1, shared.pending >> 2, (shared.pending >> 2) + inputs.grid.times.length);
  for (const [n, point] of kept.entries()) to.words[(shared.pending >> 2) + point] = n;
  to.words.fill(0, shared.barrier >> 2, (shared.barrier >> 2) + 2);
}

function fieldOf(inputs: Inputs, name: string, length: number): Float64Array {
  const values = inputs.fields.get(name);
  if (values === undefined || values.length !== length) {
    throw new SkewflowError('ShapeError', `\`${name}\` needs ${length} numbers, got ${values?.length ?? 0}`);
  }
  return values;
}

/** Fields side by side: row r, component c at r · columns + offset + c. */
function writeTable(
  to: Target,
  inputs: Inputs,
  fields: readonly FieldShape[],
  rows: number,
  columns: number,
  address: number,
): void {
  const start = address / to.plan.shapes.scalar;
  for (const f of fields) {
    const values = fieldOf(inputs, f.name, rows * f.width);
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < f.width; c++)
        to.scalars[start + r * columns + f.offset + c] = values[r * f.width + c] ?? 0;
    }
  }
}

function clearScalars(to: Target, address: number, count: number): void {
  const start = address / to.plan.shapes.scalar;
  to.scalars.fill(0, start, start + count);
}

/** A table of the sources as planes, padded with the last row. */
function toPlanes(to: Target, table: number, planes: number, columns: number): void {
  const { sources, scalar } = to.plan.shapes;
  const padded = sources.stride / scalar;
  for (let c = 0; c < columns; c++) {
    for (let r = 0; r < padded; r++) {
      const row = Math.min(r, sources.rows - 1);
      to.scalars[planes / scalar + c * padded + r] = to.scalars[table / scalar + row * columns + c] ?? 0;
    }
  }
}

/** Records of every term by grid point, and where each grid point's begin. */
function writeTerms(to: Target, request: Evaluation): void {
  const { plan, map } = to;
  const { grid } = request.inputs;
  for (const [i, term] of plan.terms.entries()) {
    const points = grid.terms[i] ?? [];
    invariant(
      points.every((p, n) => n === 0 || p.point >= (points[n - 1]?.point ?? 0)),
      'points of a term are in order of time',
    );
    const size = recordBytes(term);
    const first = (map.shared.points[i] ?? 0) >> 2;
    for (let k = 0, n = 0; k <= grid.times.length; k++) {
      while (n < points.length && (points[n]?.point ?? 0) < k) n++;
      to.words[first + k] = n;
    }
    for (const [n, p] of points.entries()) {
      for (const [records, isRows] of [
        [map.shared.records[i] ?? 0, true],
        [map.shared.scalarRecords[i] ?? 0, false],
      ] as const) {
        const at = records + n * size;
        const linear = term.rows?.linear ?? true;
        to.view.setInt32(at + termRecord.point, p.point, true);
        to.view.setInt32(at + termRecord.slice, p.slice, true);
        to.view.setInt32(at + termRecord.sum, Math.max(0, p.sum), true);
        to.view.setFloat64(at + termRecord.factor, linear || !isRows ? p.weight : 1, true);
        const components = isRows ? (term.rows?.by.length ?? 0) : 1;
        for (let c = 0; c < components; c++) {
          const entry = at + termRecord.components + c * termRecord.entryBytes;
          const seed = isRows && !linear ? (request.seeds?.values[p.sum + c] ?? 0) : p.weight;
          const extreme = isRows && term.rows?.by[c] !== 'sum';
          to.view.setFloat64(entry + termRecord.cotangent, seed, true);
          to.view.setInt32(
            entry + termRecord.winner,
            extreme ? (request.seeds?.winners[p.sum + c] ?? -1) : -1,
            true,
          );
        }
      }
    }
  }
}
