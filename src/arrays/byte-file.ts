/** How bytes of a file, or of a part of one, are read by range. */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { codeOf, isCodeOfFailure, isSkewflowError, SkewflowError } from '../errors.ts';

/** Bytes at rest. Ranges may be read at the same time. */
export interface ByteFile {
  readonly label: string;
  readonly size: number;
  /** Bytes [begin, end), all of them. Rejects with InputError when the file has become shorter. */
  readonly read: (begin: number, end: number) => Promise<Buffer>;
  /** Names the content (see `contentIdentity`). */
  readonly identity: string;
  readonly close: () => Promise<void>;
}

/** Files up to this size are identified by all of their content, larger ones by samples, size and modification time. */
const hashedWholeBytesMax = 16 * 2 ** 20;
const sampleBytes = 65_536;

/**
 * Opens a file for reading.
 *
 * @throws InputError when it is missing, a folder, or not readable; OutOfReachError when the disk fails
 */
export async function openByteFile(path: string, label = path): Promise<ByteFile> {
  const handle = await open(path, 'r').catch((cause: unknown) => {
    throw notRead(label, cause);
  });
  try {
    const stat = await handle.stat().catch((cause: unknown) => {
      throw notRead(label, cause);
    });
    if (stat.isDirectory())
      throw new SkewflowError('InputError', `${label}: this is a folder, not an array file`);
    const read = (begin: number, end: number): Promise<Buffer> => readRange(handle, label, begin, end);
    const identity = await contentIdentity(read, stat.size, stat.mtimeMs);
    return { label, size: stat.size, read, identity, close: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Bytes in memory. */
export function memoryFile(bytes: Buffer, label: string, identity: string): ByteFile {
  return {
    label,
    size: bytes.length,
    read: (begin, end) => Promise.resolve(bytes.subarray(begin, end)),
    identity,
    close: () => Promise.resolve(),
  };
}

/** Bytes [begin, begin + size) of another file; closing it closes that one. */
export function partOf(file: ByteFile, begin: number, size: number, label: string): ByteFile {
  return {
    label,
    size,
    read: (from, to) => file.read(begin + from, begin + to),
    identity: `${file.identity}[${begin}+${size}]`,
    close: file.close,
  };
}

/**
 * Whatever the path, equal files have equal identities; for large files equal means size, modification time, first and
 * last 64 KiB.
 */
async function contentIdentity(read: ByteFile['read'], size: number, mtimeMs: number): Promise<string> {
  const hash = createHash('sha256');
  if (size <= hashedWholeBytesMax) return hash.update(await read(0, size)).digest('hex');
  hash.update(await read(0, sampleBytes)).update(await read(size - sampleBytes, size));
  return `${hash.digest('hex')} ${size} bytes ${mtimeMs}`;
}

async function readRange(handle: FileHandle, label: string, begin: number, end: number): Promise<Buffer> {
  const buffer = Buffer.alloc(end - begin);
  // One call reads at most 2³¹ − 1 bytes, and may read fewer.
  for (let at = 0; at < buffer.length; ) {
    const length = Math.min(buffer.length - at, 2 ** 30);
    const { bytesRead } = await handle.read(buffer, at, length, begin + at).catch((cause: unknown) => {
      throw notRead(label, cause);
    });
    if (bytesRead === 0) {
      throw new SkewflowError(
        'InputError',
        `${label}: the file ended at byte ${begin + at}: it was shortened while it was read`,
      );
    }
    at += bytesRead;
  }
  return buffer;
}

/**
 * The error for what the operating system does not give: the input is wrong, or the disk is.
 *
 * @param what - what of it, with a colon behind
 */
export function notRead(label: string, cause: unknown, what = ''): SkewflowError {
  if (isSkewflowError(cause, 'OutOfReachError')) return cause;
  const code = codeOf(cause);
  const tag = isCodeOfFailure(code) ? 'OutOfReachError' : 'InputError';
  return new SkewflowError(tag, `${label}: ${what}${unreadable(cause)}`, { code }, { cause });
}

/** Why the operating system does not give a file, in words. */
export function unreadable(cause: unknown): string {
  switch (codeOf(cause) ?? '') {
    case 'ENOENT':
      return 'there is no such file';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'EISDIR':
      return 'this is a folder';
    case 'ENOTDIR':
      return 'a part of the path is a file, not a folder';
    default:
      return cause instanceof Error ? cause.message : String(cause);
  }
}
