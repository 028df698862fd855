/** How much may still be written in a folder? */
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Bytes that this process may still write in a folder, or in the nearest one above it that exists; null: nobody can tell. */
export async function freeBytes(folder: string): Promise<number | null> {
  for (let at = folder; ; at = dirname(at)) {
    const found = await statfs(at).catch(() => null);
    if (found !== null) return found.bavail * found.bsize;
    if (at === dirname(at)) return null;
  }
}
