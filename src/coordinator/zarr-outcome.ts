/** Which arrays does the zarr group of a job hold? The tracer-sized results, a group each for what they are. */
import type { ZarrArray } from '../arrays/zarr-group.ts';
import type { Job } from '../job/job.ts';
import type { Field } from '../kernels/system.ts';
import { planShards } from '../partition/plan.ts';
import { type RowsKind, rowsShape } from '../partition/row-shape.ts';
import type { RowsWanted } from '../protocol.ts';

/** The folder of the group, among the results. */
export const zarrGroup = 'tracers.zarr';

/**
 * `final/x`, `gradient/x`, `trajectory/x`, `values/density`: the axes are `t`, `tracer` and a component's own.
 *
 * A chunk has the rows of the largest shard and every saved time, so there is one chunk for each shard; where shards differ by
 * a block of rows, theirs begin in the neighbour's chunk.
 */
export function zarrArrays(job: Job, wanted: RowsWanted): readonly ZarrArray[] {
  const { tracers, values } = job.system;
  const shards = planShards(tracers?.rows ?? 0, job.shards);
  const chunkRows = Math.max(0, ...shards.map(({ begin, end }) => end - begin));
  if (tracers === null || chunkRows === 0) return [];
  const times = wanted.trajectory.length;
  const arrayOf = (kind: RowsKind, { name, width }: Field): ZarrArray => {
    const given = kind === 'values' ? null : (job.arrays.get(name)?.shape ?? null);
    const shape = rowsShape(kind, given, { rows: tracers.rows, width, times });
    const axis = kind === 'trajectory' ? 1 : 0;
    return {
      path: `${kind}/${name}`,
      type: job.precision === 'f32' ? 'f4' : 'f8',
      shape,
      chunkShape: shape.map((length, n) => (n === axis ? chunkRows : length)),
      dimensions: [
        ...(kind === 'trajectory' ? ['t'] : []),
        'tracer',
        ...(shape.length > axis + 1 ? [`${name}_component`] : []),
      ],
    };
  };
  const fields = [...tracers.evolving, ...tracers.constant];
  return [
    ...(wanted.final ? tracers.evolving.map((field) => arrayOf('final', field)) : []),
    ...fields.filter(({ name }) => wanted.gradient.includes(name)).map((field) => arrayOf('gradient', field)),
    ...(times > 0 ? tracers.evolving.map((field) => arrayOf('trajectory', field)) : []),
    ...(wanted.values ? [...values].map(([name, { width }]) => arrayOf('values', { name, width })) : []),
  ];
}

/** The saved times as a coordinate of the trajectories: one chunk. */
export function zarrTimes(times: number): ZarrArray {
  return { path: 'trajectory/t', type: 'f8', shape: [times], chunkShape: [times], dimensions: ['t'] };
}
