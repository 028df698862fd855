/** How does a finished folder become visible where no rename does it at once? File by file, the one that says so last. */
import { copyFile, mkdir, open, readdir, rm } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';

/** What every complete folder of results holds: written last where files become visible one by one. */
export const resultFile = 'result.json';

/** The files below a folder, in the order they are published in, as paths with `/`. */
export async function filesToPublish(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'));
  return publishOrder(files);
}

/**
 * Numbers first; then what says that they are an array or a group, the outermost last; then what says that there is a result.
 */
export function publishOrder(paths: readonly string[]): readonly string[] {
  const rank = (path: string): number => {
    if (path === resultFile) return 1;
    return path === 'zarr.json' || path.endsWith('/zarr.json')
      ? -path.split('/').length
      : Number.NEGATIVE_INFINITY;
  };
  return [...paths].sort((a, b) => {
    const [first, second] = [rank(a), rank(b)];
    if (first !== second) return first - second;
    return a < b ? -1 : 1;
  });
}

/**
 * Copies a finished folder over another, or to where there is none. What was there stops being a result first; what is
 * there becomes one last. After a failure there is neither.
 */
export async function copyOver(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await clear(to);
  try {
    for (const path of await filesToPublish(from)) {
      const file = join(to, path);
      await mkdir(dirname(file), { recursive: true });
      await copyFile(join(from, path), file);
      const handle = await open(file, 'r+');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
  } catch (cause) {
    await clear(to).catch(() => {});
    throw cause;
  }
}

/** Empties a folder and leaves it: it may be where a file system is mounted. */
async function clear(folder: string): Promise<void> {
  await rm(join(folder, resultFile), { force: true });
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true });
}
