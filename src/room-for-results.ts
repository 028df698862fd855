/** Is there room for what a run will write? Known before anything is computed, as the size of every array is. */
import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { SkewflowError } from './errors.ts';
import { bytesText } from './job/bytes.ts';
import type { Job } from './job/job.ts';
import { isS3Url } from './objects/s3-settings.ts';
import type { OutputFolder } from './results.ts';

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

/** Bytes that this process may still write in a folder, or in the nearest one above it that exists. */
async function freeBytes(folder: string): Promise<number | null> {
  for (let at = folder; ; at = dirname(at)) {
    const found = await statfs(at).catch(() => null);
    if (found !== null) return found.bavail * found.bsize;
    if (at === dirname(at)) return null;
  }
}

function tooLarge(needed: number, available: number, where: string, remedy: string): SkewflowError {
  return new SkewflowError(
    'MemoryError',
    `the tracers' results have ${bytesText(needed)}, and ${bytesText(available)} ${where}: ask for fewer (\`gradient\`, \`values\`, \`output\`), or ${remedy}`,
    { needed, available },
  );
}
