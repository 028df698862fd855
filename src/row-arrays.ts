/** Which tracer-sized arrays does a job leave, and how are they cut into chunks? */
import type { ZarrArray } from './arrays/zarr-group.ts';
import type { Job } from './job/job.ts';
import type { Field } from './kernels/system.ts';
import { planShards } from './partition/plan.ts';
import { type RowsKind, rowsShape } from './partition/row-shape.ts';
import type { RowsWanted } from './protocol.ts';

/** What of a job says how its rows lie. */
type Laid = Pick<Job, 'arrays' | 'precision' | 'shards' | 'system'>;

/** `final/x`, `gradient/x`, `trajectory/x`, `values/density`: all that `wanted` asks for. */
export function rowArrays(job: Laid, wanted: RowsWanted): readonly ZarrArray[] {
  const { tracers, values } = job.system;
  if (tracers === null) return [];
  const times = wanted.trajectory.length;
  const arrayOf = rowArrayOf(job);
  const fields = [...tracers.evolving, ...tracers.constant];
  return [
    ...(wanted.final ? tracers.evolving.map((field) => arrayOf('final', field, 1)) : []),
    ...fields
      .filter(({ name }) => wanted.gradient.includes(name))
      .map((field) => arrayOf('gradient', field, 1)),
    ...(times > 0 ? tracers.evolving.map((field) => arrayOf('trajectory', field, times)) : []),
    ...(wanted.values ? [...values].map(([name, { width }]) => arrayOf('values', { name, width }, 1)) : []),
  ];
}

/**
 * One of these arrays. The axes are `t`, `tracer` and a component's own.
 *
 * A chunk has the rows of the largest shard and every saved time, so there is one chunk for each shard; where shards differ by
 * a block of rows, theirs begin in the neighbour's chunk.
 */
export function rowArrayOf(job: Laid): (kind: RowsKind, field: Field, times: number) => ZarrArray {
  const rows = job.system.tracers?.rows ?? 0;
  const chunkRows = planShards(rows, job.shards).reduce(
    (most, { begin, end }) => Math.max(most, end - begin),
    0,
  );
  return (kind, { name, width }, times) => {
    const given = kind === 'values' ? null : (job.arrays.get(name)?.shape ?? null);
    const shape = rowsShape(kind, given, { rows, width, times });
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
}
