import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  FrameReader,
  frameOf,
  Layout,
  type Message,
  messagesOf,
  type Numbers,
} from '../../../src/worker/child/frames.ts';

interface Header {
  readonly kind: string;
  readonly request: number;
}
const Headers = z.array(z.tuple([z.strictObject({ kind: z.string(), request: z.int() }), z.array(Layout)]));

/** What comes out of a reader that is given these bytes in pieces of such lengths, read to where it wants them or taken. */
function received(bytes: Uint8Array, cuts: readonly number[], direct: boolean): Message<Header>[] {
  const all: Message<Header>[] = [];
  const reader = new FrameReader((frame) => all.push(...messagesOf(Headers, frame)));
  let at = 0;
  for (let n = 0; at < bytes.length; n++) {
    const cut = cuts[n % cuts.length] ?? 1;
    const room = direct ? reader.room() : null;
    const piece = bytes.subarray(at, at + Math.min(cut, room?.length ?? cut));
    if (room === null) reader.take(piece);
    else {
      room.set(piece);
      reader.filled(piece.length);
    }
    at += piece.length;
  }
  return all;
}

/** Arrays as text: compared one number after another they take seconds. */
function plain(all: readonly Message<Header>[]): unknown {
  const text = (a: Numbers): string => Buffer.from(a.buffer, a.byteOffset, a.byteLength).toString('latin1');
  return all.map(({ header, arrays }) => [header, arrays.map((a) => [a.constructor.name, text(a)])]);
}

const numbers: fc.Arbitrary<Numbers> = fc.oneof(
  fc.float64Array({ maxLength: 40 }),
  fc.float32Array({ maxLength: 40 }),
  fc.uint8Array({ maxLength: 40 }),
  // More than one reading of the socket brings.
  fc.nat(40_000).map((length) => Float64Array.from({ length }, (_, n) => n / 7)),
);
const messages: fc.Arbitrary<Message<Header>[]> = fc.array(
  fc.record({
    header: fc.record({ kind: fc.string(), request: fc.nat() }),
    arrays: fc.array(numbers, { maxLength: 4 }),
  }),
  { minLength: 1, maxLength: 4 },
);

describe('frames', () => {
  test('give back what was put in, however the stream is cut', () => {
    const sometimesLong = fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 100_000 }));
    const cutting = fc.array(sometimesLong, { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.array(messages, { maxLength: 3 }), cutting, fc.boolean(), (frames, cuts, direct) => {
        const bytes = Buffer.concat(frames.flatMap(frameOf));
        // Not so many pieces that a long stream takes for ever.
        const pieces = cuts.map((cut) => cut + (bytes.length >> 10));
        expect(plain(received(bytes, pieces, direct))).toEqual(plain(frames.flat()));
      }),
      { numRuns: 60 },
    );
  });

  test('hold large arrays where they lie, and small ones in one piece', () => {
    const large = new Float64Array(100_000).fill(1 / 3);
    const small = Float32Array.of(0.1, 0.2, 0.3);
    const header = { kind: 'x', request: 1 };
    const pieces = frameOf([{ header, arrays: [small, small, large, small] }]);
    expect(pieces.map((piece) => piece.buffer === large.buffer)).toEqual([false, true, false]);
    expect(pieces[2]?.length).toBe(16);
  });

  test('with a header that nobody knows are refused', () => {
    const bytes = Buffer.concat(frameOf([{ header: { kind: 7 }, arrays: [] }]));
    expect(() => received(bytes, [bytes.length], false)).toThrow(/malformed/);
  });
});
