/** How a folder of results comes to be: complete, or not at all. */
import { randomUUID } from 'node:crypto';
import { lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { codeOf, refuseNameless, SkewflowError, unwritable } from '../errors.ts';
import { makeFolder } from './make-folder.ts';
import { copyOver, resultFile } from './publish.ts';
import { syncFolder } from './whole-file.ts';

/** A folder that is being filled under a temporary name beside its target. */
export interface ResultFolder extends AsyncDisposable {
  readonly target: string;
  /** The path of a file in it; the folders above it are made. */
  readonly path: (...parts: readonly string[]) => Promise<string>;
  /** Writes a text file and makes sure that it is on the disk. */
  readonly writeText: (name: string, text: string) => Promise<void>;
  /** Gives the folder its name. Afterwards, or after `discard`, nothing else may be called. */
  readonly commit: () => Promise<void>;
  /** Removes what was written, unless it was committed: safe to call at any end. */
  readonly discard: () => Promise<void>;
}

/**
 * Begins a result folder. Nothing is ever seen under `target` that is not complete; a failure leaves nothing behind.
 * Where the file system cannot rename a folder, its files are copied to the target at the end, `result.json` last.
 *
 * @param force - whether an existing folder is replaced, at the final rename
 * @param renameFolder - the system's rename
 * @throws UsageError when the target has no name, or exists and may not be replaced; JobFailedError when nothing can be written there
 */
export async function createResultFolder(
  target: string,
  force = false,
  renameFolder: RenameFolder = rename,
): Promise<ResultFolder> {
  refuseNameless(target, 'output');
  const full = resolve(target);
  await refuseExisting(full, target, force);
  const temporary = join(dirname(full), `.${basename(full)}.${randomUUID()}.partial`);
  await makeFolder(dirname(full)).catch((cause: unknown) => failed(target, cause));
  await mkdir(temporary).catch((cause: unknown) => failed(target, cause));

  let unfinished = true;
  const folders = new Set([temporary]);
  const path = async (...parts: readonly string[]): Promise<string> => {
    const file = join(temporary, ...parts);
    const folder = dirname(file);
    if (!folders.has(folder))
      await mkdir(folder, { recursive: true }).catch((cause: unknown) => failed(target, cause));
    for (let above = folder; !folders.has(above); above = dirname(above)) folders.add(above);
    return file;
  };
  const discard = async (): Promise<void> => {
    if (!unfinished) return;
    unfinished = false;
    await rm(temporary, { recursive: true, force: true });
  };
  const commit = async (): Promise<void> => {
    try {
      for (const folder of folders) await syncFolder(folder);
      await refuseExisting(full, target, force);
      await replace(temporary, full, renameFolder);
      await syncFolder(dirname(full));
    } catch (cause) {
      await discard();
      if (cause instanceof SkewflowError) throw cause;
      failed(target, cause);
    }
    unfinished = false;
  };
  const writeText = async (name: string, text: string): Promise<void> => {
    const file = await path(name);
    try {
      const handle = await open(file, 'w');
      try {
        await handle.writeFile(text);
        await handle.sync();
      } finally {
        await handle.close();
      }
    } catch (cause) {
      failed(join(target, name), cause);
    }
  };
  return { target: full, path, writeText, commit, discard, [Symbol.asyncDispose]: discard };
}

/** Checked when the work begins, and again before the rename: another run may have been faster. */
async function refuseExisting(full: string, target: string, force: boolean): Promise<void> {
  const stat = await lstat(full).catch(() => null);
  if (stat === null) return;
  if (!force) {
    throw new SkewflowError(
      'UsageError',
      `${target} exists: choose another folder with \`--out\`, or replace it with \`--force\``,
    );
  }
  // A slip such as `--out . --force` must not cost a folder of something else.
  const entries = stat.isDirectory() ? await readdir(full) : null;
  if (entries !== null && (entries.length === 0 || entries.includes(resultFile))) return;
  throw new SkewflowError(
    'UsageError',
    `${target} is no folder of results (it has no ${resultFile}): \`--force\` replaces nothing else`,
  );
}

type RenameFolder = (from: string, to: string) => Promise<void>;

/**
 * What a rename fails with that works on other file systems: across mounts, on a mount point, on object stores that are
 * mounted as folders.
 */
const cannotRename: ReadonlySet<unknown> = new Set([
  'EXDEV',
  'EBUSY',
  'ENOSYS',
  'ENOTSUP',
  'EOPNOTSUPP',
  'EPERM',
]);

async function replace(temporary: string, full: string, renameFolder: RenameFolder): Promise<void> {
  try {
    await swapIn(temporary, full, renameFolder);
  } catch (cause) {
    if (!cannotRename.has(codeOf(cause))) throw cause;
    await copyOver(temporary, full);
    await rm(temporary, { recursive: true, force: true });
  }
}

/**
 * A folder cannot be renamed onto one that is not empty, so the old one steps aside first and comes back if the rename
 * fails.
 */
async function swapIn(temporary: string, full: string, renameFolder: RenameFolder): Promise<void> {
  const aside = join(dirname(full), `.${basename(full)}.${randomUUID()}.old`);
  const existed = await renameFolder(full, aside).then(
    () => true,
    (cause: unknown) => {
      if (codeOf(cause) === 'ENOENT') return false;
      throw cause;
    },
  );
  try {
    await renameFolder(temporary, full);
  } catch (cause) {
    if (existed) await renameFolder(aside, full);
    throw cause;
  }
  if (existed) await rm(aside, { recursive: true, force: true });
}

function failed(target: string, cause: unknown): never {
  throw unwritable(target, cause);
}
