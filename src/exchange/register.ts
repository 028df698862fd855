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

/** Longest list of changes that is kept, in characters. */
const changesMax = 4096;

/** `--set` changes as one fact of an order, a line each: for people, never for decisions. */
export function textOfChanges(set: readonly string[]): string {
  return set
    .map((change) => change.replace(/\s+/gu, ' ').trim())
    .join('\n')
    .slice(0, changesMax);
}

/** The changes in that text. */
export function changesOfText(text: unknown): readonly string[] {
  return typeof text === 'string' && text !== '' ? text.split('\n') : [];
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
    /** The run's standing changed. */
    kind: z.literal('state'),
    /** Where it stands now. */
    state: RunStanding,
    /** Why it failed; null otherwise. */
    error: ErrorReport.nullable(),
    /** What came out, in ≤ 4 KB (loss, norms, seconds, where the results lie); null until it is done. */
    summary: Facts.nullable(),
  }),
  z.strictObject({
    /** The run has got further. */
    kind: z.literal('progress'),
    /** Evaluations of the loss so far, from 1. */
    iteration: z.int().nonnegative(),
    /** Share of the current iteration that is done, 0 … 1. */
    share: z.number().min(0).max(1),
    /** Of the last evaluation that is complete; null before the first, and for a job without a loss. */
    loss: z.number().nullable(),
    /** Own row × bound row visits a second. */
    pairsPerSecond: z.number().nonnegative(),
    /** Workers’ seats that the run holds. */
    seats: z.int().nonnegative(),
    /** Leaves assigned again after their seat was lost. */
    redone: z.int().nonnegative(),
    /** Seats that fell silent so far. */
    workersLost: z.int().nonnegative(),
  }),
  z.strictObject({
    /** Something that people who watch the run should see. */
    kind: z.literal('notice'),
    /** How much it matters. */
    level: z.enum(['error', 'warn', 'info']),
    /** E.g. `WORKER_LOST`, `RESUMING`, `NO_WORKERS`. */
    code: z.string().regex(/^[A-Z_]{1,40}$/),
    /** One sentence. */
    text: z.string().max(1000),
    /** The figures in it. */
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
  /** Its id. */
  readonly run: RunId;
  /** SHA-256 of everything that reaches its numbers. */
  readonly jobDigest: string;
  /** The job's name. */
  readonly name: string;
  /** What it was submitted under: another key makes another run of the same job. */
  readonly key: string;
  /** The batch it was submitted with; null: none. */
  readonly batch: BatchId | null;
  /** What was changed in the job for it, as `--set` and `--sweep`: `params.sigma=0.3`. */
  readonly set: readonly string[];
  /** 0 to 1000. */
  readonly priority: number;
  /** Where it stands. */
  readonly state: RunStanding;
  /** Of the coordinator that reported last; 0 before any did. */
  readonly epoch: number;
  /** The last `progress`; null before the first. */
  readonly progress: Extract<RunNews, { kind: 'progress' }> | null;
  /** Why it failed; null otherwise. */
  readonly error: ErrorReport | null;
  /** The figures of `result.json`; null until it is done. */
  readonly summary: Readonly<Record<string, boolean | number | string | null>> | null;
  /** Whether a cancel was asked for. */
  readonly cancelAsked: boolean;
  /** When it was submitted, by the store's clock, milliseconds since 1970. */
  readonly submittedAt: number;
  /** When a coordinator took it first; null: none has. */
  readonly startedAt: number | null;
  /** When it was over; null: it is not. */
  readonly endedAt: number | null;
}

/** Which runs are listed. */
export interface RunFilter {
  /** Those that stand so. Default: all. */
  readonly states?: readonly RunStanding[];
  /** Those of this batch. Default: all. */
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
