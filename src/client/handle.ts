/** What can be asked of one run? How it stands, what happens to it, what came of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { SkewflowError } from '../errors.ts';
import type { Cancelled, Register, RunStatus } from '../exchange/register.ts';
import type { RunId } from '../protocol.ts';
import type { RunResult } from '../run.ts';
import type { Root } from '../storage/root.ts';
import type { RunEvent } from './client.ts';

/** What a run of a fleet gives back: as `run`, without the history, which is a file of its folder. */
export type FetchedResult = Omit<RunResult, 'history'>;

/** Where results are wanted. */
export interface ResultOptions {
  /** Folder they are copied to, the tracers' arrays too. Default: none, and everything is in the result. */
  readonly out?: string;
  /** Replace `out` if it exists. Default: false. */
  readonly force?: boolean;
  /** Aborting stops waiting and copying, and leaves no folder; the run goes on. */
  readonly signal?: AbortSignal;
}

/** Between two looks at a run that Redis has forgotten and the storage root has not. */
const againMs = 1000;

/** How a handle reaches its fleet. */
interface Parts {
  readonly register: () => Promise<Register>;
  readonly root: () => Promise<Root | null>;
}

/** One run of a fleet; it goes on whether or not anybody holds it. */
export class RunHandle {
  /** What `show`, `fetch` and `Client.run` know the run by. */
  readonly id: string;
  /** As it was submitted here; null: it was found by its id. */
  readonly submitted: {
    /** The job's name. */
    readonly name: string;
    /** Whether it was there already: queued, going on or done. */
    readonly known: boolean;
    /** What was changed in the job for it, by this submission: `params.sigma=0.3`. */
    readonly set: readonly string[];
  } | null;
  readonly #run: RunId;
  readonly #parts: Parts;

  constructor(run: RunId, submitted: RunHandle['submitted'], parts: Parts) {
    this.id = run;
    this.submitted = submitted;
    this.#run = run;
    this.#parts = parts;
  }

  /** How it stands, by Redis or else by the storage root, if one is known; null: nobody knows it. */
  async status(): Promise<RunStatus | null> {
    const known = await (await this.#parts.register()).status(this.#run);
    const root = known === null ? await this.#parts.root() : null;
    if (root === null) return known;
    const { storedStatus } = await import('./stored-status.ts');
    return storedStatus(root, this.#run);
  }

  /**
   * What happened to it and what happens from now on, until it is over. May be broken off, and taken up again with the last
   * event's cursor.
   *
   * @throws UsageError for a cursor that no event has
   */
  async *events(
    options: { readonly cursor?: string; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<RunEvent, void, undefined> {
    const { cursor = null, signal = new AbortController().signal } = options;
    if (cursor !== null && !/^\d+-\d+$/u.test(cursor))
      throw new SkewflowError(
        'UsageError',
        `\`${cursor}\` is no cursor: an event's is such as 1795707725132-0`,
      );
    const register = await this.#parts.register();
    const { isOver } = await import('../exchange/register.ts');
    for (let last = cursor; ; ) {
      for await (const record of register.follow(this.#run, last, signal)) {
        last = record.cursor;
        yield { ...record.news, cursor: record.cursor, at: record.at };
      }
      const status = await this.status();
      if (status === null || isOver(status.state)) return;
      // A Redis that forgot the run is told of it again, from the spool.
      await sleep(againMs, undefined, { signal });
    }
  }

  /**
   * Wait until it is over, and read what came of it from the storage root.
   *
   * @throws what the run failed for, under its own tag; AbortedError when it was cancelled; UsageError without a storage root
   */
  async result(options: ResultOptions = {}): Promise<FetchedResult> {
    const { signal = new AbortController().signal } = options;
    for await (const _ of this.events({ signal })) signal.throwIfAborted();
    const status = await this.status();
    await refuseUnfinished(this.id, status, signal);
    return this.fetch(options);
  }

  /**
   * Read the results of a run that is done; `result` waits for it.
   *
   * @throws UsageError when there are none, or no storage root is known
   */
  async fetch({ out, force = false, signal }: ResultOptions = {}): Promise<FetchedResult> {
    const { fetchResult, withResult } = await import('../storage/results.ts');
    const { readResult } = await import('./stored-result.ts');
    const { isRunKey, runKeys } = await import('../storage/keys.ts');
    if (!isRunKey(this.id)) throw new SkewflowError('UsageError', `\`${this.id}\` is no run id`);
    const root = await this.#parts.root();
    if (root === null) throw noStorage('results');
    const { resultFile } = runKeys(this.id);
    if (!(await root.has(resultFile))) throw noResults(this.id, await this.status(), root);
    const unlessAborted = (): void => signal?.throwIfAborted();
    const folder = out === undefined ? null : await fetchResult(root, this.id, out, force, unlessAborted);
    const { summary, ...read } =
      folder === null
        ? await withResult(root, this.id, (there) => readResult(there, true))
        : await readResult(folder, false);
    return { ...summary, ...read, folder, summary };
  }

  /** Cancel it; as `Client.cancel`. */
  cancel(): Promise<Cancelled> {
    return this.#parts.register().then((register) => register.cancel(this.#run));
  }
}

async function refuseUnfinished(id: string, status: RunStatus | null, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (status === null) return;
  const { errorOf } = await import('../exchange/error-report.ts');
  if (status.state === 'failed' && status.error !== null) throw errorOf(status.error);
  if (status.state === 'cancelled') throw new SkewflowError('AbortedError', `run ${id} was cancelled`);
}

function noResults(id: string, status: RunStatus | null, root: Root): SkewflowError {
  const done = 'it is done; they were removed, or its fleet has another storage root (`--storage`)';
  const other = status === null ? 'nobody knows it' : `it is ${status.state}`;
  const why = status?.state === 'done' ? done : other;
  return new SkewflowError('UsageError', `run ${id} has no results in ${root.url}: ${why}`);
}

function noStorage(what: string): SkewflowError {
  return new SkewflowError(
    'UsageError',
    `${what} lie in the storage root of the fleet: name it with \`--storage\`, or in SKEWFLOW_STORAGE`,
  );
}
