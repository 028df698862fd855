/**
 * How do the results of a run come together in the root, and leave it? N-sized arrays are taken where their rows were
 * written, the rest is written beside them. In a folder they appear by a rename; in a bucket `result.json` comes last, and
 * without it there are none. `fetch` copies them out, complete or not at all.
 */
import { copyFile, link, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { filesToPublish, resultFile } from '../arrays/publish.ts';
import { createResultFolder, type ResultFolder } from '../arrays/result-folder.ts';
import { uploadFile } from '../arrays/s3-result-folder.ts';
import { SkewflowError } from '../errors.ts';
import { eachOf } from '../objects/each-of.ts';
import { runKeys } from './keys.ts';
import { asOutOfReach } from './room.ts';
import type { BucketRoot, FolderRoot, OnBytes, Root } from './root.ts';
import { bytesOf, composedFiles, composeRows, type RowsLeft } from './row-parts.ts';

/**
 * Assemble the results of a run; may be done again after any failure.
 *
 * @param left - the rows that workers wrote
 * @param fill - writes what is not N-sized
 * @throws OutOfReachError when the storage, or the disk of this machine, fails or does not show all rows
 */
export async function assembleResult(
  root: Root,
  run: string,
  left: RowsLeft,
  fill: (folder: ResultFolder) => Promise<void>,
): Promise<void> {
  try {
    if (root.kind === 'bucket') await assembleInBucket(root, run, left, fill);
    else await assembleInFolder(root, run, left, fill);
  } catch (error) {
    throw asOutOfReach(error);
  }
}

// --- in a folder ------------------------------------------------------------------------------------------

async function assembleInFolder(
  root: FolderRoot,
  run: string,
  left: RowsLeft,
  fill: (folder: ResultFolder) => Promise<void>,
): Promise<void> {
  const { result, rows } = runKeys(run);
  const target = await root.file(result);
  await removeUnfinished(target);
  await using folder = await createResultFolder(target, true);
  for (const file of composedFiles(rows, left)) {
    const from = await root.file(`${rows}/${file.path}`);
    await refuseIncomplete(from, bytesOf(file));
    await linked(from, await folder.path(...file.path.split('/')));
  }
  await fill(folder);
  await folder.commit();
}

/** A folder over a network may be seen late, and results that lack a file would be no results. */
async function refuseIncomplete(path: string, bytes: number): Promise<void> {
  const found = await stat(path);
  if (found.size === bytes) return;
  const why = `${path}: ${found.size} bytes are there of ${bytes} that workers wrote`;
  throw new SkewflowError('OutOfReachError', why, { path });
}

/** What a coordinator that was killed while it assembled left behind, where folders are renamed and where they are copied. */
async function removeUnfinished(target: string): Promise<void> {
  const there = await readdir(target).catch(() => null);
  if (there !== null && !there.includes(resultFile)) await rm(target, { recursive: true, force: true });
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

// --- in a bucket ------------------------------------------------------------------------------------------

/** The rows stay where they are, too; what is large never comes here. */
async function assembleInBucket(
  { objects }: BucketRoot,
  run: string,
  left: RowsLeft,
  fill: (folder: ResultFolder) => Promise<void>,
): Promise<void> {
  const { result, rows } = runKeys(run);
  await using temporary = await temporaryFolder();
  await using folder = await createResultFolder(join(temporary.path, 'result'));
  await composeRows(objects, rows, result, left);
  await fill(folder);
  await folder.commit();
  for (const path of await filesToPublish(folder.target)) {
    await uploadFile(objects, `${result}/${path}`, join(folder.target, path));
  }
}

// --- out of either ----------------------------------------------------------------------------------------

/** Files that are copied at once. */
const atOnce = 8;

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
  onBytes: OnBytes = () => {},
): Promise<string | null> {
  const { result, resultFile } = runKeys(run);
  if (!(await root.has(resultFile))) return null;
  await using folder = await createResultFolder(target, force);
  await eachOf(await root.under(result), atOnce, async ({ path }) => {
    onBytes(await root.copyOut(`${result}/${path}`, await folder.path(...path.split('/'))));
  });
  await folder.commit();
  return folder.target;
}

/**
 * Have the results of a run in a folder for as long as it takes to read them: the root's own, or a copy.
 *
 * @throws what `read` throws
 */
export async function withResult<T>(
  root: Root,
  run: string,
  read: (folder: string) => Promise<T>,
): Promise<T> {
  if (root.kind === 'folder') return read(await root.file(runKeys(run).result));
  await using temporary = await temporaryFolder();
  const folder = join(temporary.path, 'result');
  await fetchResult(root, run, folder, false);
  return await read(folder);
}

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'skewflow-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
