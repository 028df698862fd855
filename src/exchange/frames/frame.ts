/**
 * How do arrays cross a wire? As frames: a fixed header, a small control part, raw little-endian doubles.
 *
 *    0  u32  magic                     72  f64  epoch              96  u32  bytes of control
 *    4  u16  protocol version          80  f64  iteration         100  u32  zero
 *    6  u8   type                      88  i32  first leaf        104  u32  count of doubles
 *    7  u8   phase                     92  i32  past the last     108  u32  CRC-32 of everything else
 *    8  32×  job digest                                           112  control, zeros to a multiple of 8
 *   40  32×  parameter digest                                          doubles
 *
 * Nothing is allocated or decoded before length and checksum agree. A CRC of degree 32 finds every single flipped bit and
 * every burst up to 32 bits.
 *
 * Peterson & Brown, “Cyclic Codes for Error Detection”, Proc. IRE 49 (1961), theorems 1, 5 and 6.
 */
import { endianness } from 'node:os';
import { crc32 } from 'node:zlib';
import { SkewflowError } from '../../errors.ts';
import { type ParameterDigest, Phase, protocolVersion } from '../../protocol.ts';
import { controlBytesMax } from './control.ts';

/** What a frame holds. */
export const frameTypes = { iteration: 1, postings: 2 } as const;
export type FrameType = keyof typeof frameTypes;

/** What every frame says about itself. */
export interface FrameHeader {
  readonly type: FrameType;
  readonly phase: Phase;
  /** SHA-256, 64 hex digits. */
  readonly jobDigest: string;
  readonly parameterDigest: ParameterDigest;
  /** Of the desk that wrote it; 0 in what seats write. */
  readonly epoch: number;
  readonly iteration: number;
  /** Leaves it is about, [begin, end); −1 stands for the `sources` leaf, and −1, −1 for none in particular. */
  readonly leaves: { readonly begin: number; readonly end: number };
}

export interface Frame {
  readonly header: FrameHeader;
  readonly control: Uint8Array;
  /** A copy, aligned and of its own: the bytes a frame came in may lie anywhere and be reused. */
  readonly reals: Float64Array;
}

const magic = 0x4b_46_57_53; // "SWFK" as bytes
const headerBytes = 112;
const checksumAt = 108;
/** Largest frame there is: what a store takes for one value. */
const frameBytesMax = 512 * 2 ** 20;
const phases = Phase.options;
const bigEndian = endianness() === 'BE';

/** A frame of this header and control part, with room for `count` doubles that `fill` writes. */
export function encodeFrame(
  header: FrameHeader,
  control: Uint8Array,
  count: number,
  fill: (reals: Float64Array) => void,
): Buffer {
  const bodyAt = headerBytes + padded(control.length);
  const length = bodyAt + 8 * count;
  if (length > frameBytesMax) throw malformed(`a frame of ${length} bytes is too large`);
  // Not cleared first: every byte is written below.
  const frame = Buffer.allocUnsafeSlow(length);
  frame.writeUInt32LE(magic, 0);
  frame.writeUInt16LE(protocolVersion, 4);
  frame.writeUInt8(frameTypes[header.type], 6);
  frame.writeUInt8(phases.indexOf(header.phase), 7);
  writeDigest(frame, 8, header.jobDigest);
  writeDigest(frame, 40, header.parameterDigest);
  frame.writeDoubleLE(header.epoch, 72);
  frame.writeDoubleLE(header.iteration, 80);
  frame.writeInt32LE(header.leaves.begin, 88);
  frame.writeInt32LE(header.leaves.end, 92);
  frame.writeUInt32LE(control.length, 96);
  frame.writeUInt32LE(0, 100);
  frame.writeUInt32LE(count, 104);
  frame.fill(0, headerBytes, bodyAt);
  frame.set(control, headerBytes);
  fill(new Float64Array(frame.buffer, bodyAt, count));
  if (bigEndian) frame.subarray(bodyAt).swap64();
  frame.writeUInt32LE(checksumOf(frame), checksumAt);
  return frame;
}

/**
 * The frame in these bytes.
 *
 * @throws ProtocolError for anything that is not exactly one intact frame of this version and type
 */
export function decodeFrame(bytes: Uint8Array, type: FrameType): Frame {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (frame.length < headerBytes) throw malformed(`${frame.length} bytes are no frame`);
  if (frame.readUInt32LE(0) !== magic) throw malformed('not a frame');
  const version = frame.readUInt16LE(4);
  if (version !== protocolVersion)
    throw malformed(`a frame of protocol version ${version}, expected ${protocolVersion}`);
  const controlLength = frame.readUInt32LE(96);
  const count = frame.readUInt32LE(104);
  const bodyAt = headerBytes + padded(controlLength);
  if (controlLength > controlBytesMax) throw malformed(`a control part of ${controlLength} bytes`);
  if (frame.length !== bodyAt + 8 * count)
    throw malformed(`${frame.length} bytes where the header says ${bodyAt + 8 * count}`);
  if (checksumOf(frame) !== frame.readUInt32LE(checksumAt)) throw malformed('the checksum does not fit');
  if (frame.readUInt8(6) !== frameTypes[type]) throw malformed(`not a frame of type ${type}`);
  const phase = phases[frame.readUInt8(7)];
  if (phase === undefined || frame.readUInt32LE(100) !== 0) throw malformed('unknown fields in the header');
  return {
    header: {
      type,
      phase,
      jobDigest: frame.toString('hex', 8, 40),
      parameterDigest: frame.toString('hex', 40, 72) as ParameterDigest,
      epoch: counted(frame.readDoubleLE(72)),
      iteration: counted(frame.readDoubleLE(80)),
      leaves: { begin: frame.readInt32LE(88), end: frame.readInt32LE(92) },
    },
    control: frame.subarray(headerBytes, headerBytes + controlLength),
    reals: copyOfReals(frame.subarray(bodyAt)),
  };
}

/** An error for bytes that do not follow the protocol. */
export function malformed(what: string): SkewflowError {
  return new SkewflowError('ProtocolError', `frame: ${what}`);
}

function copyOfReals(bytes: Uint8Array): Float64Array {
  const copy = Buffer.allocUnsafeSlow(bytes.byteLength);
  copy.set(bytes);
  if (bigEndian) copy.swap64();
  return new Float64Array(copy.buffer);
}

function checksumOf(frame: Buffer): number {
  return crc32(frame.subarray(checksumAt + 4), crc32(frame.subarray(0, checksumAt)));
}

function padded(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

function counted(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw malformed(`${value} is no count`);
  return value;
}

function writeDigest(frame: Buffer, at: number, hex: string): void {
  if (!/^[0-9a-f]{64}$/.test(hex)) throw malformed(`\`${hex}\` is no SHA-256 in hex`);
  frame.write(hex, at, 'hex');
}
