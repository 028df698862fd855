/**
 * Where do coordinators and workers keep what must outlive them? Under one root that all of them see.
 *
 *   <root>/inputs/<sha256>.npy            arrays that came with a job, by content; shared by all runs
 *   <root>/spool/<id>                     the run is accepted and not over
 *   <root>/runs/<id>/order.json           the run as it was accepted
 *   <root>/runs/<id>/checkpoints/…        the last two checkpoints
 *   <root>/runs/<id>/rows-read/<shard>    SHA-256 of the rows that were read for a shard, by the first who read them
 *   <root>/runs/<id>/rows/<kind>/x.npy    N-sized results, written in place by whoever computed those rows
 *   <root>/runs/<id>/result/              the results of a run that is done: the folder that `fetch` copies
 *   <root>/runs/<id>/end.json             how a run ended; absent while it goes on
 *
 * `file:///path` and a plain path are a folder that is mounted everywhere. Everything but rows is written whole: under a
 * temporary name, synced, renamed, the folder synced; so a reader finds the old bytes or the new ones and nothing else.
 */
import { isAbsolute, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { SkewflowError } from '../errors.ts';
import { openFolder } from './folder.ts';

/** Bytes by key; a key is names separated by `/`. */
export interface Root {
  readonly url: string;
  /** Why only this machine sees what is kept here; null: others do, as far as can be told. */
  readonly nodeLocal: string | null;
  /** The whole of it; null: there is no such key. */
  readonly read: (key: string) => Promise<Uint8Array | null>;
  /** All of it or nothing; on the disk when it resolves. */
  readonly write: (key: string, bytes: Uint8Array | string) => Promise<void>;
  /** Write a short text unless there is one, and return the one that is there: of several writers the first wins. */
  readonly claim: (key: string, text: string) => Promise<string>;
  /** Names directly under a key, sorted; none where there is nothing. */
  readonly names: (key: string) => Promise<readonly string[]>;
  /** A key and everything under it. */
  readonly remove: (key: string) => Promise<void>;
  /** Give what is under a key another one; what was there before goes. */
  readonly move: (from: string, to: string) => Promise<void>;
  readonly has: (key: string) => Promise<boolean>;
  /** The file of a key, for arrays that are read or written by range; the folders above it are made. */
  readonly file: (key: string) => Promise<string>;
}

/**
 * Open a root.
 *
 * @param text - `file:///path` or a path
 * @throws UsageError for another scheme; OutOfReachError when the folder cannot be made or written
 */
export async function openRoot(text: string): Promise<Root> {
  const folder = folderNamed(text);
  return openFolder(folder, pathToFileURL(folder).href);
}

function folderNamed(text: string): string {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//iu.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined && text !== '') return resolve(text);
  if (scheme === 'file') {
    try {
      const path = fileURLToPath(text);
      if (isAbsolute(path)) return resolve(path);
    } catch (cause) {
      throw new SkewflowError(
        'UsageError',
        `--storage ${text}: expected file:///an/absolute/path`,
        {},
        { cause },
      );
    }
  }
  throw new SkewflowError(
    'UsageError',
    `--storage ${text}: expected file:///path or a path that coordinators and workers all see`,
  );
}
