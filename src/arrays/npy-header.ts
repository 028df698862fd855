/** What the first bytes of a .npy say, and which bytes say it. */
import { SkewflowError } from '../errors.ts';
import { type ElementType, elementTypes, refusedKinds } from './element-types.ts';
import { shapeText } from './source.ts';

/**
 * The header of a .npy: magic `\x93NUMPY`, version (major, minor), length of the text that follows (2 bytes in version 1,
 * 4 in versions 2 and 3, little-endian), and a Python dictionary with `descr`, `fortran_order` and `shape`.
 *
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
export interface NpyHeader {
  readonly type: ElementType;
  /** As in the header, e.g. `<f4`. */
  readonly descr: string;
  readonly littleEndian: boolean;
  readonly shape: readonly number[];
  /** Bytes before the first element. */
  readonly bytes: number;
}

/** Enough for the header of any array of numbers; a longer one is read in a second go. */
export const headerBytesFirst = 512;
/** numpy itself refuses longer ones by default (10 000 characters of text). */
const headerBytesMax = 65_536;

const magic = Buffer.from('\x93NUMPY', 'latin1');

/**
 * The length of the whole header, from its first bytes.
 *
 * @throws InputError when these are not the first bytes of a .npy
 */
export function npyHeaderBytes(start: Buffer, label: string): number {
  const refuse = (why: string): never => {
    throw new SkewflowError('InputError', `${label}: ${why}`);
  };
  if (start.length < 10 || !start.subarray(0, 6).equals(magic)) {
    return refuse(
      start.subarray(0, 2).equals(Buffer.from('PK'))
        ? 'this is a zip file, not a .npy: if it is a .npz, name it so and choose an array with `path.npz#name`'
        : 'not a .npy file: it does not begin with \\x93NUMPY (write it with `np.save`)',
    );
  }
  const major = start[6]!;
  if (major < 1 || major > 3) return refuse(`.npy format version ${major} is not known (1, 2 and 3 are)`);
  if (major > 1 && start.length < 12) return refuse('the .npy file ends inside its header');
  const bytes = major === 1 ? 10 + start.readUInt16LE(8) : 12 + start.readUInt32LE(8);
  if (bytes > headerBytesMax)
    return refuse(`the .npy header claims ${bytes} bytes, more than ${headerBytesMax}`);
  return bytes;
}

/**
 * Reads a header.
 *
 * @param header - exactly the bytes `npyHeaderBytes` counted
 * @throws InputError for what is refused: Fortran order, and elements that are not real numbers
 */
export function parseNpyHeader(header: Buffer, label: string): NpyHeader {
  const refuse = (why: string): never => {
    throw new SkewflowError('InputError', `${label}: ${why}`);
  };
  const major = header[6]!;
  const text = header.toString(major === 3 ? 'utf8' : 'latin1', major === 1 ? 10 : 12);

  const order = /['"]fortran_order['"]\s*:\s*(True|False)/u.exec(text)?.[1];
  const axes = /['"]shape['"]\s*:\s*\(([^)]*)\)/u.exec(text)?.[1];
  if (order === undefined || axes === undefined) {
    return refuse('the .npy header is damaged: `fortran_order` or `shape` is missing');
  }
  if (/['"]descr['"]\s*:\s*\[/u.test(text)) {
    return refuse(`the array holds records, not numbers: ${refusedKinds.get('V')!.remedy}`);
  }
  const descr = /['"]descr['"]\s*:\s*['"]([^'"]*)['"]/u.exec(text)?.[1];
  const parts = /^([<>|=]?)([A-Za-z?])(\d*)/u.exec(descr ?? '');
  if (descr === undefined || parts === null) return refuse('the .npy header is damaged: `descr` is missing');

  const [, byteOrder, kind, size] = parts;
  const type = elementTypes.get(`${kind}${size}`);
  if (type === undefined) {
    const refused = refusedKinds.get(kind!);
    return refuse(
      refused === undefined
        ? `elements of type \`${descr}\` are not read: save it as \`a.astype('f8')\``
        : `the array holds ${refused.name} (\`${descr}\`), not real numbers: ${refused.remedy}`,
    );
  }
  const shape = parseShape(axes) ?? refuse(`the .npy header is damaged: shape \`(${axes})\``);
  // With at most one axis longer than 1 both orders are the same bytes.
  if (order === 'True' && shape.filter((n) => n > 1).length > 1) {
    return refuse(
      `the array is in Fortran order (column-major): save it with \`np.save(path, np.ascontiguousarray(a))\``,
    );
  }
  return { type, descr, littleEndian: byteOrder !== '>', shape, bytes: header.length };
}

function parseShape(text: string): readonly number[] | null {
  const axes = text
    .split(',')
    .map((axis) => axis.trim())
    .filter((axis) => axis !== '');
  if (!axes.every((axis) => /^\d+L?$/u.test(axis))) return null;
  const shape = axes.map((axis) => Number.parseInt(axis, 10));
  return shape.every((n) => Number.isSafeInteger(n)) && Number.isSafeInteger(shape.reduce((p, n) => p * n, 1))
    ? shape
    : null;
}

/**
 * The header of a C-ordered little-endian array, as numpy writes it: version 1.0, padded with spaces and a newline to a
 * multiple of 64 bytes, so that the elements are aligned in a mapped file.
 */
export function formatNpyHeader(type: 'f4' | 'f8', shape: readonly number[]): Buffer {
  const text = `{'descr': '<${type}', 'fortran_order': False, 'shape': ${shapeText(shape)}, }`;
  const bytes = Math.ceil((10 + text.length + 1) / 64) * 64;
  const header = Buffer.alloc(bytes, ' ');
  magic.copy(header);
  header[6] = 1;
  header[7] = 0;
  header.writeUInt16LE(bytes - 10, 8);
  header.write(text, 10, 'latin1');
  header[bytes - 1] = 0x0a;
  return header;
}
