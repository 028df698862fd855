/**
 * How does a folder come to be, with all above it? One at a time, from the nearest that is there.
 *
 * Node's own recursive mkdir (20 to 24) never ends where a file system makes no folders and says that there is none, as below
 * /proc: it goes back and forth between the folder and the one above, in a thread that cannot be stopped.
 */
import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { codeOf } from '../errors.ts';

/** Make a folder and those above it; one that is there, or that somebody else makes meanwhile, is left as it is. */
export async function makeFolder(path: string): Promise<void> {
  const folder = resolve(path);
  const above = dirname(folder);
  const cause = await refusal(folder);
  if (cause === null) return;
  if (codeOf(cause) !== 'ENOENT') throw cause;
  if (!(await isFolder(above))) await makeFolder(above);
  const again = await refusal(folder);
  if (again !== null) throw again;
}

/** Makes one folder, unless it is there; why it is not, else null. */
async function refusal(folder: string): Promise<unknown> {
  try {
    await mkdir(folder);
    return null;
  } catch (cause) {
    return (await isFolder(folder)) ? null : cause;
  }
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
