/** What of a storage root may go? Runs that are over for long, and inputs that no run names any more. */
import { runKeys } from '../storage/keys.ts';
import type { Root } from '../storage/root.ts';

/**
 * Remove what the root holds of forgotten runs: those named, and those that ended before then.
 *
 * @returns the runs that were removed
 */
export async function pruneRoot(
  root: Root,
  forgotten: readonly string[],
  olderThanMs: number,
): Promise<readonly string[]> {
  const before = Date.now() - olderThanMs;
  const removed: string[] = [];
  const named = new Set<string>();
  for (const run of await root.names('runs')) {
    const { all, end, order } = runKeys(run);
    const { endedAt = null } = parsed<{ endedAt: number }>(await root.read(end));
    if (forgotten.includes(run) || (endedAt !== null && endedAt < before)) {
      await root.remove(all);
      removed.push(run);
      continue;
    }
    const { files = {} } = parsed<{ files: Record<string, string> }>(await root.read(order));
    for (const file of Object.values(files)) named.add(file.replace(/#.*$/u, ''));
  }
  for (const { path, keptAt } of await root.under('inputs')) {
    const key = `inputs/${path}`;
    // A job that is being submitted has copied its inputs and is not in the root yet.
    if (!named.has(key) && keptAt < before) await root.remove(key);
  }
  return removed;
}

function parsed<T>(bytes: Uint8Array | null): Partial<T> {
  try {
    return bytes === null ? {} : (JSON.parse(Buffer.from(bytes).toString('utf8')) as Partial<T>);
  } catch {
    return {};
  }
}
