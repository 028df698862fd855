/**
 * How do small messages cross a wire? As MessagePack of at most 16 KiB, read into a fresh object through a schema.
 *
 * The bytes are walked before anything decodes them: only null, booleans, numbers, text, arrays and maps with text keys
 * pass, each no longer than what is left, so that no extension type, no `__proto__` and no array of four thousand million
 * promised items reaches the decoder.
 */
import { Packr } from 'msgpackr';
import type { z } from 'zod';
import { SkewflowError } from '../../errors.ts';

/** Largest control part, in bytes. */
export const controlBytesMax = 16 * 1024;
/** Deepest nesting: messages here are flat. */
const depthMax = 8;

const packr = new Packr({ useRecords: false, variableMapSize: true, mapsAsObjects: true });

/**
 * A message as bytes.
 *
 * @throws ProtocolError when it is larger than a control part may be
 */
export function encodeControl<T>(message: T): Buffer {
  const bytes = packr.pack(message);
  if (bytes.length > controlBytesMax)
    throw refused(`${bytes.length} bytes, at most ${controlBytesMax} are allowed`);
  return bytes;
}

/**
 * The message in these bytes, as this schema knows it.
 *
 * @throws ProtocolError for anything else
 */
export function decodeControl<Schema extends z.ZodType>(bytes: Uint8Array, schema: Schema): z.infer<Schema> {
  if (bytes.length > controlBytesMax)
    throw refused(`${bytes.length} bytes, at most ${controlBytesMax} are allowed`);
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = itemEnd(view, 0, 0);
  if (end !== view.length) throw refused(`${view.length - end} bytes after the message`);
  const parsed = schema.safeParse(packr.unpack(view));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw refused(`${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? 'not as expected'}`);
  }
  return parsed.data;
}

function refused(what: string): SkewflowError {
  return new SkewflowError('ProtocolError', `message: ${what}`);
}

/**
 * Where the item that begins at `at` ends.
 *
 * MessagePack specification, “Formats” (https://github.com/msgpack/msgpack/blob/master/spec.md).
 */
function itemEnd(bytes: Buffer, at: number, depth: number): number {
  if (depth > depthMax) throw refused('nested too deep');
  const tag = byteAt(bytes, at);
  if (tag <= 0x7f || tag >= 0xe0) return at + 1; // fixint
  if (tag <= 0x8f) return entriesEnd(bytes, at + 1, tag & 0x0f, depth, true);
  if (tag <= 0x9f) return entriesEnd(bytes, at + 1, tag & 0x0f, depth, false);
  if (tag <= 0xbf) return within(bytes, at + 1 + (tag & 0x1f)); // fixstr
  const width = fixedWidths.get(tag);
  if (width !== undefined) return within(bytes, at + 1 + width);
  switch (tag) {
    case 0xd9:
      return within(bytes, at + 2 + byteAt(bytes, at + 1));
    case 0xda:
      return within(bytes, at + 3 + bytes.readUInt16BE(within(bytes, at + 3) - 2));
    case 0xdc:
    case 0xde: {
      const count = bytes.readUInt16BE(within(bytes, at + 3) - 2);
      return entriesEnd(bytes, at + 3, count, depth, tag === 0xde);
    }
    default:
      throw refused(`type 0x${tag.toString(16)} is not allowed`); // binary, extensions, 64-bit integers, 2³²-sized lengths
  }
}

/** nil, false, true, float 32 and 64, unsigned and signed integers up to 32 bits: bytes after the tag. */
const fixedWidths: ReadonlyMap<number, number> = new Map([
  [0xc0, 0],
  [0xc2, 0],
  [0xc3, 0],
  [0xca, 4],
  [0xcb, 8],
  [0xcc, 1],
  [0xcd, 2],
  [0xce, 4],
  [0xd0, 1],
  [0xd1, 2],
  [0xd2, 4],
]);

function entriesEnd(bytes: Buffer, begin: number, count: number, depth: number, keyed: boolean): number {
  let at = begin;
  for (let n = 0; n < count; n++) {
    if (keyed) {
      const tag = byteAt(bytes, at);
      const isText = (tag >= 0xa0 && tag <= 0xbf) || tag === 0xd9 || tag === 0xda;
      if (!isText) throw refused('a key that is no text');
      const end = itemEnd(bytes, at, depth + 1);
      if (bytes.subarray(at, end).includes('__proto__')) throw refused('a key named __proto__');
      at = end;
    }
    at = itemEnd(bytes, at, depth + 1);
  }
  return at;
}

function byteAt(bytes: Buffer, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw refused('cut short');
  return byte;
}

function within(bytes: Buffer, end: number): number {
  if (end > bytes.length) throw refused('cut short');
  return end;
}
