/**
 * Where are runs registered? In Redis: each has a record, the queue decides who is taken next, and leases say who is
 * carried by whom.
 */
import { z } from 'zod';
import { SkewflowError } from '../../errors.ts';
import { RunEnd, RunId } from '../../protocol.ts';
import { Bell } from '../bell.ts';
import { shortened } from '../error-report.ts';
import { decodeControl, encodeControl } from '../frames/control.ts';
import {
  type BatchId,
  type Cancelled,
  type Charge,
  inputsBytesMax,
  isOver,
  type Register,
  type RunFilter,
  RunNews,
  RunOrder,
  type RunRecord,
  type RunStatus,
  summaryBytesMax,
} from '../register.ts';
import { RedisCharge } from './charge.ts';
import { type Hints, pollMs } from './hints.ts';
import { iterationKeys, lifeMs, queues, recordKeys } from './keys.ts';
import { type Held, Leases } from './leases.ts';
import type { Link } from './link.ts';
import * as scripts from './register-scripts.ts';
import { headOf, statusOf } from './run-status.ts';
import { bytesOf, bytesOrNull, listOf, numberOf, textOf } from './script.ts';

const RunJob = z.strictObject({ run: RunId, attempt: z.int().positive() });
type RunJob = z.infer<typeof RunJob>;

/** How often whoever waits for a run looks for those that nobody carries any more; at once when a lease lapses that was seen before. */
const lookMs = 800;
/** Records read at once. */
const pageLength = 256;

/** A register on this link; the link is the caller's to close, after it. */
export function redisRegister(link: Link, hints: Hints): Register {
  const { keys } = link;
  const indexes = [keys.runs, keys.ended, keys.queued, keys.taken];
  const charges = new Set<RedisCharge>();
  const leases = new Leases<RunJob>(link, queues.runs, RunJob);
  const recordOf = (run: RunId): readonly string[] => [...keys.record(run), ...indexes];

  return {
    submit: async (order, inputs) => {
      const { run, batch } = RunOrder.parse(order);
      if (inputs !== null && inputs.length > inputsBytesMax) throw tooManyInputs(inputs.length);
      const own = [batch === null ? keys.of(run, 'status') : keys.batch(batch), ...keys.iteration(run)];
      const news = encodeControl({
        kind: 'state',
        state: 'queued',
        error: null,
        summary: null,
      } satisfies RunNews);
      const changes = String(order.folder['set'] ?? '');
      const text = JSON.stringify(order);
      const args = [run, headOf(order), text, Buffer.from(inputs ?? []), news, changes, batch ?? ''];
      const [outcome, attempt, state] = listOf(
        await link.run(scripts.submit, [...recordOf(run), ...own], args),
      );
      // Queued again in any case: the submission before may have ended between the two steps.
      if (textOf(state) === 'queued') await enqueue(order, numberOf(attempt));
      return textOf(outcome) === 'new' ? 'new' : 'known';
    },
    order: readOrder,
    inputs: async (run) => {
      const bytes = bytesOrNull(await link.call('GET', keys.of(run, 'inputs')));
      return bytes === null ? null : new Uint8Array(bytes);
    },
    status: readStatus,
    list,
    take: async (signal) => {
      const submitted = new Bell();
      const stop = hints.listen(keys.submitted, () => submitted.ring());
      try {
        for (let lookAt = Number.NEGATIVE_INFINITY; ; ) {
          signal.throwIfAborted();
          const now = performance.now();
          if (now >= lookAt) {
            const { orphan, lapsesMs } = await takeLapsed();
            if (orphan !== null) return orphan;
            lookAt = now + Math.min(lapsesMs, lookMs * (0.75 + Math.random() / 2));
          }
          const charge = await takeQueued();
          if (charge !== null) return charge;
          await submitted.wait(signal, Math.max(0, lookAt - performance.now()));
        }
      } finally {
        stop();
      }
    },
    report: async (run, epoch, news) => {
      const sent = shortNews(news);
      const state = sent.kind === 'state' ? sent.state : '';
      const args = [run, epoch, encodeControl(sent), state, endOf(sent), ...fieldsOf(sent)];
      const own = [keys.of(run, 'cur'), keys.of(run, 'wake'), ...keys.iteration(run)];
      const outcome = textOf(await link.run(scripts.report, [...recordOf(run), ...own], args));
      return outcome === 'accepted' || outcome === 'fenced' ? outcome : 'late';
    },
    follow,
    cancel: async (run) => {
      const news = encodeControl({
        kind: 'state',
        state: 'cancelled',
        error: null,
        summary: null,
      } satisfies RunNews);
      const [outcome, attempt] = listOf(await link.run(scripts.cancel, recordOf(run), [run, news]));
      const cancelled = textOf(outcome) as Cancelled;
      if (cancelled === 'cancelled') await leases.remove([jobId(run, numberOf(attempt))]);
      return cancelled;
    },
    prune: async (olderThanMs) => {
      const names = [...new Set([...recordKeys, ...iterationKeys])];
      const forgotten: RunId[] = [];
      for (;;) {
        const args = [keys.allRuns, olderThanMs, ...names];
        const page = listOf(await link.run(scripts.prune, [keys.runs, keys.ended], args));
        forgotten.push(...page.map((run) => RunId.parse(textOf(run))));
        if (page.length === 0) return forgotten;
      }
    },
    [Symbol.asyncDispose]: async () => {
      for (const charge of charges) charge.stop();
      await leases.close();
    },
  };

  async function readOrder(run: RunId): Promise<RunOrder | null> {
    const text = bytesOrNull(await link.call('GET', keys.of(run, 'order')));
    return text === null ? null : orderOf(text);
  }

  async function readStatus(run: RunId, batch?: BatchId): Promise<RunStatus | null> {
    const fields = listOf(await link.call('HGETALL', keys.of(run, 'status')));
    return fields.length === 0 ? null : statusOf(run, fields, batch);
  }

  async function list({ states, batch, limit = 100 }: RunFilter): Promise<readonly RunStatus[]> {
    const found: RunStatus[] = [];
    const members = batch && new Set(listOf(await link.call('SMEMBERS', keys.batch(batch))).map(textOf));
    for (let from = 0; found.length < limit; from += pageLength) {
      const page = listOf(await link.call('ZREVRANGE', keys.runs, from, from + pageLength - 1)).map(textOf);
      const wanted = members === undefined ? page : page.filter((run) => members.has(run));
      for (const status of await Promise.all(wanted.map((run) => readStatus(RunId.parse(run), batch)))) {
        if (status !== null && (states === undefined || states.includes(status.state))) found.push(status);
      }
      if (page.length < pageLength) break;
    }
    return found.slice(0, limit);
  }

  async function* follow(run: RunId, cursor: string | null, signal: AbortSignal): AsyncIterable<RunRecord> {
    const log = keys.of(run, 'log');
    const happened = new Bell();
    let last = cursor ?? '0-0';
    const stop = hints.listen(log, () => happened.ring(), last);
    try {
      for (;;) {
        signal.throwIfAborted();
        const status = await readStatus(run);
        const entries = listOf(await link.call('XRANGE', log, `(${last}`, '+', 'COUNT', pageLength));
        for (const entry of entries) {
          const [id, fields] = listOf(entry);
          last = textOf(id);
          const news = decodeControl(bytesOf(listOf(fields)[1]), RunNews);
          yield { cursor: last, at: Number(last.split('-')[0]), news };
        }
        if (entries.length > 0) continue;
        if (status === null || isOver(status.state)) return;
        await happened.wait(signal, pollMs);
      }
    } finally {
      stop();
    }
  }

  async function enqueue(
    { run, priority }: Pick<RunOrder, 'priority' | 'run'>,
    attempt: number,
  ): Promise<void> {
    // BullMQ takes the lowest number first, and 0 before everything.
    await leases.add([{ id: jobId(run, attempt), data: { run, attempt }, priority: 1001 - priority }]);
    await link.call('XADD', keys.submitted, 'MAXLEN', 16, '*', 'k', '');
    await link.call('PEXPIRE', keys.submitted, lifeMs.abandoned);
  }

  async function takeQueued(): Promise<Charge | null> {
    for (;;) {
      const held = await leases.next();
      if (held === null) return null;
      const charge = await carry(held.data.run, held);
      if (charge !== null) return charge;
      // Over, or carried by a coordinator that outlived its lock: its lease decides.
      await held.complete();
    }
  }

  /**
   * A run whose coordinator is gone, or how long to wait before there can be one; on the way, queued runs get their job again in
   * case it was never made.
   */
  async function takeLapsed(): Promise<{ readonly orphan: Charge | null; readonly lapsesMs: number }> {
    // After an outage nobody has had the chance to renew yet.
    const graceMs = Math.max(0, lifeMs.lease - link.reachableMs);
    const args = [keys.allRuns, graceMs === 0 ? 1 : 0];
    const [lapsed, waiting, soonestMs] = listOf(
      await link.run(scripts.look, [keys.queued, keys.taken], args),
    );
    for (const entry of listOf(waiting)) {
      const [run = '', attempt] = textOf(entry).split(' ');
      const order = await readOrder(RunId.parse(run));
      if (order !== null) await enqueue(order, Number(attempt));
    }
    for (const run of listOf(lapsed)) {
      const orphan = await carry(RunId.parse(textOf(run)), null);
      if (orphan !== null) return { orphan, lapsesMs: 0 };
    }
    return { orphan: null, lapsesMs: graceMs > 0 ? graceMs : numberOf(soonestMs) + 1 };
  }

  async function carry(run: RunId, held: Held<RunJob> | null): Promise<Charge | null> {
    const token = crypto.randomUUID();
    const reply = await link.run(scripts.take, recordOf(run), [run, token]);
    if (reply === null) return null;
    const [epoch, before, text] = listOf(reply);
    const order = orderOf(bytesOf(text));
    const charge: RedisCharge = new RedisCharge({
      link,
      keys: recordOf(run),
      token,
      order,
      epoch: numberOf(epoch),
      resumed: numberOf(before) === 1,
      onRelease: async (how) => {
        charges.delete(charge);
        const attempt = await link.run(scripts.release, recordOf(run), [run, token, how]);
        await held?.complete();
        if (attempt !== null) await enqueue(order, numberOf(attempt));
      },
    });
    charges.add(charge);
    return charge;
  }
}

/** Name of a run's job in the queue: another one each time it is queued, as the one before may not be gone yet. */
function jobId(run: RunId, attempt: number): string {
  return `${run}.${attempt}`;
}

function orderOf(text: Buffer): RunOrder {
  const parsed = RunOrder.safeParse(JSON.parse(text.toString()));
  if (parsed.success) return parsed.data;
  throw new SkewflowError('ProtocolError', `order: ${parsed.error.issues[0]?.message ?? 'not as expected'}`);
}

/** News that fits: an error's long texts are cut, a summary that is too long is refused. */
function shortNews(news: RunNews): RunNews {
  if (news.kind !== 'state') return RunNews.parse(news);
  const { error, summary } = news;
  const bytes = summary === null ? 0 : encodeControl(summary).length;
  if (bytes > summaryBytesMax)
    throw new SkewflowError(
      'ProtocolError',
      `a summary of ${bytes} bytes, at most ${summaryBytesMax} are kept`,
    );
  return RunNews.parse({ ...news, error: error && shortened(error) });
}

/** What news changes in the status besides the state. */
function fieldsOf(news: RunNews): readonly (Buffer | string)[] {
  switch (news.kind) {
    case 'state':
      return [
        ...(news.error === null ? [] : ['error', encodeControl(news.error)]),
        ...(news.summary === null ? [] : ['summary', encodeControl(news.summary)]),
      ];
    case 'progress':
      return ['progress', encodeControl(news)];
    case 'notice':
      return [];
  }
}

/** What those who sit at a run hear of news that it is over; nothing where it is not. */
function endOf(news: RunNews): Buffer | string {
  if (news.kind !== 'state') return '';
  const { state, error } = news;
  const end = RunEnd.safeParse(state === 'failed' ? { kind: state, error } : { kind: state });
  return end.success ? encodeControl(end.data) : '';
}

function tooManyInputs(bytes: number): SkewflowError {
  return new SkewflowError(
    'InputError',
    `${bytes} bytes of inputs, at most ${inputsBytesMax} go with a job: put them into the storage that coordinators and workers share`,
    { bytes, bytesMax: inputsBytesMax },
  );
}
