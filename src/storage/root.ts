/**
 * Where do coordinators and workers keep what must outlive them? Under one root that all of them see.
 *
 *   <root>/inputs/<sha256>.npy            arrays that came with a job, by content; shared by all runs
 *   <root>/spool/<id>                     the run is accepted and not over
 *   <root>/runs/<id>/order.json           the run as it was accepted
 *   <root>/runs/<id>/checkpoints/…        the last two checkpoints
 *   <root>/runs/<id>/rows-read/<shard>    SHA-256 of the rows that were read for a shard, by the first who read them
 *   <root>/runs/<id>/rows/…               N-sized results, written by whoever computed those rows: see `rows.ts`
 *   <root>/runs/<id>/result/              the results of a run that is done: the folder that `fetch` copies
 *   <root>/runs/<id>/end.json             how a run ended; absent while it goes on
 *
 * `file:///path` and a plain path are a folder that is mounted everywhere. Everything but rows is written whole: under a
 * temporary name, synced, renamed, the folder synced; so a reader finds the old bytes or the new ones and nothing else.
 * `s3://bucket/prefix` is a bucket, whose objects appear whole by themselves.
 */
import { isAbsolute, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { SkewflowError } from '../errors.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { isS3Url, noS3, parseS3Url, type S3Settings } from '../objects/s3-settings.ts';
import { openFolder } from './folder.ts';

/** Bytes by key, in a folder or in a bucket; a key is names separated by `/`. */
export type Root = BucketRoot | FolderRoot;

/** What both are. */
export interface Kept {
  readonly url: string;
  /** Why only this machine sees what is kept here; null: others do, as far as can be told. */
  readonly nodeLocal: string | null;
  /** Bytes that may still be written; null: nobody can tell, or there is no end to it. */
  readonly freeBytes: () => Promise<number | null>;
  /** The whole of it; null: there is no such key. */
  readonly read: (key: string) => Promise<Uint8Array | null>;
  /** All of it or nothing; on the disk when it resolves. */
  readonly write: (key: string, bytes: Uint8Array | string) => Promise<void>;
  /** Write a short text unless there is one, and return the one that is there: of several writers the first wins. */
  readonly claim: (key: string, text: string) => Promise<string>;
  /** Names directly under a key, sorted; none where there is nothing. */
  readonly names: (key: string) => Promise<readonly string[]>;
  /** Everything under a key, however deep, sorted by path. */
  readonly under: (key: string) => Promise<readonly Stored[]>;
  /** A key and everything under it. */
  readonly remove: (key: string) => Promise<void>;
  readonly has: (key: string) => Promise<boolean>;
  /**
   * Keep a file of this machine under a key, whole or not at all.
   *
   * @param sha256 - of what is to be kept
   * @throws InputError (`INPUT_CHANGED`) when the file has other bytes by now
   */
  readonly keep: (key: string, path: string, sha256: string, onBytes: OnBytes) => Promise<void>;
  /** Copy what a key holds into a file of this machine; its bytes. */
  readonly copyOut: (key: string, path: string) => Promise<number>;
  /** How a job names the array that a key holds: a path, or a URL. It is read while this process lives. */
  readonly place: (key: string) => Promise<string>;
}

/** A folder that is mounted everywhere. */
export interface FolderRoot extends Kept {
  readonly kind: 'folder';
  /** The file of a key, for arrays that several processes write in place; the folders above it are made. */
  readonly file: (key: string) => Promise<string>;
}

/** A bucket: nothing in it can be changed in place, or renamed. */
export interface BucketRoot extends Kept {
  readonly kind: 'bucket';
  readonly objects: ObjectStore;
}

/** Something under a key. */
export interface Stored {
  /** From that key on. */
  readonly path: string;
  readonly bytes: number;
  /** When it came here, milliseconds since 1970. */
  readonly keptAt: number;
}

/** Told of bytes that were copied. */
export type OnBytes = (count: number) => void;

/**
 * Open a root.
 *
 * @param text - `file:///path`, a path, or `s3://bucket/prefix`
 * @param s3 - the storage behind `s3://`
 * @throws UsageError for another scheme; OutOfReachError when nothing can be written there
 */
export async function openRoot(text: string, s3: S3Settings = noS3): Promise<Root> {
  if (isS3Url(text)) {
    const place = parseS3Url(text);
    if (place === null) throw usage(text, 'expected s3://bucket/prefix');
    const { openBucket } = await import('./bucket.ts');
    return openBucket(place, s3);
  }
  const folder = folderNamed(text);
  return openFolder(folder, pathToFileURL(folder).href);
}

function folderNamed(text: string): string {
  const scheme = /^([a-z][a-z0-9+.-]+):/iu.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined && text !== '') return resolve(text);
  if (scheme === 'file') {
    try {
      const path = fileURLToPath(text);
      if (isAbsolute(path)) return resolve(path);
    } catch (cause) {
      throw usage(text, 'expected file:///an/absolute/path', cause);
    }
  }
  throw usage(
    text,
    'expected file:///path, a path, or s3://bucket/prefix that coordinators and workers all see',
  );
}

function usage(text: string, why: string, cause?: unknown): SkewflowError {
  return new SkewflowError('UsageError', `--storage ${text}: ${why}`, {}, { cause });
}
