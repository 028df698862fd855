/**
 * What are leaves given beside the job? A point to evaluate at, and in the later phases what the earlier ones gave.
 */
import { createHash } from 'node:crypto';
import { ParameterDigest, type Seeds } from '../protocol.ts';

export interface Given {
  /** The steps the sources accepted; null when the job fixes the grid. */
  readonly times: Float64Array | null;
  /** Y₀, sets, pairs, θ and source `with` arrays by name. */
  readonly fields: ReadonlyMap<string, Float64Array>;
  readonly sums: Float64Array | null;
  readonly seeds: Seeds | null;
}

/** SHA-256 of all numbers and names: leaves given the same answer the same. */
export function digestOf(given: Given): ParameterDigest {
  const hash = createHash('sha256');
  for (const [name, array] of arraysOf(given)) {
    hash.update(`${JSON.stringify(name)}:${array.length};`);
    hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  }
  return ParameterDigest.parse(hash.digest('hex'));
}

/** Bytes of the arrays: what goes to a worker with an iteration. */
export function bytesOf(given: Given): number {
  return arraysOf(given).reduce((bytes, [, array]) => bytes + array.byteLength, 0);
}

function arraysOf({
  times,
  fields,
  sums,
  seeds,
}: Given): readonly (readonly [name: string, array: Float64Array])[] {
  const extras = { times, sums, seeds: seeds?.values ?? null, winners: seeds?.winners ?? null };
  return [
    ...[...fields].map(([name, array]) => [`field ${name}`, array] as const),
    ...Object.entries(extras).flatMap(([name, array]) => (array === null ? [] : [[name, array] as const])),
  ];
}
