/** Events of a run as table tests write them. */
import { type Rules, watchful } from '../../src/coordinator/rules.ts';
import {
  type Decision,
  planned,
  type RunEffect,
  type RunEvent,
  type RunState,
} from '../../src/coordinator/run-events.ts';
import { decide } from '../../src/coordinator/run-state.ts';
import type { RunShape } from '../../src/coordinator/stage.ts';
import type { Leaf } from '../../src/partition/seats.ts';
import {
  type Fault,
  ParameterDigest,
  type Phase,
  protocolVersion,
  SeatId,
  WorkerId,
} from '../../src/protocol.ts';

export const digest = (letter: string): ParameterDigest => ParameterDigest.parse(letter.repeat(64));
export const seatOf = (name: string): SeatId => SeatId.parse(name);
export const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(seatOf) as [SeatId, SeatId, SeatId, SeatId];

/** The worker of a seat has the seat's name unless it is said otherwise. */
export function joined(
  seat: SeatId,
  change: { worker?: string; version?: string; numerics?: string; threads?: number } = {},
): RunEvent {
  const { worker = seat, version = '1', numerics = 'reference/f64', threads = 1 } = change;
  const who = { seat, worker: WorkerId.parse(worker), version, numerics, threads };
  return { kind: 'joined', join: { protocolVersion, engine: 'reference', ...who } };
}

export const inputs = (letter: string): RunEvent => ({ kind: 'inputs', digest: digest(letter) });
export const move = (letter: string): RunEvent => ({ kind: 'move', digest: digest(letter) });
export const left = (seat: SeatId): RunEvent => ({ kind: 'left', seat, lost: false });
export const lost = (seat: SeatId): RunEvent => ({ kind: 'left', seat, lost: true });
export const tick = (now: number): RunEvent => ({ kind: 'tick', now });
export const beat = (seat: SeatId, waits: string | null = null): RunEvent => ({ kind: 'beat', seat, waits });

export interface Answer {
  readonly seat?: SeatId;
  readonly worker?: string;
  readonly numerics?: string;
  readonly number?: number;
  readonly phase?: Phase;
  readonly digest?: string;
  readonly count?: number;
  readonly copy?: number;
  readonly tookMs?: number | null;
  readonly fault?: Fault;
  readonly print?: string;
}

/** The worker of a seat has the seat's name here, too; a leaf takes 100 ms. */
export function posted(leaf: Leaf, change: Answer = {}): RunEvent {
  const { seat = a, number = 0, phase = 'gradient', digest: letter = 'd' } = change;
  const { worker = seat, numerics = 'reference/f64' } = change;
  const { count = 1, copy = 0, tookMs = 100, fault = null, print = 'true' } = change;
  return {
    kind: 'posted',
    seat,
    worker: WorkerId.parse(worker),
    numerics,
    number,
    phase,
    digest: digest(letter),
    leaf,
    count,
    copy,
    tookMs,
    fault,
    print,
  };
}

/** The state after these events, and the effects of the last of them. */
export function having(shape: RunShape, ...events: readonly RunEvent[]): Decision {
  return from(shape, planned, ...events);
}

export function from(shape: RunShape, state: RunState, ...events: readonly RunEvent[]): Decision {
  return events.reduce<Decision>((was, event) => decide(shape, was.state, event), { state, effects: [] });
}

export const kinds = (effects: readonly RunEffect[]): readonly string[] => effects.map((e) => e.kind);

/** What is said, by code. */
export function codes(effects: readonly RunEffect[]): readonly string[] {
  return effects.flatMap((e) => (e.kind === 'say' ? [e.notice.code] : []));
}

/** The plan that comes of an event; null: none does. */
export function planIn(effects: readonly RunEffect[]): Extract<RunEffect, { kind: 'assign' }> | null {
  return effects.findLast((e) => e.kind === 'assign') ?? null;
}

/** Four shards in one phase; nothing is audited unless a test says so. */
export function shapeOf(rules: Partial<Rules> = {}): RunShape {
  const all = { ...watchful, version: '1', auditShare: 0, ...rules };
  return { shards: 4, sourcesLeaf: false, phases: 1, gradient: true, run: 'r', rules: all };
}

/** Who has which leaves by the last plan. */
export function holding(effects: readonly RunEffect[]): Readonly<Record<string, readonly Leaf[]>> | null {
  const plan = planIn(effects);
  return plan === null ? null : Object.fromEntries(plan.leaves);
}

/** Which answers seats are asked for once more, by the last plan. */
export function again(effects: readonly RunEffect[]): unknown {
  return Object.fromEntries(planIn(effects)?.again ?? []);
}
