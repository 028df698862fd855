/**
 * What does a coordinator tell the people who watch a run? Every line of the log and of `follow`, as data and as text.
 */
import type { Leaf } from '../partition/seats.ts';
import type { Fault, SeatId, WorkerId } from '../protocol.ts';

/** Who sits somewhere. */
export interface Who {
  readonly seat: SeatId;
  readonly worker: WorkerId;
}

export type Notice =
  /** Two workers answered one leaf with different bytes. */
  | {
      readonly code: 'AUDIT_MISMATCH';
      readonly leaf: Leaf;
      readonly number: number;
      readonly workers: readonly WorkerId[];
    }
  | { readonly code: 'CANCELLED'; readonly number: number }
  /** A later coordinator holds the run. */
  | { readonly code: 'FENCED'; readonly epoch: number | null }
  | { readonly code: 'HANDED_OVER'; readonly number: number }
  | { readonly code: 'JOINED'; readonly who: Who; readonly numerics: string; readonly seats: number }
  /** Workers of several numerics classes compute this run. */
  | { readonly code: 'MIXED_NUMERICS'; readonly numerics: readonly string[] }
  /** A leaf is not finite; `data`: another worker agrees, or there is none; `device`: another worker got numbers. */
  | {
      readonly code: 'NON_FINITE';
      readonly leaf: Leaf;
      readonly number: number;
      readonly fault: Fault;
      readonly cause: 'data' | 'device' | 'unknown';
    }
  | {
      readonly code: 'NO_WORKERS';
      readonly forMs: number;
      readonly seats: number;
      readonly seatsMin: number;
      readonly numerics: string | null;
    }
  | {
      readonly code: 'POISON_SHARD';
      readonly leaf: Leaf;
      readonly number: number;
      readonly workers: readonly WorkerId[];
    }
  | {
      readonly code: 'QUARANTINED';
      readonly worker: WorkerId;
      readonly withdrawn: number;
      readonly restarted: boolean;
    }
  | { readonly code: 'REFUSED_WORKER'; readonly who: Who; readonly why: string }
  | { readonly code: 'REJOINED'; readonly who: Who; readonly seats: number }
  | { readonly code: 'RESUMING'; readonly number: number; readonly answers: number }
  | {
      readonly code: 'SPECULATING';
      readonly leaf: Leaf;
      readonly from: Who;
      readonly to: Who;
      /** To the average; null: too few have finished for one. */
      readonly ratio: number | null;
      readonly ms: number;
    }
  | { readonly code: 'STATE_LOST'; readonly number: number; readonly answers: number }
  /** The store does not answer; 0: it answers again. */
  | { readonly code: 'UNREACHABLE'; readonly forMs: number }
  | { readonly code: 'UNRESPONSIVE'; readonly who: Who; readonly forMs: number; readonly leaves: number }
  | { readonly code: 'WORKER_LEFT'; readonly who: Who; readonly leaves: number }
  | { readonly code: 'WORKER_LOST'; readonly who: Who; readonly leaves: number; readonly why: string }
  /** Its work waits for what somebody must mend; null: it goes on. */
  | { readonly code: 'WORKER_WAITS'; readonly who: Who; readonly why: string | null };

export type NoticeCode = Notice['code'];

const levels: Readonly<Record<NoticeCode, 'error' | 'info' | 'warn'>> = {
  AUDIT_MISMATCH: 'error',
  CANCELLED: 'info',
  FENCED: 'warn',
  HANDED_OVER: 'info',
  JOINED: 'info',
  MIXED_NUMERICS: 'warn',
  NON_FINITE: 'warn',
  NO_WORKERS: 'warn',
  POISON_SHARD: 'error',
  QUARANTINED: 'error',
  REFUSED_WORKER: 'warn',
  REJOINED: 'info',
  RESUMING: 'info',
  SPECULATING: 'warn',
  STATE_LOST: 'warn',
  UNREACHABLE: 'warn',
  UNRESPONSIVE: 'warn',
  WORKER_LEFT: 'info',
  WORKER_LOST: 'warn',
  WORKER_WAITS: 'warn',
};

export const noticeCodes = Object.keys(levels) as readonly NoticeCode[];

/** How loud a notice is. */
export function levelOf(notice: Notice): 'error' | 'info' | 'warn' {
  return notice.code === 'UNREACHABLE' && notice.forMs === 0 ? 'info' : levels[notice.code];
}

/** What the log says of a notice beside its code: the shard and the iteration it is about, where it is about some. */
export function factsOf(notice: Notice): Readonly<Record<string, number | string>> {
  return {
    ...('leaf' in notice ? { shard: notice.leaf } : {}),
    ...('number' in notice ? { iteration: notice.number + 1 } : {}),
    ...('who' in notice ? { worker: notice.who.worker } : {}),
  };
}

/** The line for people. */
export function textOf(notice: Notice, rowsOf: (leaf: number) => string): string {
  const named = (leaf: Leaf): string =>
    leaf === 'sources' ? 'the sources' : `shard ${leaf} ${rowsOf(leaf)}`;
  switch (notice.code) {
    case 'AUDIT_MISMATCH':
      return `AUDIT_MISMATCH: ${named(notice.leaf)} iteration ${notice.number + 1}: ${notice.workers.join(' and ')} gave different bytes`;
    case 'CANCELLED':
      return `cancelled at iteration ${notice.number + 1}`;
    case 'FENCED':
      return notice.epoch === null
        ? 'fenced by a later epoch; this coordinator drops the run'
        : `fenced by epoch ${notice.epoch}; this coordinator drops the run`;
    case 'HANDED_OVER':
      return `handed over at iteration ${notice.number + 1}`;
    case 'JOINED':
      return `worker joined: ${notice.who.worker} (${notice.numerics}), ${count(notice.seats, 'seat')} now`;
    case 'MIXED_NUMERICS':
      return `numerics classes are mixed, results are equal within tolerance: ${notice.numerics.join(', ')}`;
    case 'NON_FINITE':
      return `NON_FINITE ${named(notice.leaf)} iteration ${notice.number + 1}: ${causes[notice.cause]}`;
    case 'NO_WORKERS':
      return noWorkers(notice);
    case 'POISON_SHARD':
      return `POISON_SHARD: ${named(notice.leaf)} iteration ${notice.number + 1} took ${count(notice.workers.length, 'worker')} along: ${notice.workers.join(', ')}`;
    case 'QUARANTINED':
      return `quarantined: ${notice.worker}; ${
        notice.restarted
          ? 'the iteration is begun again'
          : `${count(notice.withdrawn, 'answer')} of it computed again`
      }`;
    case 'REFUSED_WORKER':
      return `worker refused: ${notice.who.worker}: ${notice.why}`;
    case 'REJOINED':
      return `rejoined: ${notice.who.worker}`;
    case 'RESUMING':
      return `resuming from iteration ${notice.number + 1}, ${count(notice.answers, 'leaf', 'leaves')} of it answered`;
    case 'SPECULATING':
      return `straggler: ${named(notice.leaf)} takes ${long(notice.ratio)} at ${notice.from.worker} (${seconds(notice.ms)}); copied to ${notice.to.worker}`;
    case 'STATE_LOST':
      return `state lost, rebuilding from iteration ${notice.number + 1}, ${count(notice.answers, 'leaf', 'leaves')} of it answered`;
    case 'UNREACHABLE':
      return notice.forMs === 0
        ? 'the store answers again'
        : `unreachable ${seconds(notice.forMs)}, retrying`;
    case 'UNRESPONSIVE':
      return `unresponsive: ${notice.who.worker} has not been heard of for ${seconds(notice.forMs)}; ${count(notice.leaves, 'leaf', 'leaves')} given to others`;
    case 'WORKER_LEFT':
      return `worker left: ${notice.who.worker}; ${count(notice.leaves, 'leaf', 'leaves')} given to others`;
    case 'WORKER_LOST':
      return `worker lost: ${notice.who.worker}: ${notice.why}; ${count(notice.leaves, 'leaf', 'leaves')} given to others`;
    case 'WORKER_WAITS':
      return notice.why === null
        ? `worker goes on: ${notice.who.worker}`
        : `worker waits: ${notice.who.worker}: ${notice.why}`;
  }
}

const causes = {
  data: 'another worker finds the same: it is the data',
  device: 'another worker gets numbers: it is the device',
  unknown: 'no other worker to ask',
} as const;

function noWorkers({ forMs, seats, seatsMin, numerics }: Extract<Notice, { code: 'NO_WORKERS' }>): string {
  const missing = seatsMin > 1 ? `${seats} of at least ${seatsMin} seats taken` : 'no seat is taken';
  const needed = numerics === null ? 'any worker of this version' : `workers of class ${numerics}`;
  return `NO_WORKERS for ${seconds(forMs)}: ${missing}; queue seats waits for ${needed}`;
}

function long(ratio: number | null): string {
  return ratio === null ? 'long' : `${ratio.toFixed(1)} times the average`;
}

function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}
