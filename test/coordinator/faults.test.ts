import { describe, expect, it } from 'vitest';
import { plannedFrom, type RunEvent, type RunState } from '../../src/coordinator/run-events.ts';
import { decide } from '../../src/coordinator/run-state.ts';
import type { RunShape } from '../../src/coordinator/stage.ts';
import {
  a,
  b,
  beat,
  c,
  codes,
  from,
  having,
  holding,
  inputs,
  joined,
  kinds,
  left,
  lost,
  move,
  posted,
  shapeOf,
  tick,
} from './events.ts';

const shape = shapeOf();

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

  it('leaves what it had to those that have missed no beat, if there are any', () => {
    const start = [tick(0), joined(a), joined(b), joined(c), inputs('d'), tick(1500), beat(c)];
    expect(holding(having(shape, ...start, lost(b)).effects)).toEqual({ a: [0], c: [2, 3, 1] });
    expect(holding(having(shape, ...start, lost(c)).effects)).toEqual({ a: [0, 3], b: [1, 2] });
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

describe('a worker whose work waits for somebody', () => {
  it('is told of once, and when it goes on', () => {
    const full = '/storage/rows: the disk is full';
    const { state, effects } = having(shape, joined(a), inputs('d'), beat(a, full));
    expect(effects).toMatchObject([{ notice: { code: 'WORKER_WAITS', who: { worker: 'a' }, why: full } }]);
    expect(from(shape, state, beat(a, full)).effects).toEqual([]);
    const on = from(shape, state, beat(a, full), beat(a));
    expect(on.effects).toMatchObject([{ notice: { code: 'WORKER_WAITS', why: null } }]);
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

describe('leaves that are not started', () => {
  it('move to a seat that joins in mid-iteration', () => {
    const { effects } = having(shape, tick(0), joined(a), inputs('d'), tick(100), posted(0), joined(b));
    expect(holding(effects)).toEqual({ a: [1, 2], b: [3] });
  });

  it('move to a seat that has nothing left, when that is worth a plan', () => {
    const eight = { ...shape, shards: 8 };
    const start = [tick(0), joined(a), joined(b), inputs('d')];
    const first = [0, 1, 2].flatMap((leaf) => [tick(400 * (leaf + 1)), posted(leaf, { tookMs: 400 })]);
    const { effects } = having(eight, ...start, ...first, tick(1600), posted(3, { tookMs: 400 }));
    expect(holding(effects)).toEqual({ a: [7], b: [4, 5, 6] });
    const short = [tick(4), posted(0, { tookMs: 4 }), tick(8), posted(1, { tookMs: 4 })];
    expect(holding(having(shape, ...start, ...short).effects)).toBeNull();
  });

  it('stay where they have likely been begun, although their seat has not said so', () => {
    const start = [tick(0), joined(a), joined(b), inputs('d'), tick(400), posted(0, { tookMs: 400 })];
    expect(holding(having(shape, ...start, tick(800), posted(1, { tookMs: 400 })).effects)).toBeNull();
  });

  it('stay where answers are long on their way, and leaves are not', () => {
    const eight = { ...shape, shards: 8 };
    const start = [tick(0), joined(a), joined(b), inputs('d'), tick(1600)];
    const four = [0, 1, 2, 3].map((leaf) => posted(leaf, { tookMs: 0.1 }));
    expect(holding(having(eight, ...start, ...four).effects)).toBeNull();
  });

  it('do not move to a seat that is gone when its last answer comes', () => {
    const eight = { ...shape, shards: 8 };
    const start = [tick(0), joined(a), joined(b), joined(c), inputs('d'), tick(400), posted(0), lost(b)];
    const { state, effects } = having(eight, ...start, posted(3, { seat: b }));
    expect(kinds(effects)).toEqual(['keep']);
    const rest = [1, 2, 4, 5, 6, 7].map((leaf) => posted(leaf));
    expect(kinds(from(eight, state, ...rest).effects)).toEqual(['keep', 'add']);
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

describe('a store that lost everything', () => {
  it('is told again what is asked, and answers that are here stay', () => {
    const { effects } = having(shape, joined(a), inputs('d'), posted(0), posted(1), { kind: 'emptied' });
    expect(kinds(effects)).toEqual(['say', 'reopen', 'publish', 'assign']);
    expect(effects[0]).toMatchObject({ notice: { code: 'STATE_LOST', answers: 2 } });
  });

  it('is in reach again, though nobody says so', () => {
    const away: RunEvent = { kind: 'unreachable', forMs: 2000 };
    const start = [tick(0), joined(a), inputs('d'), away, tick(3000)];
    const { state } = having(shape, ...start, { kind: 'emptied' }, joined(a), joined(b));
    expect(codes(from(shape, state, tick(3100), beat(b), tick(5050)).effects)).toEqual(['UNRESPONSIVE']);
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
