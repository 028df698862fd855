/**
 * How does a file come into a folder that is kept? Under another name until it is complete and known to be what it should
 * be; a copy that was broken off is taken up where it stopped, and several that go on at once help one another: they write the same
 * bytes to the same places.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { constants, open, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '../arrays/whole-file.ts';
import { SkewflowError } from '../errors.ts';
import type { OnBytes } from './root.ts';

const copyBytes = 2 ** 22;

/**
 * The copy has the modification time of the file, by which large files are identified.
 *
 * @param sha256 - of what is to be copied
 * @throws OutOfReachError when it cannot be written; InputError (`INPUT_CHANGED`) when the file has other bytes by now
 */
export async function copyIn(
  path: string,
  file: string,
  sha256: string,
  { url, onBytes }: { readonly url: string; readonly onBytes: OnBytes },
): Promise<void> {
  const partial = `${file}.partial`;
  try {
    await copyRest(path, partial, onBytes);
    if ((await fileDigest(partial)) === sha256) return await complete(path, partial, file);
  } catch (cause) {
    // Whoever copied it as well was faster, and what was written here since has touched what is complete.
    if (await exists(file)) return await date(path, file);
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SkewflowError('OutOfReachError', `${path}: not copied to ${url}: ${why}`, { path }, { cause });
  }
  await rm(partial, { force: true });
  throw changedMeanwhile(path, url);
}

async function complete(path: string, partial: string, file: string): Promise<void> {
  await date(path, partial);
  await rename(partial, file);
  await syncFolder(dirname(file));
}

/** Gives a copy the time of what it is a copy of. */
async function date(path: string, copy: string): Promise<void> {
  const { atime, mtime } = await stat(path);
  await utimes(copy, atime, mtime);
}

const exists = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  );

/** The file was another when its digest was taken. */
export function changedMeanwhile(path: string, url: string): SkewflowError {
  return new SkewflowError('InputError', `${path}: it changed while it was copied to ${url}: submit again`, {
    code: 'INPUT_CHANGED',
  });
}

async function copyRest(from: string, to: string, onBytes: OnBytes): Promise<void> {
  const source = await open(from, 'r');
  const target = await open(to, constants.O_RDWR | constants.O_CREAT);
  try {
    const buffer = Buffer.alloc(copyBytes);
    for (;;) {
      // Another copy may have come further meanwhile.
      const at = (await target.stat()).size;
      const { bytesRead } = await source.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) break;
      await target.write(buffer, 0, bytesRead, at);
      onBytes(bytesRead);
    }
    await target.sync();
  } finally {
    await source.close();
    await target.close();
  }
}

/** SHA-256 of a file, in hex. */
export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(path, { highWaterMark: copyBytes })) hash.update(part as Buffer);
  return hash.digest('hex');
}
