/**
 * How is an object made of pieces of others? In parts of an upload: what is large is copied inside the storage, small
 * pieces are gathered until they make a part.
 */
import type { Piece } from './object-store.ts';

/** One part of an upload: a range that the storage copies, or pieces that are read and sent. */
export type ComposedPart =
  | { readonly kind: 'copied'; readonly key: string; readonly begin: number; readonly end: number }
  | { readonly kind: 'sent'; readonly pieces: readonly Piece[]; readonly bytes: number };

/**
 * S3 takes parts from 5 MiB (the last may be smaller) to 5 GiB, and copies a range only out of an object of more than 5 MiB.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
 */
export const partLimits = { bytesMin: 8 * 2 ** 20, copiedBytesMax: 2 ** 32, parts: 10_000 } as const;

type PartLimits = { readonly [Name in keyof typeof partLimits]: number };

/** Bytes of a piece. */
export function pieceBytes(piece: Piece): number {
  return piece.kind === 'bytes' ? piece.bytes.length : piece.end - piece.begin;
}

/** The parts of an object that is the pieces one after another, in order. */
export function composedParts(
  pieces: readonly Piece[],
  limits: PartLimits = partLimits,
): readonly ComposedPart[] {
  const total = pieces.reduce((sum, piece) => sum + pieceBytes(piece), 0);
  // A range that is copied may end a part early: at most two parts for each so many bytes.
  const bytesMin = Math.max(limits.bytesMin, Math.ceil((2 * total) / limits.parts));
  const parts: ComposedPart[] = [];
  let gathered: Piece[] = [];
  let bytes = 0;
  const send = (): void => {
    if (bytes > 0) parts.push({ kind: 'sent', pieces: gathered, bytes });
    gathered = [];
    bytes = 0;
  };
  for (const piece of pieces) {
    const length = pieceBytes(piece);
    for (let at = 0; at < length; ) {
      const left = length - at;
      if (piece.kind === 'object' && bytes === 0 && left >= bytesMin) {
        const begin = piece.begin + at;
        const end = begin + Math.min(left, limits.copiedBytesMax);
        parts.push({ kind: 'copied', key: piece.key, begin, end });
        at += end - begin;
      } else {
        const count = Math.min(left, bytesMin - bytes);
        gathered.push(cut(piece, at, at + count));
        bytes += count;
        at += count;
        if (bytes === bytesMin) send();
      }
    }
  }
  send();
  return parts;
}

function cut(piece: Piece, from: number, to: number): Piece {
  return piece.kind === 'bytes'
    ? { kind: 'bytes', bytes: piece.bytes.subarray(from, to) }
    : { ...piece, begin: piece.begin + from, end: piece.begin + to };
}
