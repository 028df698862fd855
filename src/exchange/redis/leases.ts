/**
 * How does one of several processes get the next job of a queue and keep it? By BullMQ: priority, locks and the return of
 * what a dead process held. Jobs are fetched when somebody asks for one, never ahead.
 *
 * BullMQ, “Manually processing jobs” (https://docs.bullmq.io/patterns/manually-fetching-jobs).
 */
import type { Job } from 'bullmq';
import type { z } from 'zod';
import { Queue, Worker } from './clients.ts';
import { closeMs, type Link } from './link.ts';

/** A lock lasts so long, and is renewed three times as often. */
const lockMs = 15_000;
const stallCheckMs = 5000;
/** How often a job may come back from dead processes: as often as they die. What is to blame is for the run to say. */
const stalledMax = 1_000_000;
/** Entries kept of a queue's events, which only people read. */
const eventsMax = 1000;

/** A job that is held. */
export interface Held<T> {
  readonly data: T;
  /** It is done with; removed. */
  readonly complete: () => Promise<void>;
}

export class Leases<T> {
  readonly #link: Link;
  readonly #schema: z.ZodType<T>;
  readonly #queue: Queue;
  readonly #worker: Worker;
  readonly #held = new Map<string, Job>();
  readonly #renewing: NodeJS.Timeout;
  #fetching: Promise<Job | undefined> | null = null;
  #checking = false;

  constructor(link: Link, name: string, schema: z.ZodType<T>) {
    this.#link = link;
    this.#schema = schema;
    const shared = { connection: link.commands, prefix: link.keys.prefix } as const;
    this.#queue = new Queue(name, {
      ...shared,
      defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
      streams: { events: { maxLen: eventsMax } },
    });
    this.#worker = new Worker(name, null, {
      ...shared,
      autorun: false,
      lockDuration: lockMs,
      stalledInterval: stallCheckMs,
      maxStalledCount: stalledMax,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    });
    const onError = (error: Error): void => link.log.debug({ queue: name }, error.message);
    this.#queue.on('error', onError);
    this.#worker.on('error', onError);
    this.#renewing = setInterval(() => void this.#renew(), lockMs / 3);
    this.#renewing.unref();
  }

  /**
   * Queue jobs. One whose id is queued or held already stays as it is.
   *
   * @param priority - 1 … 2²¹, lower first; 0 before all others
   */
  async add(
    jobs: readonly { readonly id: string; readonly data: T; readonly priority: number }[],
  ): Promise<void> {
    if (jobs.length === 0) return;
    const bulk = jobs.map(({ id, data, priority }) => ({ name: 'job', data, opts: { jobId: id, priority } }));
    await this.#link.within(this.#queue.addBulk(bulk));
  }

  /** Take jobs that nobody holds off the queue. */
  async remove(ids: readonly string[]): Promise<void> {
    for (const id of ids) await this.#link.within(this.#queue.remove(id)).catch(() => 0);
  }

  /** The next job, or null when there is none now. */
  async next(): Promise<Held<T> | null> {
    if (!this.#checking) {
      this.#checking = true;
      void this.#worker.startStalledCheckTimer();
    }
    const token = this.#link.id;
    // A fetch that outlives its caller's patience is not lost: the next caller has what it brings.
    this.#fetching ??= this.#worker.getNextJob(token, { block: false });
    const fetching = this.#fetching;
    const job = await this.#link.within(fetching).finally(() => {
      void fetching.then(
        () => this.#forget(fetching),
        () => this.#forget(fetching),
      );
    });
    this.#forget(fetching);
    const id = job?.id;
    // Callers that shared the fetch: the first has the job. (Another job under a held one's id: the store forgot that one.)
    if (job === undefined || id === undefined || this.#held.get(id) === job) return null;
    const complete = async (): Promise<void> => {
      if (this.#held.get(id) !== job) return;
      this.#held.delete(id);
      // Another process has it when the lock was lost meanwhile, and will find that nothing is left to do.
      await this.#link.within(job.moveToCompleted(null, token, false)).catch((error: unknown) => {
        this.#link.log.debug({ job: id }, String(error));
      });
    };
    this.#held.set(id, job);
    const data = this.#schema.safeParse(job.data);
    if (!data.success) {
      await complete();
      return null;
    }
    return { data: data.data, complete };
  }

  /** Stop; what is held comes back to the queue when its lock ends. */
  async close(): Promise<void> {
    clearInterval(this.#renewing);
    this.#held.clear();
    // Both hang while Redis is away; the connections are the link's to close.
    const closing = Promise.allSettled([this.#worker.close(true), this.#queue.close()]);
    await Promise.race([closing, new Promise((resolve) => setTimeout(resolve, closeMs).unref())]);
  }

  #forget(fetching: Promise<Job | undefined>): void {
    if (this.#fetching === fetching) this.#fetching = null;
  }

  async #renew(): Promise<void> {
    const ids = [...this.#held.keys()];
    if (ids.length === 0 || this.#link.unreachableMs > 0) return;
    const tokens = ids.map(() => this.#link.id);
    await this.#link.within(this.#worker.extendJobLocks(ids, tokens, lockMs), lockMs / 3).catch(() => {});
  }
}
