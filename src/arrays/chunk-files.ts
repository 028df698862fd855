/** How are files of raw numbers written in place by several processes, each its own ranges? */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { SkewflowError } from '../errors.ts';
import { encodeElements } from './npy-writer.ts';
import type { Reals } from './source.ts';

/** Files of one size each. None stays open: there are as many as shards and arrays. */
export interface ChunkFiles {
  /**
   * Writes numbers from element `begin` of a file on. A file that is not there is made, as long as a whole chunk; whoever
   * makes it, nothing that another wrote is lost, as all ask for the same length.
   */
  readonly write: (path: string, bytes: number, pieces: readonly ChunkPiece[]) => Promise<void>;
  /** Makes sure that everything written so far is on the disk. */
  readonly flush: () => Promise<void>;
}

export interface ChunkPiece {
  /** The first element. */
  readonly begin: number;
  readonly data: Reals;
}

/** @param type - of every number, little-endian */
export function chunkFiles(type: 'f4' | 'f8'): ChunkFiles {
  const written = new Set<string>();
  const elementBytes = type === 'f4' ? 4 : 8;
  return {
    write: async (path, bytes, pieces) => {
      try {
        const handle = await open(path, constants.O_RDWR | constants.O_CREAT);
        try {
          await handle.truncate(bytes);
          for (const { begin, data } of pieces) {
            const encoded = encodeElements(data, type);
            for (let at = 0; at < encoded.length; ) {
              const rest = encoded.length - at;
              const { bytesWritten } = await handle.write(encoded, at, rest, begin * elementBytes + at);
              at += bytesWritten;
            }
          }
        } finally {
          await handle.close();
        }
      } catch (cause) {
        failed(path, cause);
      }
      written.add(path);
    },
    flush: async () => {
      for (const path of written) {
        try {
          const handle = await open(path, 'r+');
          try {
            await handle.sync();
          } finally {
            await handle.close();
          }
        } catch (cause) {
          failed(path, cause);
        }
        written.delete(path);
      }
    },
  };
}

function failed(path: string, cause: unknown): never {
  const why = cause instanceof Error ? cause.message : String(cause);
  throw new SkewflowError('JobFailedError', `${path}: could not be written: ${why}`, {}, { cause });
}
