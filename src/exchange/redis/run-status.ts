/**
 * How is a run's status kept? As a hash: what it was ordered as in one field, what changes in fields of their own.
 */
import type { z } from 'zod';
import { ErrorReport, type RunId } from '../../protocol.ts';
import { decodeControl, encodeControl } from '../frames/control.ts';
import { type BatchId, changesOfText, RunNews, RunOrder, RunStanding, type RunStatus } from '../register.ts';
import { bytesOf, type Reply, textOf } from './script.ts';

/** What stays the same over a run's life. */
const Head = RunOrder.pick({ jobDigest: true, name: true, key: true, batch: true, priority: true });
const Progress = RunNews.options[1];
const Summary = RunNews.options[0].shape.summary.unwrap();

export function headOf({ jobDigest, name, key, batch, priority }: RunOrder): Buffer {
  return encodeControl({ jobDigest, name, key, batch, priority } satisfies z.infer<typeof Head>);
}

/**
 * The status in the fields of its hash: names and values in turn.
 *
 * @param batch - as which member of which the run is looked at: another batch may have come to the same job by other changes
 */
export function statusOf(run: RunId, entries: readonly Reply[], batch?: BatchId): RunStatus {
  const fields = new Map<string, Buffer>();
  for (let i = 0; i < entries.length; i += 2) fields.set(textOf(entries[i]), bytesOf(entries[i + 1]));
  const read = <S extends z.ZodType>(name: string, schema: S): z.infer<S> | null => {
    const bytes = fields.get(name);
    return bytes === undefined ? null : decodeControl(bytes, schema);
  };
  const time = (name: string): number | null => (fields.has(name) ? Number(fields.get(name)) : null);
  return {
    run,
    ...decodeControl(bytesOf(fields.get('head')), Head),
    set: changesOfText((fields.get(`set ${batch}`) ?? fields.get('set'))?.toString()),
    state: RunStanding.parse(String(fields.get('state'))),
    epoch: time('epoch') ?? 0,
    progress: read('progress', Progress),
    error: read('error', ErrorReport),
    summary: read('summary', Summary),
    cancelAsked: fields.has('cancel'),
    submittedAt: time('submittedAt') ?? 0,
    startedAt: time('startedAt'),
    endedAt: time('endedAt'),
  };
}
