/**
 * How do messages lie in a stream of bytes? As frames: two lengths, the headers packed, and one block with all their numbers.
 *
 * What is large is neither copied into a frame nor out of it: it is written from where it lies, and read to where it stays.
 */
import { Packr } from 'msgpackr';
import { z } from 'zod';
import { SkewflowError } from '../../errors.ts';

export type Numbers = Float32Array | Float64Array | Uint8Array;

/** A small header, and behind it numbers as typed arrays, in an order that the header's kind fixes. */
export interface Message<Header> {
  readonly header: Header;
  readonly arrays: readonly Numbers[];
}

const packr = new Packr({ useRecords: false });

/** How an array lies in the block: its type and its length. Arrays begin at multiples of eight. */
const types = { f32: Float32Array, f64: Float64Array, u8: Uint8Array } as const;
export const Layout = z.tuple([z.enum(['f32', 'f64', 'u8']), z.int().nonnegative()]);
export type Layout = z.infer<typeof Layout>;

/** The lengths of the headers and of the block, as doubles: rows of a shard may take more than 4 GiB. */
const lengthsBytes = 16;

/** An array from here on is written from where it lies: a copy would take longer than one more piece to write. */
const largeBytes = 2 ** 15;

const aligned = (bytes: number): number => Math.ceil(bytes / 8) * 8;

/** A frame as pieces to be written one after another; the large ones are the messages' own arrays. */
export function frameOf(messages: readonly Message<unknown>[]): readonly Uint8Array[] {
  const header = packr.pack(messages.map(({ header, arrays }) => [header, arrays.map(layoutOf)]));
  const arrays = messages.flatMap((m) => m.arrays).filter((a) => a.byteLength > 0);
  const blockBytes = arrays.reduce((bytes, a) => bytes + aligned(a.byteLength), 0);
  const lengths = new Uint8Array(Float64Array.of(header.length, blockBytes).buffer);
  const pieces: Uint8Array[] = [];
  let small: Uint8Array[] = [lengths, header];
  const join = (): void => {
    if (small.length > 0) pieces.push(small.length === 1 ? (small[0] as Uint8Array) : Buffer.concat(small));
    small = [];
  };
  for (const array of arrays) {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    if (bytes.length >= largeBytes) {
      join();
      pieces.push(bytes);
    } else small.push(bytes);
    if (bytes.length % 8 !== 0) small.push(new Uint8Array(8 - (bytes.length % 8)));
  }
  join();
  return pieces;
}

function layoutOf(array: Numbers): Layout {
  if (array instanceof Float64Array) return ['f64', array.length];
  return [array instanceof Float32Array ? 'f32' : 'u8', array.length];
}

/** A frame that has come: its headers as they were packed, and its block in memory of its own. */
export interface Frame {
  readonly header: Uint8Array;
  readonly block: Uint8Array<ArrayBuffer>;
}

/** The messages of a frame; `Headers` knows which headers may come, each with the layouts of its numbers. */
export function messagesOf<Header>(
  Headers: z.ZodType<[Header, Layout[]][]>,
  { header, block }: Frame,
): readonly Message<Header>[] {
  const parsed = Headers.safeParse(packr.unpack(header));
  if (!parsed.success) {
    throw new SkewflowError(
      'ProtocolError',
      `a message between supervisor and child is malformed: ${parsed.error.message}`,
    );
  }
  let at = 0;
  return parsed.data.map(([header, layouts]) => ({
    header,
    arrays: layouts.map(([type, length]) => {
      const array = new types[type](block.buffer, at, length);
      at += aligned(array.byteLength);
      return array;
    }),
  }));
}

/** What comes in one reading where no block is waited for. */
const scratchBytes = 2 ** 16;

/**
 * Puts frames together from what comes, however it is cut.
 *
 * Either whoever reads asks where the next bytes shall go (`room`) and says how many came (`filled`), so that the bytes of a block
 * are read to where they stay; or it has them somewhere already (`take`).
 */
export class FrameReader {
  readonly #hear: (frame: Frame) => void;
  readonly #scratch = new Uint8Array(scratchBytes);
  readonly #lengths = new Uint8Array(lengthsBytes);
  /** The part that is being filled, and how far it is. */
  #part: 'block' | 'header' | 'lengths' = 'lengths';
  #target: Uint8Array = this.#lengths;
  #at = 0;
  #header = new Uint8Array(0);
  #block = new Uint8Array(0);
  /** Whether `room` was of the block itself. */
  #direct = false;

  constructor(hear: (frame: Frame) => void) {
    this.#hear = hear;
  }

  room(): Uint8Array {
    this.#direct = this.#part === 'block' && this.#target.length - this.#at >= scratchBytes;
    return this.#direct ? this.#target.subarray(this.#at) : this.#scratch;
  }

  filled(bytes: number): void {
    if (!this.#direct) {
      this.take(this.#scratch.subarray(0, bytes));
      return;
    }
    this.#at += bytes;
    this.#advance();
  }

  take(bytes: Uint8Array): void {
    let taken = 0;
    while (taken < bytes.length) {
      const count = Math.min(this.#target.length - this.#at, bytes.length - taken);
      this.#target.set(bytes.subarray(taken, taken + count), this.#at);
      this.#at += count;
      taken += count;
      this.#advance();
    }
  }

  /** On to the next part where this one is full; a part may be empty. */
  #advance(): void {
    while (this.#at === this.#target.length) {
      this.#at = 0;
      switch (this.#part) {
        case 'lengths': {
          const [header = 0, block = 0] = new Float64Array(this.#lengths.buffer);
          this.#header = new Uint8Array(header);
          this.#block = new Uint8Array(block);
          this.#part = 'header';
          this.#target = this.#header;
          break;
        }
        case 'header':
          this.#part = 'block';
          this.#target = this.#block;
          break;
        case 'block': {
          const frame: Frame = { header: this.#header, block: this.#block };
          this.#part = 'lengths';
          this.#target = this.#lengths;
          this.#block = new Uint8Array(0);
          this.#hear(frame);
        }
      }
    }
  }
}
