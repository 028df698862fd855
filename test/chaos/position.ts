/**
 * Where is a process? Told from the lines of its log (`SKEWFLOW_LOG=trace`), each of which is written before what it says
 * begins: what a process that was killed did last is in its pipe.
 */

/** The phases of an iteration that a fault can hit: four at a worker, two at a coordinator. */
export const phases = ['read', 'forward', 'backward', 'post', 'commit', 'checkpoint'] as const;
export type Phase = (typeof phases)[number];

/** A line of a log, as far as it is read here. */
export interface Line {
  readonly time: number;
  readonly msg: string;
  readonly run?: string;
  readonly seat?: string;
  /** From 1. */
  readonly iteration?: number;
  readonly code?: string;
  readonly worker?: string;
  readonly doing?: string;
  readonly shard?: number;
  readonly shards?: string;
}

/** A worker: what it reads, what its thread is at, what is on its way to Redis. */
export interface WorkerPosition {
  readonly run: string | null;
  readonly seat: string | null;
  readonly iteration: number;
  /** Begun and not answered. */
  readonly held: readonly number[];
  readonly reading: number | null;
  readonly pass: { readonly phase: 'backward' | 'forward'; readonly shard: number } | null;
  readonly posting: readonly number[];
}

export const nowhere: WorkerPosition = {
  run: null,
  seat: null,
  iteration: 0,
  held: [],
  reading: null,
  pass: null,
  posting: [],
};

export function workerAfter(at: WorkerPosition, line: Line): WorkerPosition {
  const { run = at.run, seat = at.seat, iteration = at.iteration, shard = -1, doing = '' } = line;
  const shards = (line.shards ?? '').split(' ').filter(Boolean).map(Number);
  const here = { ...at, run, seat, iteration };
  switch (doing) {
    case 'answered':
      return { ...at, pass: null };
    case 'backward':
    case 'forward':
      return { ...at, pass: { phase: doing, shard } };
    case 'compute':
      return { ...here, reading: null, pass: null, held: shards };
    case 'idle':
      return { ...here, reading: null, pass: null, held: [], posting: [] };
    case 'post':
      return { ...here, posting: [...at.posting, ...shards] };
    case 'posted':
      return { ...here, ...without(at, shards) };
    case 'read':
      return { ...here, reading: shards[0] ?? null, pass: null, held: [...at.held, ...shards] };
    default:
      return at;
  }
}

function without(
  { held, posting }: WorkerPosition,
  shards: readonly number[],
): Pick<WorkerPosition, 'held' | 'posting'> {
  const left = (list: readonly number[]): readonly number[] =>
    list.filter((shard) => !shards.includes(shard));
  return { held: left(held), posting: left(posting) };
}

/** The phase that a worker is in and the shards that are in it; null: none, or between two. */
export function phaseOf({
  reading,
  pass,
  posting,
}: WorkerPosition): { readonly phase: Phase; readonly shards: readonly number[] } | null {
  if (posting.length > 0) return { phase: 'post', shards: posting };
  if (reading !== null) return { phase: 'read', shards: [reading] };
  return pass === null ? null : { phase: pass.phase, shards: [pass.shard] };
}

/** A coordinator with one run. */
export interface RunPosition {
  readonly iteration: number;
  readonly phase: 'commit' | null;
  readonly keeping: boolean;
}

export function runAfter(at: RunPosition, { doing = '', iteration = at.iteration }: Line): RunPosition {
  switch (doing) {
    case 'answer':
      return { ...at, iteration };
    case 'ask':
    case 'finish':
      return { ...at, phase: null };
    case 'checkpoint':
      return { ...at, keeping: true };
    case 'commit':
      return { ...at, iteration, phase: 'commit' };
    case 'kept':
      return { ...at, keeping: false };
    default:
      return at;
  }
}
