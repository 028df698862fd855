/**
 * What is a bucket to this project? Objects by key: written whole, read by range, replaced only on a condition where two
 * writers could meet.
 *
 * An object is there completely or not at all, and a `put` that has resolved is seen by every later `get`, `head` and
 * `list` (S3 is strongly consistent since December 2020). There is no rename: what is complete is said by an object that is
 * written last.
 */
export interface ObjectStore {
  /** For messages and results: `s3://bucket/prefix`, without a slash at its end. */
  readonly url: string;
  /** Size and ETag; null where there is no such object. */
  readonly head: (key: string) => Promise<ObjectFacts | null>;
  /**
   * Bytes [begin, end), or all of the object; null where there is none.
   *
   * @throws InputError when `etag` is given and the object has another by now
   */
  readonly get: (key: string, part?: ObjectPart) => Promise<StoredObject | null>;
  /** Writes an object. An outcome, no error, when the condition does not hold: somebody else was faster. */
  readonly put: (key: string, bytes: Uint8Array, condition?: PutCondition) => Promise<PutOutcome>;
  /** Writes an object of any size in parts, read one after another; it appears when the last part is there. */
  readonly upload: (key: string, size: number, read: ReadRange) => Promise<void>;
  /** Writes an object that is made of pieces of others; large ones are copied inside the storage. As `upload` otherwise. */
  readonly compose: (key: string, pieces: readonly Piece[]) => Promise<void>;
  /** All objects whose keys begin with `prefix`, in the order of their keys. */
  readonly list: (prefix: string) => AsyncIterable<ObjectEntry>;
  /** What follows `prefix` in the keys that begin with it, up to the next `/`; each name once. */
  readonly names: (prefix: string) => AsyncIterable<string>;
  /** Removes an object; one that is not there is no error. */
  readonly delete: (key: string) => Promise<void>;
}

export interface ObjectFacts {
  readonly size: number;
  readonly etag: string;
}

export interface ObjectEntry extends ObjectFacts {
  readonly key: string;
  /** When it was written, milliseconds since 1970 by the storage's clock. */
  readonly writtenAt: number;
}

/** Bytes [begin, end) of an object, or bytes as they are. */
export type Piece =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'object'; readonly key: string; readonly begin: number; readonly end: number };

export interface StoredObject {
  readonly bytes: Buffer;
  readonly etag: string;
}

/** Which part of an object, and of which version. */
export interface ObjectPart {
  readonly range?: { readonly begin: number; readonly end: number };
  readonly etag?: string;
}

/** When an object may be written: only where there is none, or only over the version with that ETag. */
export type PutCondition = { readonly kind: 'absent' } | { readonly kind: 'matches'; readonly etag: string };

/**
 * `refused`: the condition does not hold. As a put whose answer was lost is sent again, the version in the way may be the
 * one that was put: who must know compares the bytes.
 */
export type PutOutcome = { readonly kind: 'refused' } | { readonly kind: 'stored'; readonly etag: string };

/** Bytes [begin, end) of what is uploaded. */
export type ReadRange = (begin: number, end: number) => Promise<Uint8Array>;

/** `details.code` of an OutOfReachError that may be gone later: the storage does not answer, or says that it cannot now. */
export const unreachableCode = 'STORAGE_UNREACHABLE';
