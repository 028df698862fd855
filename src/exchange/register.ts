/**
 * How does a run get from who wants it to who carries it, and news of it back? Runs by id: submitted, taken, followed,
 * cancelled, forgotten.
 *
 *              submit          report             report                     report
 *   (unknown) ────────▶ queued ────────▶ accepted ───────▶ active ⇄ paused ──────────▶ done | failed | cancelled
 *                         │ ▲                                                                  │
 *                  cancel │ └──────────────── submit, when it failed or was cancelled ─────────┘
 *                         ▼
 *                     cancelled
 *
 * Whoever takes a run reports all but the first: `accepted` once it has written the order to its spool.
 * A coordinator holds a run by a lease that it renews every second. When the lease lapses, whoever asks `take` next has
 * the run, under a later epoch; what the one before still reports is refused.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { ErrorReport, protocolVersion, RunId, RunSheet } from '../protocol.ts';
import type { Receipt } from './exchange.ts';

/** Several files or a sweep submitted together. */
export const BatchId = z.string().min(1).max(64).brand<'BatchId'>();
export type BatchId = z.infer<typeof BatchId>;

/** Plain figures and words, e.g. what a notice is about. */
const Facts = z.record(
  z.string().max(64),
  z.union([z.boolean(), z.number(), z.string().max(4096), z.null()]),
);

/** Longest text of a job file, in bytes (UTF-8). */
export const documentBytesMax = 256 * 1024;
/** Most bytes of inputs that may be sent with a job; more goes to storage. */
export const inputsBytesMax = 1024 * 1024;
/** Largest summary of a result, in bytes: results themselves lie in storage. */
export const summaryBytesMax = 4096;

/** What is wanted: one job, how it is named, and by whom it may be computed. */
export const RunOrder = z.strictObject({
  protocolVersion: z.literal(protocolVersion),
  run: RunId,
  jobDigest: z.string().regex(/^[0-9a-f]{64}$/),
  name: z.string().min(1).max(200),
  /** `--key`: the same job under another key is another run. */
  key: z.string().max(200),
  batch: BatchId.nullable(),
  priority: RunSheet.shape.priority,
  seats: RunSheet.shape.seats,
  engine: z.enum(['auto', 'reference', 'wasm', 'webgpu']),
  /** Whether engines of different numerics classes may answer together. */
  allowMixed: z.boolean(),
  /** Text of the job file, after `--set`. */
  document: z
    .string()
    .refine((text) => Buffer.byteLength(text) <= documentBytesMax, 'a job file has at most 256 KiB'),
  /** Where relative paths of the document start, and what else its reader must know. */
  folder: Facts,
  /**
   * Place in the document (`sources.q`) ↦ where that array lies: `inputs/<sha256>.npy` in the storage root, or an absolute path.
   * Default: none, a document of numbers and generators.
   */
  files: z.record(z.string().max(400), z.string().max(4096)).optional(),
  /** Wall time, milliseconds since 1970: for people, never for decisions. */
  submittedAt: z.int().nonnegative(),
});
export type RunOrder = z.infer<typeof RunOrder>;

/** The id of the run of this job under this key: submitting again finds it again. */
export function runIdOf(jobDigest: string, key: string): RunId {
  const text = JSON.stringify([jobDigest, key]);
  return RunId.parse(createHash('sha256').update(text).digest('hex').slice(0, 20));
}

/** What a desk of this order is opened with. */
export function sheetOf({ run, jobDigest, seats, priority }: RunOrder): RunSheet {
  return { protocolVersion, run, jobDigest, seats, priority };
}

/** Where a run stands; see the diagram above. */
export const RunStanding = z.enum(['queued', 'accepted', 'active', 'paused', 'done', 'failed', 'cancelled']);
export type RunStanding = z.infer<typeof RunStanding>;

/** Whether nothing more will happen to the run unless it is submitted again. */
export function isOver(state: RunStanding): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled';
}

/** What a run's coordinator tells: each changes the run's status and is a record to follow. */
export const RunNews = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('state'),
    state: RunStanding,
    /** Why it failed; null otherwise. */
    error: ErrorReport.nullable(),
    /** What came out, in ≤ 4 KB (loss, norms, seconds, where the results lie); null until it is done. */
    summary: Facts.nullable(),
  }),
  z.strictObject({
    kind: z.literal('progress'),
    iteration: z.int().nonnegative(),
    /** Share of the current iteration that is done, 0 … 1. */
    share: z.number().min(0).max(1),
    loss: z.number().nullable(),
    pairsPerSecond: z.number().nonnegative(),
    seats: z.int().nonnegative(),
    /** Leaves assigned again after their seat was lost. */
    redone: z.int().nonnegative(),
    workersLost: z.int().nonnegative(),
  }),
  z.strictObject({
    kind: z.literal('notice'),
    level: z.enum(['error', 'warn', 'info']),
    /** E.g. `WORKER_LOST`, `RESUMING`, `NO_WORKERS`. */
    code: z.string().regex(/^[A-Z_]{1,40}$/),
    text: z.string().max(1000),
    facts: Facts,
  }),
]);
export type RunNews = z.infer<typeof RunNews>;

/** One record of what happened to a run. */
export interface RunRecord {
  /** Where to go on following from. */
  readonly cursor: string;
  /** Wall time of the store, milliseconds since 1970. */
  readonly at: number;
  readonly news: RunNews;
}

/** A run as `ls` and `show` print it. */
export interface RunStatus {
  readonly run: RunId;
  readonly jobDigest: string;
  readonly name: string;
  readonly key: string;
  readonly batch: BatchId | null;
  readonly priority: number;
  readonly state: RunStanding;
  /** Of the coordinator that reported last; 0 before any did. */
  readonly epoch: number;
  /** The last `progress`; null before the first. */
  readonly progress: Extract<RunNews, { kind: 'progress' }> | null;
  readonly error: ErrorReport | null;
  readonly summary: Readonly<Record<string, boolean | number | string | null>> | null;
  /** Whether a cancel was asked for. */
  readonly cancelAsked: boolean;
  /** Wall times of the store, milliseconds since 1970. */
  readonly submittedAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
}

/** Which runs are listed. */
export interface RunFilter {
  readonly states?: readonly RunStanding[];
  readonly batch?: BatchId;
  /** The newest so many. Default 100. */
  readonly limit?: number;
}

/** What became of a wish to cancel: `asked` the coordinator that holds the run, which sees it within a second. */
export type Cancelled = 'asked' | 'cancelled' | 'over' | 'unknown';

export interface Register extends AsyncDisposable {
  /**
   * Queue a run. `known`: it is queued, taken or done already, and nothing changes; a failed or cancelled one starts anew.
   *
   * Submitting again after any failure, or from a spool after the store lost everything, is always right.
   *
   * @param inputs - arrays sent with the job, at most 1 MiB; gone when the run is over
   */
  readonly submit: (order: RunOrder, inputs: Uint8Array | null) => Promise<'known' | 'new'>;
  readonly order: (run: RunId) => Promise<RunOrder | null>;
  readonly inputs: (run: RunId) => Promise<Uint8Array | null>;
  readonly status: (run: RunId) => Promise<RunStatus | null>;
  /** Newest first. */
  readonly list: (filter: RunFilter) => Promise<readonly RunStatus[]>;
  /**
   * Take the next run to carry: the first of the queue by priority, then by age, or one whose coordinator's lease lapsed.
   * Rejects with the signal's reason when it aborts.
   */
  readonly take: (signal: AbortSignal) => Promise<Charge>;
  /** Tell what happened to a run; `fenced` when a later epoch holds it, `late` when it is over or unknown. */
  readonly report: (run: RunId, epoch: number, news: RunNews) => Promise<Exclude<Receipt, 'gone' | 'twice'>>;
  /**
   * What happened after `cursor` (null: everything still kept) and what happens from now on, until the run is over. Ends at
   * once for a run that is unknown. May be broken off and taken up again with the last record's cursor.
   */
  readonly follow: (run: RunId, cursor: string | null, signal: AbortSignal) => AsyncIterable<RunRecord>;
  readonly cancel: (run: RunId) => Promise<Cancelled>;
  /** Forget runs that were over for so long; returns which. Their results in storage are not touched. */
  readonly prune: (olderThanMs: number) => Promise<readonly RunId[]>;
}

/** A run that this coordinator carries. The lease is renewed, and BullMQ's lock with it, until `release`. */
export interface Charge {
  readonly order: RunOrder;
  /** Later than every epoch of this run so far; a desk opened next has a later one still. */
  readonly epoch: number;
  /** Whether a coordinator had it before: there may be a checkpoint, and a standing to take over. */
  readonly resumed: boolean;
  /**
   * Aborts when the run is no longer ours: reason `AbortedError` with details.code `FENCED` (another has taken it) or
   * `STATE_LOST` (the store forgot it: submit the order again, take it, go on from the checkpoint).
   */
  readonly lost: AbortSignal;
  /** Aborts within a second of a user's cancel. */
  readonly cancelled: AbortSignal;
  /** Stop carrying it: `over`, after its end was reported, or `again`, so that another coordinator takes it at once. */
  readonly release: (how: 'again' | 'over') => Promise<void>;
}
