/**
 * How is a root kept in a folder? Written whole and synced; see `root.ts`.
 */
import { randomUUID } from 'node:crypto';
import { copyFile, link, mkdir, readdir, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { freeBytes } from '../arrays/free-bytes.ts';
import { makeFolder } from '../arrays/make-folder.ts';
import { partialSuffix, writeWhole } from '../arrays/whole-file.ts';
import { codeOf, SkewflowError } from '../errors.ts';
import { copyIn } from './copy-in.ts';
import { isFull } from './room.ts';
import type { FolderRoot, Stored } from './root.ts';

export async function openFolder(folder: string, url: string): Promise<FolderRoot> {
  const pathOf = (key: string): string => join(folder, ...key.split('/'));
  const fileOf = (key: string): Promise<string> =>
    attempt(pathOf(key), async () => {
      await mkdir(dirname(pathOf(key)), { recursive: true });
      return pathOf(key);
    });
  const root: FolderRoot = {
    kind: 'folder',
    url,
    nodeLocal: await nodeLocal(folder),
    freeBytes: () => freeBytes(folder),
    read: (key) => orNull(readFile(pathOf(key)), key),
    write: (key, bytes) => attempt(pathOf(key), () => writeWhole(pathOf(key), bytes)),
    claim: (key, text) => attempt(pathOf(key), () => claim(pathOf(key), text)),
    names: async (key) => {
      const names = (await orNull(readdir(pathOf(key)), key)) ?? [];
      return names.filter((name) => !name.endsWith(partialSuffix)).sort();
    },
    remove: (key) => attempt(pathOf(key), () => rm(pathOf(key), removal)),
    has: async (key) => (await orNull(stat(pathOf(key)), key)) !== null,
    under: async (key) => (await orNull(filesUnder(pathOf(key)), key)) ?? [],
    keep: async (key, path, sha256, onBytes) => copyIn(path, await fileOf(key), sha256, { url, onBytes }),
    copyOut: (key, path) =>
      attempt(path, async () => {
        await copyFile(pathOf(key), path);
        return (await stat(path)).size;
      }),
    place: async (key) => pathOf(key),
    file: fileOf,
  };
  // Refused at the door rather than after the first gradient. Others may be at this door, too.
  const probe = `.probe-${randomUUID()}`;
  await root.write(probe, '').catch(refuse(folder));
  await root.remove(probe);
  return root;
}

/** A worker that has not heard yet that a run is over still writes rows of it: a folder that is not empty is tried again, for 5 s. */
const removal = { recursive: true, force: true, maxRetries: 10, retryDelay: 100 } as const;

/** A link to a file that is complete appears at once, or not at all when there is one of that name. */
async function claim(path: string, text: string): Promise<string> {
  const known = await readFile(path, 'utf8').catch(() => null);
  if (known !== null) return known;
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomUUID()}${partialSuffix}`;
  try {
    await writeFile(temporary, text, { flush: true });
    await link(temporary, path);
    return text;
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST') return await readFile(path, 'utf8');
    throw cause;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Times are of the name, not of the content: a copy has its original's time of modification. */
async function filesUnder(folder: string): Promise<readonly Stored[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !entry.name.endsWith(partialSuffix));
  const stored = await Promise.all(
    files.map(async (entry) => {
      const full = join(entry.parentPath, entry.name);
      const { size, ctimeMs } = await stat(full);
      return { path: relative(folder, full).split(sep).join('/'), bytes: size, keptAt: ctimeMs };
    }),
  );
  return stored.sort((a, b) => (a.path < b.path ? -1 : 1));
}

// --- failures ---------------------------------------------------------------------------------------------

async function attempt<T>(path: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (cause) {
    throw outOfReach(path, cause);
  }
}

async function orNull<T>(task: Promise<T>, key: string): Promise<T | null> {
  try {
    return await task;
  } catch (cause) {
    const code = codeOf(cause);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw outOfReach(key, cause);
  }
}

function outOfReach(path: string, cause: unknown): SkewflowError {
  const code = codeOf(cause);
  const why = isFull(cause) ? 'the disk is full' : cause instanceof Error ? cause.message : String(cause);
  return new SkewflowError('OutOfReachError', `${path}: ${why}`, { path, code }, { cause });
}

const refuse =
  (folder: string) =>
  (cause: unknown): never => {
    throw new SkewflowError(
      'OutOfReachError',
      `--storage ${folder}: nothing can be written there: ${cause instanceof Error ? cause.message : String(cause)}`,
      { path: folder },
      { cause },
    );
  };

// --- who else sees it -------------------------------------------------------------------------------------

/**
 * File systems that several machines mount, by the magic number of `statfs`: linux/magic.h, and the sources of Lustre, GPFS
 * and BeeGFS for theirs. FUSE is among them, as s3fs, GlusterFS and JuiceFS come by it.
 */
const shared: ReadonlyMap<number, string> = new Map([
  [0x6969, 'nfs'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb2'],
  [0x65735546, 'fuse'],
  [0x00c36400, 'ceph'],
  [0x01021997, '9p'],
  [0x0bd00bd0, 'lustre'],
  [0x47504653, 'gpfs'],
  [0x19830326, 'beegfs'],
  [0x01161970, 'gfs2'],
  [0x7461636f, 'ocfs2'],
  [0x5346414f, 'afs'],
]);

async function nodeLocal(folder: string): Promise<string | null> {
  await makeFolder(folder).catch(refuse(folder));
  const { type } = await statfs(folder);
  return shared.has(Number(type)) ? null : 'it is on a file system of this machine';
}
