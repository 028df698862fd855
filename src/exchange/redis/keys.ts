/**
 * What is everything called in Redis? The one list of key and queue names; `{…}` keeps all keys of a prefix in one slot.
 */
import type { RunId, SeatId } from '../../protocol.ts';

/** Names of the BullMQ queues: their keys are `{<prefix>}:<queue>:…`. */
export const queues = { runs: 'runs', seats: 'seats' } as const;

/**
 * Where BullMQ keeps a queue's jobs of each state, and what counts them. KEDA's scaled object names the same keys
 * (deploy/kubernetes/overlays/keda).
 */
export const queueStates = {
  waiting: { suffix: 'wait', count: 'LLEN' },
  prioritized: { suffix: 'prioritized', count: 'ZCARD' },
  active: { suffix: 'active', count: 'LLEN' },
  delayed: { suffix: 'delayed', count: 'ZCARD' },
} as const;

/** What `--prefix` may be: it becomes part of every key, and of an ACL's pattern. */
const prefixPattern = /^[A-Za-z0-9_.-]{1,40}$/;

/** How long keys live that nobody touches, in milliseconds. */
export const lifeMs = {
  /** What a run leaves behind when its coordinators and workers are gone. */
  abandoned: 7 * 24 * 3600_000,
  /** Its iterations after its end: until every seat has seen that. */
  ended: 60_000,
  /** A seat's sign of life. */
  heartbeat: 3000,
  /** A seat's answers between their arrival and their acceptance, which follows at once. */
  arriving: 60_000,
  /** A coordinator's lease of a run. */
  lease: 3000,
  /** What is known of a run that is over, unless `prune` comes first. */
  retained: 30 * 24 * 3600_000,
} as const;

/** Whether this can be a prefix. */
export function isPrefix(text: string): boolean {
  return prefixPattern.test(text);
}

/** Names under one prefix. */
export class Keys {
  /** BullMQ's prefix, and ours: `{skewflow}`. */
  readonly prefix: string;

  constructor(prefix: string) {
    this.prefix = `{${prefix}}`;
  }

  /** One of BullMQ's keys of a queue. */
  queue(name: string, suffix: string): string {
    return `${this.prefix}:${name}:${suffix}`;
  }

  /** Hint that a seat is on offer, or a run queued (streams). */
  get offered(): string {
    return `${this.prefix}:offered`;
  }
  get submitted(): string {
    return `${this.prefix}:submitted`;
  }

  /** A stream of one connection's own, by which it ends its own waiting. */
  nudge(connection: string): string {
    return `${this.prefix}:nudge:${connection}`;
  }

  /** Runs by when they were submitted, when they ended, and (queued ones) when to look after them next (sorted sets). */
  get runs(): string {
    return `${this.prefix}:index:runs`;
  }
  get ended(): string {
    return `${this.prefix}:index:ended`;
  }
  get queued(): string {
    return `${this.prefix}:index:queued`;
  }
  /** Runs that a coordinator took (set). */
  get taken(): string {
    return `${this.prefix}:index:taken`;
  }
  /** Runs of a batch (set). */
  batch(id: string): string {
    return `${this.prefix}:batch:${id}`;
  }

  /** A seat's sign of life; what follows it is the seat. */
  heartbeats(run: RunId): string {
    return this.of(run, 'hb:');
  }
  heartbeat(run: RunId, seat: SeatId): string {
    return `${this.heartbeats(run)}${seat}`;
  }

  /** What the keys of all runs begin with; then follow a run, a colon, a name. */
  get allRuns(): string {
    return `${this.prefix}:run:`;
  }
  /** One of a run's keys. */
  of(run: RunId, name: string): string {
    return `${this.allRuns}${run}:${name}`;
  }

  /** Where the pieces of a frame of a seat's answers lie, each under this, a colon and its number from 1 (strings). */
  answers(run: RunId, seat: SeatId, count: number): string {
    return this.of(run, `p:${seat}:${count}`);
  }

  /** The keys of a run that its iterations live in, in the order scripts take them. */
  iteration(run: RunId): readonly string[] {
    return iterationKeys.map((name) => this.of(run, name));
  }
  /** The keys of a run that the register keeps, in the order scripts take them. */
  record(run: RunId): readonly string[] {
    return recordKeys.map((name) => this.of(run, name));
  }
}

/**
 * cur        the current iteration: desk, stamp, number, phase, digest, frame, end (hash)
 * seats      held seat → its slot (hash)
 * joins      held seat → what it joined with (hash)
 * dismissed  held seat → why it is to go (hash)
 * slots      slot → "<offer> <seat or nothing>" (hash)
 * plan       held seat → its leaves; `#` → epoch and generation (hash)
 * p          answers of the current phase: `L` number → leaves that were first, `F` number → their frame; or, of a large
 *            frame, number → where it lies, `N` number → in how many pieces, `B` number → bytes, `P` place → number (hash)
 * arriving   frames whose pieces are on their way, by when they lapse (sorted set)
 * got        leaves that have an answer (bit map)
 * ev         what the desk has not confirmed to have read (list)
 * wake       hint to seats (stream)
 * done       hint to the desk (stream)
 * epoch      of the last coordinator (string)
 */
export const iterationKeys = [
  'cur',
  'seats',
  'joins',
  'dismissed',
  'slots',
  'plan',
  'p',
  'got',
  'ev',
  'wake',
  'done',
  'epoch',
  'arriving',
] as const;

/**
 * status  where the run stands (hash)
 * order   what was ordered (string)
 * inputs  arrays sent with it (string)
 * log     what happened (stream)
 * lease   who carries it (string, 3 s)
 * epoch   of the last coordinator (string)
 */
export const recordKeys = ['status', 'order', 'inputs', 'log', 'lease', 'epoch'] as const;
