/** How elements of a .npy are read by range. */
import { SkewflowError } from '../errors.ts';
import { type ByteFile, openByteFile } from './byte-file.ts';
import { decodeElements } from './element-types.ts';
import { headerBytesFirst, npyHeaderBytes, parseNpyHeader } from './npy-header.ts';
import { elementCount, type RawArray, shapeText } from './source.ts';

/**
 * A .npy of numbers of any type and either byte order. Only the ranges asked for are ever read.
 *
 * @throws InputError for a missing or truncated file, Fortran order, and elements that are not real numbers
 */
export async function openNpy(path: string, label = path): Promise<RawArray> {
  return npyIn(await openByteFile(path, label));
}

/** A .npy in any bytes; on failure they are closed. */
export async function npyIn(file: ByteFile): Promise<RawArray> {
  try {
    return await opened(file);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function opened(file: ByteFile): Promise<RawArray> {
  const { label, size } = file;
  const start = await file.read(0, Math.min(size, headerBytesFirst));
  const headerBytes = npyHeaderBytes(start, label);
  if (size < headerBytes) {
    throw new SkewflowError(
      'InputError',
      `${label}: the file is truncated: its header alone has ${headerBytes} bytes, the file has ${size}`,
      {
        expected: headerBytes,
        actual: size,
      },
    );
  }
  const header = parseNpyHeader(
    headerBytes <= start.length ? start.subarray(0, headerBytes) : await file.read(0, headerBytes),
    label,
  );
  const { type, littleEndian, shape } = header;
  const expected = header.bytes + elementCount(shape) * type.bytes;
  if (size !== expected) {
    const what =
      size < expected
        ? 'the file is truncated: copy or save it again'
        : 'the file is longer than its header says: it is damaged, or more than one array was saved into it';
    throw new SkewflowError(
      'InputError',
      `${label}: ${what} (shape ${shapeText(shape)} of \`${header.descr}\` needs ${expected} bytes, the file has ${size})`,
      { expected, actual: size },
    );
  }
  return {
    label,
    shape,
    elements: async (begin, end) => {
      const bytes = await file.read(header.bytes + begin * type.bytes, header.bytes + end * type.bytes);
      return decodeElements(bytes, type, littleEndian, end - begin);
    },
    identity: file.identity,
    close: file.close,
  };
}
