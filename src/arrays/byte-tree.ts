/** How the files of one folder are read by path: what a zarr is made of. */
import { createHash } from 'node:crypto';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, SkewflowError } from '../errors.ts';
import { notRead } from './byte-file.ts';

/** Files by path, wherever they lie. Paths have `/` between names and none at the start. */
export interface ByteTree {
  readonly label: string;
  /** All of a file; null where there is none. */
  readonly get: (path: string) => Promise<Buffer | null>;
  /** A part of a file; null where there is none. */
  readonly range: (path: string, range: TreeRange) => Promise<Buffer | null>;
  /** Names below a path, for messages; none where they cannot be listed. */
  readonly members: (path: string) => Promise<readonly string[]>;
  /** Names the content of everything below a path. */
  readonly identity: (path: string) => Promise<string>;
  readonly close: () => Promise<void>;
}

/** Bytes [begin, end), or the last so many. */
export type TreeRange = { readonly begin: number; readonly end: number } | { readonly suffix: number };

/** Folders up to this size are identified by all of their content, larger ones by names, sizes and modification times. */
const hashedWholeBytesMax = 16 * 2 ** 20;

/**
 * A folder of this machine.
 *
 * @throws InputError when it is missing or no folder
 */
export async function openFolder(folder: string, label = folder): Promise<ByteTree> {
  const found = await stat(folder).catch((cause: unknown) => {
    throw notRead(label, cause);
  });
  if (!found.isDirectory()) {
    throw new SkewflowError('InputError', `${label}: this is a file, and a zarr is a folder`);
  }
  const attempt = async <T>(path: string, read: () => Promise<T>): Promise<T | null> => {
    try {
      return await read();
    } catch (cause) {
      if (isAbsent(cause)) return null;
      throw notRead(`${label}/${path}`, cause);
    }
  };
  return {
    label,
    get: (path) => attempt(path, () => readFile(join(folder, path))),
    range: (path, range) => attempt(path, () => readPart(join(folder, path), range)),
    members: async (path) => (await attempt(path, () => readdir(join(folder, path)))) ?? [],
    identity: (path) =>
      folderIdentity(join(folder, path)).catch((cause: unknown) => {
        throw notRead(`${label}/${path}`, cause);
      }),
    close: async () => {},
  };
}

async function readPart(file: string, range: TreeRange): Promise<Buffer> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    const begin = 'suffix' in range ? Math.max(0, size - range.suffix) : range.begin;
    const end = 'suffix' in range ? size : Math.min(size, range.end);
    const buffer = Buffer.alloc(Math.max(0, end - begin));
    for (let at = 0; at < buffer.length; ) {
      const { bytesRead } = await handle.read(buffer, at, buffer.length - at, begin + at);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    return buffer;
  } finally {
    await handle.close();
  }
}

async function folderIdentity(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => {
        const path = join(entry.parentPath, entry.name);
        const { size, mtimeMs } = await stat(path);
        return { path, name: path.slice(folder.length).replaceAll('\\', '/'), size, mtimeMs };
      }),
  );
  files.sort((a, b) => (a.name < b.name ? -1 : 1));
  const whole = files.reduce((sum, { size }) => sum + size, 0) <= hashedWholeBytesMax;
  const hash = createHash('sha256');
  for (const { path, name, size, mtimeMs } of files) {
    hash.update(JSON.stringify(whole ? [name, size] : [name, size, mtimeMs]));
    if (whole) hash.update(await readFile(path));
  }
  return hash.digest('hex');
}

function isAbsent(cause: unknown): boolean {
  const code = codeOf(cause);
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR';
}
