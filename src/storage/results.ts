/**
 * How do the results of a run come together in the root, and leave it? N-sized arrays are linked where their rows were
 * written, the rest is written beside them, and the folder appears by a rename; `fetch` copies it out the same way.
 */
import { copyFile, link, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createResultFolder, type ResultFolder } from '../arrays/result-folder.ts';
import { runKeys } from './keys.ts';
import type { Root } from './root.ts';

/**
 * Assemble the results of a run; may be done again after any failure.
 *
 * @param fill - writes what is not N-sized
 */
export async function assembleResult(
  root: Root,
  run: string,
  fill: (folder: ResultFolder) => Promise<void>,
): Promise<void> {
  const { result, rows } = runKeys(run);
  const target = await root.file(result);
  await removeUnfinished(target);
  await using folder = await createResultFolder(target, true);
  for (const kind of await root.names(rows)) {
    for (const name of await root.names(`${rows}/${kind}`)) {
      await linked(await root.file(`${rows}/${kind}/${name}`), await folder.path(kind, name));
    }
  }
  await fill(folder);
  await folder.commit();
}

/** What a coordinator that was killed while it assembled left behind. */
async function removeUnfinished(target: string): Promise<void> {
  const names = await readdir(dirname(target)).catch(() => []);
  for (const name of names) {
    if (name.startsWith(`.${basename(target)}.`))
      await rm(join(dirname(target), name), { recursive: true, force: true });
  }
}

/** The rows stay where they are until the folder is complete: a coordinator may be lost in between. */
async function linked(from: string, to: string): Promise<void> {
  // Not every file system that is mounted over a network has links.
  await link(from, to).catch(() => copyFile(from, to));
}

/**
 * Copy the results of a run to a folder of the user's, complete or not at all.
 *
 * @returns the folder, absolute; null: there are no results
 * @throws UsageError when the folder exists and may not be replaced
 */
export async function fetchResult(
  root: Root,
  run: string,
  target: string,
  force: boolean,
  onBytes: (count: number) => void = () => {},
): Promise<string | null> {
  const { result } = runKeys(run);
  if (!(await root.has(`${result}/result.json`))) return null;
  await using folder = await createResultFolder(target, force);
  for (const file of await filesUnder(root, result)) {
    const from = await root.file(`${result}/${file}`);
    await copyFile(from, await folder.path(...file.split('/')));
    onBytes((await stat(from)).size);
  }
  await folder.commit();
  return folder.target;
}

async function filesUnder(root: Root, key: string): Promise<readonly string[]> {
  const folder = await root.file(key);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    );
}
