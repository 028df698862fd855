/** Which bytes a .npz has, so that equal numbers are equal files. */
import { open } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { SkewflowError } from '../errors.ts';
import { npyBytes } from './npy-writer.ts';
import type { Reals } from './source.ts';

/** An array by name. */
export interface NamedNumbers {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Reals;
}

/**
 * An archive of f8 arrays: entries stored and sorted by name, dated 1980-01-01, with one mode.
 */
export async function npzBytes(arrays: readonly NamedNumbers[]): Promise<Buffer> {
  const { ZipFile } = await import('yazl');
  const zip = new ZipFile();
  const sorted = [...arrays].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, shape, data } of sorted) {
    zip.addBuffer(npyBytes('f8', shape, data), `${name}.npy`, {
      compress: false,
      // DOS time has no zone: local midnight is 1980-01-01 00:00 in every file.
      mtime: new Date(1980, 0, 1),
      forceDosTimestamp: true,
      mode: 0o100644,
    });
  }
  zip.end();
  return buffer(zip.outputStream);
}

/** Writes an archive and makes sure that it is on the disk. */
export async function writeNpz(path: string, arrays: readonly NamedNumbers[]): Promise<void> {
  const bytes = await npzBytes(arrays);
  try {
    const handle = await open(path, 'w');
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SkewflowError('JobFailedError', `${path}: could not be written: ${why}`, {}, { cause });
  }
}
