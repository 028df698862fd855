/** How does a run stand that Redis has forgotten? As the storage root tells: what was ordered, and how it ended. */
import { readFigures } from '../coordinator/outcome.ts';
import { Spool } from '../coordinator/spool.ts';
import { changesOfText, type RunStatus } from '../exchange/register.ts';
import type { RunId } from '../protocol.ts';
import { isRunKey } from '../storage/keys.ts';
import type { Root } from '../storage/root.ts';

/** null: the root does not know it either. A run that has not ended is accepted, and queued again from the spool. */
export async function storedStatus(root: Root, run: RunId): Promise<RunStatus | null> {
  const spool = new Spool(root);
  const order = isRunKey(run) ? await spool.order(run) : null;
  if (order === null) return null;
  const { jobDigest, name, key, batch, priority, submittedAt, folder } = order;
  const end = await spool.end(run);
  return {
    run,
    jobDigest,
    name,
    key,
    batch,
    set: changesOfText(folder['set']),
    priority,
    state: end?.state ?? 'accepted',
    epoch: 0,
    progress: null,
    error: end?.error ?? null,
    summary: end?.state === 'done' ? await readFigures(root, run) : null,
    cancelAsked: false,
    submittedAt,
    startedAt: null,
    endedAt: end?.endedAt ?? null,
  };
}
