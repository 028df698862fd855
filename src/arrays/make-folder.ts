/**
 * How does a folder come to be, with all above it? One at a time, from the nearest that is there.
 *
 * Node's own recursive mkdir (20 to 24) never ends where a file system makes no folders and says that there is none, as below
 * /proc: it goes back and forth between the folder and the one above, in a thread that cannot be stopped.
 */
import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { codeOf, SkewflowError } from '../errors.ts';

/** Make a folder and those above it; one that is there is left as it is. */
export async function makeFolder(path: string): Promise<void> {
  const folder = resolve(path);
  const above = dirname(folder);
  try {
    await mkdir(folder);
  } catch (cause) {
    if (await isFolder(folder)) return;
    if (codeOf(cause) !== 'ENOENT' || (await isFolder(above))) throw cause;
    await makeFolder(above);
    await makeFolder(folder);
  }
}

/**
 * `--out "$OUT"` where OUT is not set names no folder, not even the one we are in.
 *
 * @throws UsageError for an empty name
 */
export function refuseNameless(folder: string, which: string): void {
  if (folder === '') throw new SkewflowError('UsageError', `the name of the ${which} folder is empty`);
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
