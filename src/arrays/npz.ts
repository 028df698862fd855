/** How one array of a .npz is read: in place where it is stored, unpacked once where it is deflated. */
import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer as allOf } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { SkewflowError } from '../errors.ts';
import { type ByteFile, memoryFile, notRead, openByteFile, partOf } from './byte-file.ts';
import { npyIn } from './npy.ts';
import type { RawArray } from './source.ts';
import { noRoomFor } from './temporary.ts';

/** Deflated arrays up to this size are unpacked into memory, larger ones into a file of the temporary folder. */
const unpackedInMemoryBytesMax = 64 * 2 ** 20;

/** Compression methods of zip that occur in a .npz. */
const stored = 0;
const deflated = 8;

/**
 * Array `name` of a .npz.
 *
 * @param label - how messages name the archive
 * @throws InputError when the archive or the array is missing or damaged; the message lists the names there are
 */
export async function openNpz(path: string, name: string, label = path): Promise<RawArray> {
  const file = await openByteFile(path, label);
  try {
    return await npyIn(await entryFile(file, path, name, label));
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Names of the arrays of a .npz.
 *
 * @throws InputError when the archive is missing or damaged
 */
export async function npzNames(path: string): Promise<readonly string[]> {
  const zip = await openPromise(path, { lazyEntries: true, autoClose: false }).catch((cause: unknown) =>
    damaged(path, cause),
  );
  try {
    const names: string[] = [];
    for await (const entry of entriesOf(zip, path)) names.push(entry.fileName.replace(/\.npy$/u, ''));
    return names;
  } finally {
    zip.close();
  }
}

/** The bytes of one entry; closing them closes the archive. */
async function entryFile(archive: ByteFile, path: string, name: string, label: string): Promise<ByteFile> {
  const zip = await openPromise(path, { lazyEntries: true, autoClose: false }).catch((cause: unknown) =>
    damaged(label, cause),
  );
  try {
    const entries = new Map<string, Entry>();
    for await (const entry of entriesOf(zip, label)) entries.set(entry.fileName, entry);
    const entry = entries.get(`${name}.npy`) ?? entries.get(name);
    if (entry === undefined) {
      const names = [...entries.keys()].map((n) => `\`${n.replace(/\.npy$/u, '')}\``);
      const there = names.length === 0 ? 'it is empty' : `it holds ${names.join(', ')}`;
      throw new SkewflowError(
        'InputError',
        `${label}: there is no array \`${name}\` in the archive: ${there}`,
      );
    }
    const inside = `${label}#${name}`;
    if ((entry.generalPurposeBitFlag & 1) !== 0) {
      throw new SkewflowError('InputError', `${inside}: the entry is encrypted`);
    }
    if (entry.compressionMethod === stored) {
      const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
      return partOf(archive, fileDataStart, entry.uncompressedSize, inside);
    }
    if (entry.compressionMethod === deflated) return await unpacked(archive, zip, entry, inside);
    throw new SkewflowError(
      'InputError',
      `${inside}: compression method ${entry.compressionMethod} is not read: save it with \`np.savez\``,
    );
  } finally {
    zip.close();
  }
}

async function* entriesOf(zip: ZipFile, label: string): AsyncGenerator<Entry> {
  try {
    yield* zip.eachEntry();
  } catch (cause) {
    damaged(label, cause);
  }
}

/** A deflated entry cannot be read by range, so it is unpacked once; a file on disk is removed when it is closed. */
async function unpacked(archive: ByteFile, zip: ZipFile, entry: Entry, label: string): Promise<ByteFile> {
  const identity = `${archive.identity}[${entry.fileName}]`;
  const stream = (await zip.openReadStreamPromise(entry)) as Readable;
  if (entry.uncompressedSize <= unpackedInMemoryBytesMax) {
    const bytes = await allOf(stream).catch((cause: unknown) => damaged(label, cause));
    return { ...memoryFile(bytes, label, identity), close: archive.close };
  }
  const temporary = join(tmpdir(), `skewflow-${randomUUID()}.npy`);
  const discard = (): Promise<void> => rm(temporary, { force: true });
  try {
    await pipeline(stream, createWriteStream(temporary, { flags: 'wx', mode: 0o600 })).catch(
      (cause: unknown) => {
        if (isOfWriting(cause)) throw noRoomFor(label, cause);
        damaged(label, cause);
      },
    );
    const file = await openByteFile(temporary, label);
    // On POSIX an open file needs no name: whatever becomes of this process, nothing is left behind.
    if (process.platform !== 'win32') await discard();
    const close = async (): Promise<void> => {
      await file.close();
      await discard();
      await archive.close();
    };
    return { ...file, identity, close };
  } catch (error) {
    await discard();
    throw error;
  }
}

/** Whether it was the copy that failed, and not the archive. */
function isOfWriting(cause: unknown): boolean {
  return (
    cause instanceof Error && 'syscall' in cause && (cause.syscall === 'open' || cause.syscall === 'write')
  );
}

function damaged(label: string, cause: unknown): never {
  throw notRead(label, cause, 'not a readable .npz: ');
}
