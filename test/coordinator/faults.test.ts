import { describe, expect, it } from 'vitest';
import { type Rules, watchful } from '../../src/coordinator/rules.ts';
import { plannedFrom, type RunEvent, type RunState } from '../../src/coordinator/run-events.ts';
import { decide } from '../../src/coordinator/run-state.ts';
import type { RunShape } from '../../src/coordinator/stage.ts';
import type { Leaf } from '../../src/partition/seats.ts';
import type { Fault } from '../../src/protocol.ts';
import {
  a,
  b,
  beat,
  c,
  codes,
  d,
  from,
  having,
  inputs,
  joined,
  kinds,
  left,
  lost,
  move,
  planIn,
  posted,
  tick,
} from './events.ts';

/** Four shards in one phase; nothing is audited unless a test says so. */
function shapeOf(rules: Partial<Rules> = {}): RunShape {
  const all = { ...watchful, version: '1', auditShare: 0, ...rules };
  return { shards: 4, sourcesLeaf: false, phases: 1, gradient: true, run: 'r', rules: all };
}
const shape = shapeOf();
const fault: Fault = { kind: 'non-finite', group: 'tracers', what: 'state', row: 700, step: 3 };
const error = { tag: 'DeviceError', message: 'device lost', details: {} };

/** Who has which leaves by the last plan. */
function holding(
  effects: ReturnType<typeof decide>['effects'],
): Readonly<Record<string, readonly Leaf[]>> | null {
  const plan = planIn(effects);
  return plan === null ? null : Object.fromEntries(plan.leaves);
}

function again(effects: ReturnType<typeof decide>['effects']): unknown {
  return Object.fromEntries(planIn(effects)?.again ?? []);
}

describe('a worker that is lost', () => {
  it('is told once, and what it had left goes to the others', () => {
    const { effects } = having(shape, joined(a), joined(b), inputs('d'), posted(2, { seat: b }), lost(b));
    expect(codes(effects)).toEqual(['WORKER_LOST']);
    expect(holding(effects)).toEqual({ a: [0, 1, 3] });
  });

  it('has its leaves with others already when it has been silent', () => {
    const start = [tick(0), joined(a), joined(b), inputs('d'), tick(1000), beat(a), tick(1900), beat(a)];
    const silent = having(shape, ...start, tick(2000));
    expect(codes(silent.effects)).toEqual(['UNRESPONSIVE']);
    expect(holding(silent.effects)).toEqual({ a: [0, 1, 2, 3], b: [] });
    expect(codes(from(shape, silent.state, lost(b)).effects)).toEqual(['WORKER_LOST']);
  });

  it('may still answer, and is heard again with something to do', () => {
    const start = [tick(0), joined(a), joined(b), inputs('d'), tick(1900), beat(a), tick(2000)];
    expect(kinds(having(shape, ...start, posted(2, { seat: b })).effects)).toEqual(['keep']);
    const { effects } = having(shape, ...start, beat(b));
    expect(codes(effects)).toEqual(['REJOINED']);
    expect(holding(effects)?.['b']?.length).toBeGreaterThan(0);
  });

  it('is greeted when it comes back under another seat', () => {
    const { effects } = having(
      shape,
      joined(a),
      joined(b, { worker: 'w' }),
      lost(b),
      joined(c, { worker: 'w' }),
    );
    expect(codes(effects)).toEqual(['REJOINED']);
  });

  it('is not missed while the store does not answer', () => {
    const start = [
      tick(0),
      joined(a),
      inputs('d'),
      tick(500),
      { kind: 'unreachable', forMs: 2000 } as RunEvent,
    ];
    const blind = having(shape, ...start, tick(5000));
    expect(blind.effects).toEqual([]);
    const back = from(shape, blind.state, { kind: 'unreachable', forMs: 0 });
    expect(codes(back.effects)).toEqual(['UNREACHABLE']);
    expect(from(shape, back.state, tick(6000)).effects).toEqual([]);
  });
});

describe('a worker that does not fit', () => {
  it.each([
    ['of another version', { version: '2' }],
    ['of another numerics class', { numerics: 'webgpu/f32' }],
  ])('%s is refused by name, and the others go on', (_, change) => {
    const { state, effects } = having(shape, joined(a), joined(b, change));
    expect(kinds(effects)).toEqual(['say', 'dismiss']);
    expect(codes(effects)).toEqual(['REFUSED_WORKER']);
    expect(holding(from(shape, state, inputs('d')).effects)).toEqual({ a: [0, 1, 2, 3] });
  });

  it('does not end the run when it leaves with the reason, whoever sent it away', () => {
    const refused = { tag: 'ProtocolError', message: 'refused', details: { code: 'REFUSED_WORKER' } };
    const { state, effects } = having(shape, joined(a), inputs('d'));
    const after = from(shape, state, { kind: 'broke', seat: c, error: refused, final: true });
    expect(after.effects).toEqual([]);
    expect(effects.length).toBeGreaterThan(0);
  });

  it('is taken where classes may be mixed, and that is said', () => {
    const mixed = shapeOf({ allowMixed: true });
    const { effects } = having(mixed, joined(a), joined(b, { numerics: 'webgpu/f32' }));
    expect(codes(effects)).toEqual(['JOINED', 'MIXED_NUMERICS']);
  });

  it('may choose the class again as long as nothing is answered and nobody is there', () => {
    const { effects } = having(shape, joined(a), inputs('d'), left(a), joined(b, { numerics: 'webgpu/f32' }));
    expect(codes(effects)).toEqual(['JOINED']);
    const begun = [joined(a), inputs('d'), posted(0), left(a), joined(b, { numerics: 'webgpu/f32' })];
    expect(codes(having(shape, ...begun).effects)).toEqual(['REFUSED_WORKER']);
  });
});

describe('too few workers', () => {
  it('are said every 30 s, with the class that is needed', () => {
    const gone = having(shape, tick(0), joined(a), inputs('d'), posted(0), lost(a), tick(100));
    expect(codes(from(shape, gone.state, tick(30_000)).effects)).toEqual([]);
    const said = from(shape, gone.state, tick(30_100));
    expect(said.effects[0]).toMatchObject({
      notice: { code: 'NO_WORKERS', forMs: 30_000, numerics: 'reference/f64' },
    });
    expect(codes(from(shape, said.state, tick(59_000)).effects)).toEqual([]);
    expect(codes(from(shape, said.state, tick(60_200)).effects)).toEqual(['NO_WORKERS']);
  });

  it('are given nothing until there are as many as the run wants', () => {
    const two = shapeOf({ seatsMin: 2 });
    const one = having(two, joined(a), inputs('d'));
    expect(holding(one.effects)).toEqual({ a: [] });
    const both = from(two, one.state, joined(b));
    expect(holding(both.effects)).toEqual({ a: [0, 1], b: [2, 3] });
  });
});

describe('a straggler', () => {
  const still = shapeOf({ stealMs: Infinity });
  const slow = [tick(0), joined(a), joined(b), inputs('d')];
  const three = [tick(100), posted(0), tick(200), posted(1), tick(300), posted(2, { seat: b })];
  const beats = (now: number): readonly RunEvent[] => [tick(now), beat(a), beat(b)];

  it('has its leaf copied to an idle seat, with the ratio', () => {
    const { effects } = having(still, ...slow, ...three, ...beats(1300), tick(1400));
    expect(effects).toMatchObject([
      { notice: { code: 'SPECULATING', leaf: 3, from: { worker: 'b' }, to: { worker: 'a' } } },
      { kind: 'assign' },
    ]);
    expect(holding(effects)).toEqual({ a: [3], b: [3] });
  });

  it('is left alone before three leaves have finished', () => {
    const two = [tick(100), posted(0), tick(200), posted(1)];
    expect(codes(having(still, ...slow, ...two, ...beats(1500), ...beats(3000), tick(4000)).effects)).toEqual(
      [],
    );
  });

  it('and its copy count once, whichever is first', () => {
    const copied = having(still, ...slow, ...three, ...beats(1300), tick(1400));
    const done = from(still, copied.state, posted(3));
    expect(kinds(done.effects)).toEqual(['keep', 'add']);
    expect(from(still, done.state, posted(3, { seat: b })).effects).toEqual([]);
  });

  it('does not lose its leaf when the seat of the copy is lost', () => {
    const copied = having(still, ...slow, ...three, ...beats(1300), tick(1400));
    expect(holding(from(still, copied.state, lost(a)).effects)).toEqual({ b: [3] });
  });
});

describe('leaves that are not started', () => {
  it('move to a seat that joins in mid-iteration', () => {
    const { effects } = having(shape, tick(0), joined(a), inputs('d'), tick(100), posted(0), joined(b));
    expect(holding(effects)).toEqual({ a: [1, 2], b: [3] });
  });

  it('move to a seat that has nothing left, when that is worth a plan', () => {
    const start = [tick(0), joined(a), joined(b), inputs('d'), tick(400), posted(0), tick(800)];
    const { effects } = having(shape, ...start, posted(1));
    expect(holding(effects)).toEqual({ a: [3], b: [2] });
    const short = [tick(0), joined(a), joined(b), inputs('d'), tick(4), posted(0), tick(8)];
    expect(holding(having(shape, ...short, posted(1)).effects)).toBeNull();
  });

  it('stay where they were answered in the iteration before', () => {
    const first = [posted(0), posted(1, { seat: b }), posted(2), posted(3, { seat: b })];
    const { effects } = having(shape, joined(a), joined(b), inputs('d'), ...first, move('e'));
    expect(holding(effects)).toEqual({ a: [0, 2], b: [1, 3] });
  });

  it('go from the fullest to the emptiest when a seat has come', () => {
    const first = [0, 1, 2, 3].map((leaf) => posted(leaf));
    const { state } = having(shape, joined(a), inputs('d'), ...first, joined(b));
    expect(holding(from(shape, state, move('e')).effects)).toEqual({ a: [0, 1], b: [2, 3] });
  });
});

describe('a leaf that takes workers along', () => {
  it('comes after all others, and ends the run with the third worker, by name', () => {
    const { effects } = having(
      shape,
      joined(a),
      inputs('d'),
      lost(a),
      joined(b),
      ...[1, 2, 3].map((leaf) => posted(leaf, { seat: b })),
      { kind: 'broke', seat: b, error, final: false },
      joined(c),
      lost(c),
    );
    expect(codes(effects)).toEqual(['WORKER_LOST', 'POISON_SHARD']);
    expect(effects.at(-1)).toMatchObject({
      end: { kind: 'failed', error: { details: { code: 'POISON_SHARD', leaf: 0, workers: 'a, b, c' } } },
    });
  });

  it('is no leaf that one worker breaks at three times', () => {
    const w = { worker: 'w' };
    const { state } = having(
      shape,
      joined(a, w),
      inputs('d'),
      lost(a),
      joined(b, w),
      lost(b),
      joined(c, w),
      lost(c),
    );
    expect(state.kind).toBe('asking');
  });
});

describe('an answer that is not finite', () => {
  const start = [joined(a), joined(b), inputs('d'), posted(0, { fault })];

  it('is computed once more elsewhere', () => {
    expect(again(having(shape, ...start).effects)).toEqual({ b: [{ leaf: 0, copy: 1, rows: true }] });
  });

  it('is the data when another worker finds the same', () => {
    const rest = [posted(1), posted(2, { seat: b }), posted(3, { seat: b })];
    const { effects } = having(shape, ...start, ...rest, posted(0, { seat: b, copy: 1, fault }));
    expect(effects).toMatchObject([{ notice: { code: 'NON_FINITE', cause: 'data' } }, { kind: 'fault' }]);
  });

  it('is the device when another worker gets numbers; what it answered is computed again', () => {
    const { effects } = having(shape, ...start, posted(1), posted(0, { seat: b, copy: 1 }));
    expect(codes(effects)).toEqual(['NON_FINITE', 'QUARANTINED']);
    expect(kinds(effects)).toContain('dismiss');
    expect(effects).toContainEqual({ kind: 'withdraw', leaves: [1] });
    expect(again(effects)).toEqual({ b: [{ leaf: 1, copy: 1, rows: true }] });
  });

  it('is believed when there is nobody else', () => {
    const rest = [1, 2, 3].map((leaf) => posted(leaf));
    expect(kinds(having(shape, joined(a), inputs('d'), posted(0, { fault }), ...rest).effects)).toContain(
      'fault',
    );
  });
});

describe('an audit', () => {
  const every = shapeOf({ auditShare: 1 });
  const start = [joined(a), joined(b), joined(c), inputs('d'), posted(0, { print: 'false' })];
  const checker = (effects: ReturnType<typeof decide>['effects']): string =>
    Object.keys(again(effects) as object)[0] ?? '';

  it('is announced with the plan, so that the answer comes for itself', () => {
    expect(planIn(having(every, joined(a), inputs('d')).effects)?.alone).toEqual([0, 1, 2, 3]);
    expect(planIn(having(shape, joined(a), inputs('d')).effects)?.alone).toEqual([]);
  });

  it('has another worker compute the leaf again, without its rows', () => {
    const { effects } = having(every, ...start);
    expect(again(effects)).toEqual({ [checker(effects)]: [{ leaf: 0, copy: 1, rows: false }] });
    expect(checker(effects)).not.toBe('a');
  });

  it('asks a third when two differ, and sends away who stands alone', () => {
    const second = having(every, ...start, posted(0, { seat: b, copy: 1, print: 'true' }));
    expect(codes(second.effects)).toEqual(['AUDIT_MISMATCH']);
    expect(checker(second.effects)).toBe('c');
    const third = from(every, second.state, posted(0, { seat: c, copy: 2, print: 'true' }));
    expect(codes(third.effects)).toEqual(['QUARANTINED']);
    expect(third.effects).toContainEqual({ kind: 'withdraw', leaves: [0] });
    expect(third.effects).toContainEqual(expect.objectContaining({ kind: 'dismiss', seat: a }));
    expect(codes(from(every, third.state, joined(d, { worker: 'a' })).effects)).toEqual(['REFUSED_WORKER']);
  });

  it('does not hold a stage for long', () => {
    const rest = [posted(1, { seat: b }), posted(2, { seat: c }), posted(3, { seat: c })];
    const all = [tick(0), ...start.map((e): RunEvent => (e.kind === 'posted' ? posted(0) : e)), ...rest];
    const waiting = having(every, ...all, tick(100), beat(a), beat(b), beat(c));
    expect(waiting.state.kind).toBe('asking');
    const { effects } = from(every, waiting.state, tick(1200));
    expect(kinds(effects)).toContain('add');
  });
});

describe('a store that lost everything', () => {
  it('is told again what is asked, and answers that are here stay', () => {
    const { effects } = having(shape, joined(a), inputs('d'), posted(0), posted(1), { kind: 'emptied' });
    expect(kinds(effects)).toEqual(['say', 'reopen', 'publish', 'assign']);
    expect(effects[0]).toMatchObject({ notice: { code: 'STATE_LOST', answers: 2 } });
  });

  it('gives the rest to whoever comes', () => {
    const { effects } = having(shape, joined(a), inputs('d'), posted(0), { kind: 'emptied' }, joined(b));
    expect(holding(effects)).toEqual({ b: [1, 2, 3] });
  });
});

describe('a coordinator', () => {
  it('keeps a checkpoint with every commit, and of a long stage every 30 s', () => {
    const answers = [0, 1, 2, 3].map((leaf) => posted(leaf));
    expect(having(shape, joined(a), inputs('d'), ...answers, move('e')).effects).toContainEqual({
      kind: 'checkpoint',
      due: false,
    });
    const long = having(shape, tick(0), joined(a), inputs('d'), posted(0), beat(a));
    const later = from(shape, long.state, tick(29_900), beat(a));
    expect(from(shape, later.state, tick(30_000)).effects).toContainEqual({ kind: 'checkpoint', due: true });
  });

  it('keeps one when it is cancelled, and says where', () => {
    const { effects } = having(shape, joined(a), inputs('d'), { kind: 'cancel' });
    expect(kinds(effects)).toEqual(['checkpoint', 'say', 'end']);
  });

  it('hands the run over without ending it', () => {
    const { state, effects } = having(shape, joined(a), inputs('d'), { kind: 'hand-over' });
    expect(state).toEqual({ kind: 'dropped', why: 'handed-over' });
    expect(kinds(effects)).toEqual(['checkpoint', 'say']);
  });

  it('does nothing more once it is fenced', () => {
    const { state } = having(shape, joined(a), inputs('d'), { kind: 'fenced', epoch: 7 });
    for (const event of [posted(0), joined(b), tick(1e6), { kind: 'cancel' } as const]) {
      expect(decide(shape, state, event)).toEqual({ state, effects: [] });
    }
  });

  it('takes a run up in the stage where it was', () => {
    const twoPhases: RunShape = { ...shape, phases: 2 };
    const state: RunState = plannedFrom(5, 2);
    const { effects } = from(twoPhases, state, joined(a), inputs('d'));
    expect(effects[0]).toMatchObject({ kind: 'publish', number: 5, stage: { phase: 'gradient' } });
  });
});
