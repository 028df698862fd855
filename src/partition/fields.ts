/**
 * Which arrays does every leaf of the tree need, and which are cut by rows? O(M) numbers travel with every iteration,
 * O(N) numbers are read by whoever holds the shard.
 */
import type { System } from '../kernels/system.ts';

/** An array as it is read: `slices` times `rows` rows of `width` numbers, slice after slice. */
export interface ArrayPart {
  readonly name: string;
  readonly rows: number;
  readonly width: number;
  readonly slices: number;
}

/** Y₀, constants of sources, sets, pairs, θ and `with` arrays of the sources: what every leaf is given whole. */
export function sharedArrays(system: System): readonly ArrayPart[] {
  const { sources, sets, pairs, params } = system;
  const m = sources?.rows ?? 0;
  const groups = [...(sources === null ? [] : [sources]), ...sets.values()];
  return [
    ...groups.flatMap(({ rows, evolving, constant }) =>
      [...evolving, ...constant].map(({ name, width }) => ({ name, rows, width, slices: 1 })),
    ),
    ...pairs.map(({ name, width }) => ({ name, rows: m * m, width, slices: 1 })),
    ...params.map(({ name, width }) => ({ name, rows: 1, width, slices: 1 })),
    ...withArrays(system, 'sources', m),
  ];
}

/** Fields and `with` arrays of the tracers: what a shard holds its own rows of. */
export function shardedArrays(system: System): readonly ArrayPart[] {
  const { tracers } = system;
  if (tracers === null) return [];
  const { rows } = tracers;
  return [
    ...[...tracers.evolving, ...tracers.constant].map(({ name, width }) => ({
      name,
      rows,
      width,
      slices: 1,
    })),
    ...withArrays(system, 'tracers', rows),
  ];
}

/** Numbers of one row over all sharded arrays. */
export function numbersPerRow(system: System): number {
  return shardedArrays(system).reduce((sum, { width, slices }) => sum + width * slices, 0);
}

function withArrays(system: System, group: 'sources' | 'tracers', rows: number): readonly ArrayPart[] {
  return system.terms
    .flatMap((term) => term.with.filter((field) => field.group === group))
    .map(({ name, width, slices }) => ({ name, rows, width, slices }));
}

/** Reads rows [begin, end) of an array by name, where the rows of slice s begin at s · rows. */
export type RowReader = (name: string, begin: number, end: number) => Promise<Float32Array | Float64Array>;

/** Rows [begin, end) of every slice of an array, slice after slice. */
export async function readPart(
  { name, rows, width, slices }: ArrayPart,
  begin: number,
  end: number,
  read: RowReader,
): Promise<Float32Array | Float64Array> {
  if (slices === 1) return read(name, begin, end);
  const count = (end - begin) * width;
  const first = await read(name, begin, end);
  const all =
    first instanceof Float32Array ? new Float32Array(count * slices) : new Float64Array(count * slices);
  all.set(first);
  for (let s = 1; s < slices; s++) all.set(await read(name, s * rows + begin, s * rows + end), s * count);
  return all;
}
