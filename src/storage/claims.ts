/**
 * Were these the rows that everybody read? The first who reads the rows of a shard records their SHA-256; whoever reads
 * them later, on another worker or in another attempt, must read the same.
 */
import { createHash } from 'node:crypto';
import { SkewflowError } from '../errors.ts';
import type { Root } from './root.ts';

/** What was read for one shard, by name. */
type Rows = ReadonlyMap<string, Float32Array | Float64Array>;

/**
 * Record the rows of a shard, or hold them against the record.
 *
 * @param folder - the key the records of this run are kept under
 * @throws InputError (`INPUT_CHANGED`) when they are not what was read before
 */
export async function claimRows(root: Root, folder: string, shard: number, rows: Rows): Promise<void> {
  const hash = createHash('sha256');
  for (const [name, array] of rows) {
    hash.update(`${JSON.stringify(name)} ${array.BYTES_PER_ELEMENT} ${array.length};`);
    hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  }
  const digest = hash.digest('hex');
  const first = await root.claim(`${folder}/${shard}`, digest);
  if (first === digest) return;
  throw new SkewflowError(
    'InputError',
    `INPUT_CHANGED: the rows of shard ${shard} are not what they were when the run began: ${[...rows.keys()].join(', ')}`,
    { code: 'INPUT_CHANGED', shard },
  );
}
