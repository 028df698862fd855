import fc from 'fast-check';
import { expect, test } from 'vitest';
import { composedParts, pieceBytes } from '../../src/objects/compose.ts';
import type { Piece } from '../../src/objects/object-store.ts';

const limits = { bytesMin: 50, copiedBytesMax: 400, parts: 1000 };

/** What a piece stands for: each byte by where it comes from. */
const bytesOf = (piece: Piece): readonly string[] =>
  piece.kind === 'bytes'
    ? [...piece.bytes].map((byte) => `byte ${byte}`)
    : Array.from({ length: piece.end - piece.begin }, (_, n) => `${piece.key} ${piece.begin + n}`);

const pieces = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 130 }).map((bytes): Piece => ({ kind: 'bytes', bytes })),
    fc
      .tuple(fc.integer({ min: 0, max: 999 }), fc.integer({ min: 0, max: 1500 }))
      .map(([begin, count]): Piece => ({ kind: 'object', key: 'a', begin, end: begin + count })),
  ),
  { maxLength: 12 },
);

test('parts are the pieces, in order, and of sizes that S3 takes', () => {
  fc.assert(
    fc.property(pieces, (given) => {
      const parts = composedParts(given, limits);
      const made = parts.flatMap((part) =>
        part.kind === 'sent' ? part.pieces.flatMap(bytesOf) : bytesOf({ ...part, kind: 'object' }),
      );
      expect(made).toEqual(given.flatMap(bytesOf));
      for (const [n, part] of parts.entries()) {
        const bytes = part.kind === 'sent' ? part.bytes : part.end - part.begin;
        if (part.kind === 'sent') {
          expect(part.pieces.reduce((sum, piece) => sum + pieceBytes(piece), 0)).toBe(bytes);
          expect(bytes).toBeLessThanOrEqual(limits.bytesMin);
        }
        if (n < parts.length - 1) expect(bytes).toBeGreaterThanOrEqual(limits.bytesMin);
        expect(bytes).toBeLessThanOrEqual(limits.copiedBytesMax);
      }
    }),
    { numRuns: 200 },
  );
});

test('there are never more parts than S3 takes, however many the pieces', () => {
  const many = Array.from(
    { length: 5000 },
    (_, n): Piece => ({ kind: 'object', key: `${n}`, begin: 0, end: 60 }),
  );
  expect(composedParts(many, { ...limits, parts: 100 }).length).toBeLessThanOrEqual(100);
  const [first] = composedParts(many, limits);
  expect(first?.kind).toBe('sent');
});
