/**
 * What do coordinator and workers say to each other? Every message that crosses the exchange: schema, ids, version.
 *
 * Guarantees, in words:
 *
 * - A message may come late, twice or never. So every posting is a pure function of (job digest, iteration, phase,
 *   parameter digest, leaf) and carries them; it is accepted only if they match the current iteration, and then the
 *   first one wins. Duplicates, late answers and speculative copies are harmless. Answers that are to be compared with
 *   one another are told apart by `copy`, and the first of each copy wins.
 * - Neighbouring leaves of one seat may be answered together, where they are a whole subtree of the sum over leaves: with
 *   their sum, which has the bits that the coordinator would give it. It is taken only where none of them has an answer.
 * - A coordinator acts under an epoch. What it publishes, assigns or ends is refused once a later epoch holds the run.
 * - The current iteration and the plan are state, not events: a worker that joins late reads them and needs nothing else.
 * - The coordinator alone decides who computes what, and reissues; a worker never retries a leaf on its own account.
 * - Arrays are binary. The in-process exchange hands over the arrays themselves, one over a wire encodes them as frames;
 *   the receiver never writes to what it received.
 */
import { z } from 'zod';

/** Incremented whenever a message changes shape; a worker refuses any other number. */
export const protocolVersion = 4;

const Version = z.literal(protocolVersion);

/**
 * A name of so many bytes at most, as UTF-8: what says whose the answers of a frame are has to fit in its control part, whatever
 * language a host or a device is named in.
 */
function nameOf(bytesMax: number): z.ZodString {
  return z
    .string()
    .min(1)
    .refine((name) => Buffer.byteLength(name) <= bytesMax, `expected at most ${bytesMax} bytes of UTF-8`);
}

/** One run of one job. */
export const RunId = nameOf(64).brand<'RunId'>();
export type RunId = z.infer<typeof RunId>;

/** One worker's lease of one run; never used again after it is given up. */
export const SeatId = nameOf(64).brand<'SeatId'>();
export type SeatId = z.infer<typeof SeatId>;

/** One process and device that computes; the same over all seats it takes. */
export const WorkerId = nameOf(128).brand<'WorkerId'>();
export type WorkerId = z.infer<typeof WorkerId>;

/** Bytes of a worker's name that its host takes at most. */
const hostBytesMax = 80;

/** What a worker is called: its host, cut to what a name has room for, its process, and what tells it from others there. */
export function workerIdOf(host: string, ...rest: readonly (number | string)[]): WorkerId {
  // As a stream, so that a character that was cut in two is left out.
  const shown = new TextDecoder().decode(Buffer.from(host).subarray(0, hostBytesMax), { stream: true });
  return WorkerId.parse([shown, ...rest].join(':'));
}

/** Engines with equal numerics classes give equal bits for equal jobs. */
export const Numerics = nameOf(256);

/** SHA-256 of everything an iteration's phase is given, hex. */
export const ParameterDigest = z.string().length(64).brand<'ParameterDigest'>();
export type ParameterDigest = z.infer<typeof ParameterDigest>;

/** A leaf of the tree: a shard by index, or `sources`, the run's own leaf (sources and direct seeds, no tracers). */
export const LeafName = z.union([z.int().nonnegative(), z.literal('sources')]);
export type LeafName = z.infer<typeof LeafName>;

/**
 * What is asked of leaves:
 *
 *   sums      forward: the vector S over the leaf's tracers
 *   head      the `sources` leaf only, given S: the loss h(S; Y, θ) and ∂h/∂S
 *   gradient  forward and backward, given S and ∂h/∂S where the loss is not linear in S
 */
export const Phase = z.enum(['sums', 'head', 'gradient']);
export type Phase = z.infer<typeof Phase>;

const Reals = z.custom<Float64Array>((value) => value instanceof Float64Array, 'expected a Float64Array');

/** N-sized results wanted from shards, and the sources' states wanted from the `sources` leaf. */
export const RowsWanted = z.strictObject({
  /** Tracer fields whose gradient is wanted. */
  gradient: z.array(z.string()).readonly(),
  final: z.boolean(),
  /** Grid points, ascending. */
  trajectory: z.array(z.int().nonnegative()).readonly(),
  values: z.boolean(),
});
export type RowsWanted = z.infer<typeof RowsWanted>;

/** ∂h/∂S and, for entries reduced by min or max, the winning global row (−1 elsewhere). */
export const Seeds = z.strictObject({ values: Reals, winners: Reals });
export type Seeds = z.infer<typeof Seeds>;

/** Coordinator → workers, as state: the current iteration. All that a (re)joining worker needs beside the job. */
export const Iteration = z.strictObject({
  protocolVersion: Version,
  run: RunId,
  epoch: z.int().nonnegative(),
  number: z.int().nonnegative(),
  phase: Phase,
  parameterDigest: ParameterDigest,
  /** Steps the sources accepted, t₀ … t_T; null when the job fixes them. The only traffic that grows with T. */
  times: Reals.nullable(),
  /** Y₀, sets, pairs, θ and source `with` arrays by name, row-major. */
  fields: z.map(z.string(), Reals),
  sums: Reals.nullable(),
  seeds: Seeds.nullable(),
  rows: RowsWanted,
});
export type Iteration = z.infer<typeof Iteration>;

/** A leaf is asked again at most so often in one phase; an iteration that begins anew counts on from the next 256. */
export const copyMax = 1023;

/** A leaf to be answered once more: to replace an answer that is not believed, or to be compared with it. */
export const Again = z.strictObject({
  leaf: LeafName,
  /** Which of the leaf's answers; 0 is the one that `SeatPlan.leaves` asks for. */
  copy: z.int().positive().max(copyMax),
  /** Whether its N-sized results are written: not by an answer that is only compared. */
  rows: z.boolean(),
});
export type Again = z.infer<typeof Again>;

/** Coordinator → workers, as state: which seat answers which leaves of the current phase, in this order. */
export const SeatPlan = z.strictObject({
  protocolVersion: Version,
  run: RunId,
  epoch: z.int().nonnegative(),
  /** Increases with every plan of a run. */
  generation: z.int().nonnegative(),
  leaves: z.map(SeatId, z.array(LeafName).readonly()),
  /** What comes after a seat's `leaves`; a seat without any is not in it. */
  again: z.map(SeatId, z.array(Again).readonly()),
  /** Leaves that are answered each for itself, as their answers are compared with others. */
  alone: z.array(LeafName).readonly(),
});
export type SeatPlan = z.infer<typeof SeatPlan>;

/** Coordinator → any free worker: a seat of this run is to be had. */
export const RunSheet = z.strictObject({
  protocolVersion: Version,
  run: RunId,
  /** SHA-256 of the job; a worker computes only what it has read under this digest. */
  jobDigest: z.string(),
  /** Seats on offer at once; fewer than `min` and the run waits, more than `max` are never taken. No part of the digest. */
  seats: z.strictObject({ min: z.int().positive(), max: z.int().positive() }),
  /** Free workers take seats of higher priority first, then of the run that has fewest. */
  priority: z.int().min(0).max(1000),
});
export type RunSheet = z.infer<typeof RunSheet>;

/** Worker → coordinator on taking a seat: what computes there. */
export const Join = z.strictObject({
  protocolVersion: Version,
  seat: SeatId,
  /** Who sits there: a leaf that breaks several workers is told from one that met several broken workers. */
  worker: WorkerId,
  /** Version of the package the worker runs; another than the coordinator's is refused by name. */
  version: z.string().max(64),
  engine: z.enum(['reference', 'wasm', 'webgpu']),
  numerics: Numerics,
  threads: z.int().positive(),
});
export type Join = z.infer<typeof Join>;

/** What a leaf contributes, or leaves that were added; the arrays are those of the engine's partial. */
export const LeafPartial = z.strictObject({
  kind: z.literal('partial'),
  /** S of this leaf; entries of linear terms are losses already. */
  sums: Reals,
  /** For entries reduced by min or max: the lowest global row attaining it; −1 elsewhere. */
  winners: Reals,
  /** What this leaf adds to the loss outside S; 0 for a shard. */
  loss: z.number(),
  /** In the order of the program's gradient layout; empty when only sums were asked for. */
  gradient: Reals,
  /** ∂h/∂S, from the `sources` leaf in phase `head`. */
  seeds: Reals.nullable(),
  /** One M × e block a wanted state (end time, then trajectory points), from the `sources` leaf. */
  sourceStates: Reals.nullable(),
});
export type LeafPartial = z.infer<typeof LeafPartial>;

/** The first place in a leaf where a trajectory, the loss or a gradient stopped being finite. */
export const Fault = z.strictObject({
  kind: z.literal('non-finite'),
  group: z.enum(['sources', 'tracers']),
  what: z.enum(['gradient', 'loss', 'state']),
  /** Global row and grid step. */
  row: z.int(),
  step: z.int(),
});
export type Fault = z.infer<typeof Fault>;

/** More leaves are not answered together. */
export const countMax = 2 ** 16;

/**
 * How long a worker keeps answers back, at most, to send them with others; the newest one waits for the next leaf besides. A
 * message costs every process on its way some tenths of a millisecond, and a worker that dies takes along what it kept.
 */
export const answersMs = 200;

/** Worker → coordinator: the answer of one leaf, or the sum of several. */
export const Posting = z.strictObject({
  protocolVersion: Version,
  run: RunId,
  seat: SeatId,
  /**
   * Who sat there, and of which class, as it joined: the seat may be given up and the run taken over before the answer is
   * compared with another’s.
   */
  worker: WorkerId,
  numerics: Numerics,
  number: z.int().nonnegative(),
  phase: Phase,
  parameterDigest: ParameterDigest,
  leaf: LeafName,
  /** How many shards, from `leaf` on, it is the sum of: a power of two that `leaf` is a multiple of. 1: the leaf alone. */
  count: z.int().positive().max(countMax),
  /** 0, or what the plan's `again` says; the first posting of each copy of a leaf wins. */
  copy: z.int().nonnegative().max(copyMax),
  /**
   * How long a thread of the worker took for its leaves, in milliseconds: reading their rows is part of it, the way to the
   * coordinator is not. By it leaves are dealt; no result depends on it.
   */
  tookMs: z.number().nonnegative(),
  answer: z.discriminatedUnion('kind', [LeafPartial, Fault]),
});
export type Posting = z.infer<typeof Posting>;

/** Worker → coordinator, now and then: that it lives, and how far it is. Counts are since it took the seat. */
export const Beat = z.strictObject({
  protocolVersion: Version,
  seat: SeatId,
  /** Blocks of rows done. */
  blocks: z.int().nonnegative(),
  /** Own row × bound row visits; a double, as they pass 2⁵³ only after years. */
  pairs: z.number().nonnegative(),
  /** What its work waits for until somebody mends it: a full disk, with the path. Default: nothing. */
  waits: z.string().max(1000).optional(),
});
export type Beat = z.infer<typeof Beat>;

/** An error as data: classes do not survive a wire. */
export const ErrorReport = z.strictObject({
  /** As `SkewflowError.tag`. */
  tag: z.string(),
  /** What was expected, what came, and what to do. */
  message: z.string(),
  /** Figures behind the message. */
  details: z.record(z.string(), z.union([z.boolean(), z.number(), z.string(), z.null()])),
});
export type ErrorReport = z.infer<typeof ErrorReport>;

/** How a run ended. */
export const RunEnd = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('done') }),
  z.strictObject({ kind: z.literal('cancelled') }),
  z.strictObject({ kind: z.literal('failed'), error: ErrorReport }),
]);
export type RunEnd = z.infer<typeof RunEnd>;
