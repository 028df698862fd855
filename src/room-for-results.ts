/** Is there room for what a run will write? Known before anything is computed, as the size of every array is. */
import { dirname, resolve } from 'node:path';
import { freeBytes } from './arrays/free-bytes.ts';
import { SkewflowError } from './errors.ts';
import { bytesText } from './job/bytes.ts';
import type { Job } from './job/job.ts';
import { isS3Url } from './objects/s3-settings.ts';
import type { OutputFolder } from './results.ts';
import { runKeys } from './storage/keys.ts';
import type { Root } from './storage/root.ts';

/**
 * Arrays of the size of the tracers are written as they are to a folder, and held in double precision without one.
 *
 * @param resultBytes - of all of them, in the job's precision
 * @throws MemoryError with both figures; nothing where the file system does not say what is free, and for a bucket
 */
export async function refuseWithoutRoom(
  { precision }: Pick<Job, 'precision'>,
  resultBytes: bigint,
  out: OutputFolder | null,
  memoryBytes: number,
): Promise<void> {
  const bytes = Number(resultBytes);
  if (out === null) {
    const held = precision === 'f32' ? 2 * bytes : bytes;
    if (held > memoryBytes)
      throw tooLarge(held, memoryBytes, 'of memory may be used', 'name a folder with `out`');
    return;
  }
  if (isS3Url(out.target)) return;
  const free = await freeBytes(dirname(resolve(out.target)));
  if (free !== null && bytes > free)
    throw tooLarge(bytes, free, `are free where ${out.target} would be`, 'choose another disk with `--out`');
}

/**
 * The same for a run of a fleet, whose rows are written to the storage root. One whose rows have begun, or are there, is not
 * asked again: what it takes is no longer free.
 *
 * @throws MemoryError with both figures; as its cause has the code of a full disk, it may be waited for
 */
export async function refuseWithoutRoomIn(
  root: Pick<Root, 'freeBytes' | 'has' | 'url'>,
  run: string,
  resultBytes: bigint,
): Promise<void> {
  const bytes = Number(resultBytes);
  const free = await root.freeBytes();
  if (free === null || bytes <= free) return;
  const { rows, resultFile } = runKeys(run);
  if ((await root.has(rows)) || (await root.has(resultFile))) return;
  throw tooLarge(bytes, free, `are free in ${root.url}`, 'make room there');
}

function tooLarge(needed: number, available: number, where: string, remedy: string): SkewflowError {
  return new SkewflowError(
    'MemoryError',
    `the tracers' results have ${bytesText(needed)}, and ${bytesText(available)} ${where}: ask for fewer (\`gradient\`, \`values\`, \`output\`), or ${remedy}`,
    { needed, available },
    { cause: Object.assign(new Error('no space is left on the disk'), { code: 'ENOSPC' }) },
  );
}
