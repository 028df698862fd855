/** N-sized results of a shard: which there are, and how planes of blocks become their rows. */
import { blockRows } from '../../../kernels/block.ts';
import type { ShardRange } from '../../../partition/plan.ts';
import type { Evaluation, EvaluationSink, RowData } from '../engine.ts';
import type { Loaded } from './loaded.ts';
import type { Run } from './tiles.ts';

/** What a tile has left: planes of its blocks. */
export interface TileRows {
  readonly carry: Float32Array;
  /** States at a kept grid point. */
  readonly states: (point: number) => Float32Array;
  /** The run's first block in the tile. */
  readonly block: number;
  readonly run: Run;
  readonly steps: number;
}

export interface RowOutput {
  readonly kind: RowData['kind'];
  readonly field: string;
  readonly width: number;
  readonly data: Float32Array<ArrayBuffer>;
  readonly put: (rows: TileRows) => void;
}

/** The outputs asked for of one shard, all zero yet. */
export function rowOutputs(
  { program, emitted }: Loaded,
  request: Evaluation,
  range: ShardRange,
): readonly RowOutput[] {
  const { shapes } = emitted;
  const { tracers, carry } = shapes;
  const wanted = request.rows;
  const count = range.end - range.begin;
  const make = (
    kind: RowData['kind'],
    field: string,
    width: number,
    sources: (rows: TileRows) => readonly Planes[],
    times = 1,
  ): RowOutput => {
    const data = new Float32Array(times * count * width);
    return {
      kind,
      field,
      width,
      data,
      put: (rows) => {
        for (const [time, planes] of sources(rows).entries())
          copyRows(planes, rows, count, width, data, time);
      },
    };
  };
  const ofCarry =
    (offset: number) =>
    (rows: TileRows): readonly Planes[] => [{ numbers: rows.carry, components: carry.components, offset }];
  const ofStates =
    (points: readonly number[] | null, offset: number) =>
    (rows: TileRows): readonly Planes[] =>
      (points ?? [rows.steps]).map((k) => ({
        numbers: rows.states(k),
        components: tracers.stateComponents,
        offset,
      }));
  const gradients = request.want === 'gradient' ? wanted.gradient : [];
  let valueOffset = carry.values;
  return [
    ...tracers.evolving.flatMap((f) => [
      ...(gradients.includes(f.name)
        ? [make('gradient', f.name, f.width, ofCarry(carry.cotangent + f.offset))]
        : []),
      ...(wanted.final ? [make('final', f.name, f.width, ofStates(null, f.offset))] : []),
      ...(wanted.trajectory.length > 0
        ? [
            make(
              'trajectory',
              f.name,
              f.width,
              ofStates(wanted.trajectory, f.offset),
              wanted.trajectory.length,
            ),
          ]
        : []),
    ]),
    ...tracers.constant.flatMap((f) =>
      gradients.includes(f.name)
        ? [make('gradient', f.name, f.width, ofCarry(carry.constants + f.offset))]
        : [],
    ),
    ...(wanted.values ? (program.values?.planes ?? []) : []).map((p) => {
      const at = valueOffset;
      valueOffset += p.value.width;
      return make('values', p.name, p.value.width, ofCarry(at));
    }),
  ];
}

/** Components of blocks: component c of row r of block b at (b · components + c) · 256 + r. */
interface Planes {
  readonly numbers: Float32Array;
  readonly components: number;
  readonly offset: number;
}

function copyRows(
  { numbers, components, offset }: Planes,
  { run, block }: TileRows,
  count: number,
  width: number,
  data: Float32Array,
  time: number,
): void {
  for (let b = 0; b < run.count; b++) {
    const row = (run.first + b) * blockRows;
    const rows = Math.min(blockRows, count - row);
    for (let c = 0; c < width; c++) {
      const plane = ((block + b) * components + offset + c) * blockRows;
      for (let r = 0; r < rows; r++) data[(time * count + row + r) * width + c] = numbers[plane + r] ?? 0;
    }
  }
}

/** Gives a finished shard's outputs to the sink. */
export function emitRows(shard: ShardRange, outputs: readonly RowOutput[], sink: EvaluationSink): void {
  for (const { kind, field, width, data } of outputs) sink.rows?.({ kind, field, shard, width, data });
}
