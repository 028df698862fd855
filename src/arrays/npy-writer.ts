/** How a .npy is written in place: header once, elements at their offsets in any order. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { codeOf, SkewflowError } from '../errors.ts';
import { hostIsLittleEndian } from './element-types.ts';
import { formatNpyHeader } from './npy-header.ts';
import { elementCount, type Reals } from './source.ts';

/** A .npy that is being written. Ranges that do not meet may be written at the same time. */
export interface NpyWriter {
  readonly path: string;
  readonly shape: readonly number[];
  /** Elements [begin, begin + data.length), row-major; converted to the file's type. Rejects with JobFailedError. */
  readonly write: (begin: number, data: Reals) => Promise<void>;
  /** Makes sure that what was written so far is on the disk. */
  readonly flush: () => Promise<void>;
  /** Makes sure that everything is on the disk, and closes the file. */
  readonly close: () => Promise<void>;
}

/** Elements converted and written at once. */
const elementsAtOnce = 2 ** 18;

/**
 * Creates a .npy of that shape; what is never written is 0.
 *
 * @param type - `f4` or `f8`, little-endian
 * @throws JobFailedError when the file cannot be made
 */
export function createNpy(path: string, type: 'f4' | 'f8', shape: readonly number[]): Promise<NpyWriter> {
  return openedNpy(path, 'w', type, shape);
}

/**
 * Opens a .npy of that shape that several processes write, each its own ranges, and creates it where it is not there yet.
 * Whoever comes first, nothing that another wrote is lost: all write the same header and ask for the same length.
 *
 * @throws JobFailedError when the file cannot be opened
 */
export function shareNpy(path: string, type: 'f4' | 'f8', shape: readonly number[]): Promise<NpyWriter> {
  return openedNpy(path, constants.O_RDWR | constants.O_CREAT, type, shape);
}

async function openedNpy(
  path: string,
  flags: number | string,
  type: 'f4' | 'f8',
  shape: readonly number[],
): Promise<NpyWriter> {
  const header = formatNpyHeader(type, shape);
  const elementBytes = type === 'f4' ? 4 : 8;
  const handle = await open(path, flags).catch((cause: unknown) => failed(path, cause));
  try {
    await handle.truncate(header.length + elementCount(shape) * elementBytes);
    await writeAll(handle, header, 0);
  } catch (cause) {
    await handle.close();
    failed(path, cause);
  }
  const write = async (begin: number, data: Reals): Promise<void> => {
    if (begin < 0 || begin + data.length > elementCount(shape)) {
      throw new RangeError(`${path}: elements [${begin}, ${begin + data.length}) of ${elementCount(shape)}`);
    }
    try {
      for (let at = 0; at < data.length; at += elementsAtOnce) {
        const bytes = encodeElements(data.subarray(at, at + elementsAtOnce), type);
        await writeAll(handle, bytes, header.length + (begin + at) * elementBytes);
      }
    } catch (cause) {
      failed(path, cause);
    }
  };
  const flush = (): Promise<void> => handle.sync().catch((cause: unknown) => failed(path, cause));
  const close = async (): Promise<void> => {
    try {
      await flush();
    } finally {
      await handle.close();
    }
  };
  return { path, shape, write, flush, close };
}

/** The bytes of a whole .npy. */
export function npyBytes(type: 'f4' | 'f8', shape: readonly number[], data: Reals): Buffer {
  return Buffer.concat([formatNpyHeader(type, shape), encodeElements(data, type)]);
}

/** Numbers as they lie in a file. */
export function encodeElements(data: Reals, type: 'f4' | 'f8'): Buffer {
  const native = type === 'f4' ? data instanceof Float32Array : data instanceof Float64Array;
  if (native && hostIsLittleEndian) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const bytes = Buffer.alloc(data.length * (type === 'f4' ? 4 : 8));
  for (const [n, value] of data.entries()) {
    if (type === 'f4') bytes.writeFloatLE(value, 4 * n);
    else bytes.writeDoubleLE(value, 8 * n);
  }
  return bytes;
}

async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}

function failed(path: string, cause: unknown): never {
  const why = cause instanceof Error ? cause.message : String(cause);
  const code = codeOf(cause);
  throw new SkewflowError(
    'JobFailedError',
    `${path}: could not be written: ${why}`,
    { path, code },
    { cause },
  );
}
