/**
 * N-sized outputs: which a shard writes, and handing them on when the shard is done.
 */
import type { Program } from '../../../kernels/sweep/program.ts';
import type { SweepPlan } from '../../../kernels/wasm/sweep-plan.ts';
import type { ShardRange } from '../../../partition/plan.ts';
import type { Evaluation, EvaluationSink, Reals } from '../engine.ts';
import type { OutputTask, ShardTask } from './messages.ts';

/** The outputs asked for, with memory that all threads write to. */
export function planOutputs(
  program: Program,
  plan: SweepPlan,
  request: Evaluation,
  range: ShardRange,
): readonly OutputTask[] {
  const { tracers, scalar } = plan.shapes;
  const rows = range.end - range.begin;
  const wanted = request.rows;
  const make = (
    kind: OutputTask['kind'],
    field: string,
    width: number,
    from: OutputTask['from'],
    offset: number,
    times = 1,
  ): OutputTask => ({
    kind,
    field,
    width,
    from,
    offset,
    data: new SharedArrayBuffer(times * rows * width * scalar),
  });
  const gradients = request.want !== 'gradient' ? [] : wanted.gradient;
  return [
    ...tracers.evolving.flatMap((f) => [
      ...(gradients.includes(f.name) ? [make('gradient', f.name, f.width, 'state', f.offset)] : []),
      ...(wanted.final ? [make('final', f.name, f.width, 'state', f.offset)] : []),
      ...(wanted.trajectory.length > 0
        ? [make('trajectory', f.name, f.width, 'state', f.offset, wanted.trajectory.length)]
        : []),
    ]),
    ...tracers.constant.flatMap((f) =>
      gradients.includes(f.name) ? [make('gradient', f.name, f.width, 'constant', f.offset)] : [],
    ),
    ...(wanted.values ? (program.values?.planes ?? []) : []).map((p) =>
      make('values', p.name, p.value.width, 'value', 0),
    ),
  ];
}

/** Gives a finished shard's outputs to the sink, each in an array of the receiver's own. */
export function emitRows(shard: ShardTask, scalarBytes: number, sink: EvaluationSink): void {
  for (const { kind, field, width, data } of shard.outputs) {
    const copy: Reals =
      scalarBytes === 4
        ? Float32Array.from(new Float32Array(data))
        : Float64Array.from(new Float64Array(data));
    sink.rows?.({ kind, field, shard: shard.range, width, data: copy });
  }
}
