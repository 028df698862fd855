import { describe, expect, it } from 'vitest';
import type { RunEffect, RunEvent } from '../../src/coordinator/run-events.ts';
import type { Fault } from '../../src/protocol.ts';
import {
  a,
  again,
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
  lost,
  move,
  planIn,
  posted,
  seatOf,
  shapeOf,
  tick,
} from './events.ts';

const shape = shapeOf();
const fault: Fault = { kind: 'non-finite', group: 'tracers', what: 'state', row: 700, step: 3 };

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

  it('waits for somebody to come where second opinions are waited for as long as it takes', () => {
    const endless = shapeOf({ auditMs: Number.POSITIVE_INFINITY });
    const rest = [1, 2, 3].map((leaf) => posted(leaf));
    const alone = having(endless, joined(a), inputs('d'), posted(0, { fault }), ...rest);
    expect(kinds(alone.effects)).not.toContain('fault');
    const { effects } = from(endless, alone.state, joined(b));
    expect(again(effects)).toEqual({ b: [{ leaf: 0, copy: 2, rows: true }] });
  });
});

describe('a worker that is asked for a second opinion and answers nothing', () => {
  const all = [a, b, c];
  const alive = (now: number): readonly RunEvent[] => [tick(now), ...all.map((seat) => beat(seat))];
  const start = [tick(0), ...all.map((seat) => joined(seat)), inputs('d')];
  const rest = [posted(1, { seat: b }), posted(2, { seat: c }), posted(3, { seat: c })];

  it('is not waited for where somebody else can give it', () => {
    const waiting = having(shape, ...start, posted(0, { fault }), ...rest, ...alive(1000));
    expect(waiting.effects).toEqual([]);
    const { state, effects } = from(shape, waiting.state, ...alive(1100));
    expect(again(from(shape, waiting.state, tick(1100)).effects)).toEqual({
      c: [{ leaf: 0, copy: 2, rows: true }],
    });
    expect(effects).toEqual([]);
    const told = from(shape, state, posted(0, { seat: c, copy: 2 }));
    expect(codes(told.effects)).toEqual(['NON_FINITE', 'QUARANTINED']);
    expect(kinds(told.effects)).toContain('add');
  });

  it('is heard all the same when it answers before the other', () => {
    const waiting = having(shape, ...start, posted(0, { fault }), ...rest, ...alive(1000), tick(1100));
    const { effects } = from(shape, waiting.state, posted(0, { seat: b, copy: 1 }));
    expect(codes(effects)).toEqual(['NON_FINITE', 'QUARANTINED']);
  });

  it('leaves the fault believed where nobody else can', () => {
    const waiting = having(shape, ...start, posted(0, { fault }), ...rest, ...alive(1000), ...alive(1100));
    expect(kinds(from(shape, waiting.state, ...alive(2000)).effects)).toEqual([]);
    const { effects } = from(shape, waiting.state, ...alive(2000), tick(2200));
    expect(effects).toMatchObject([{ notice: { code: 'NON_FINITE', cause: 'unknown' } }, { kind: 'fault' }]);
  });

  it('does not hold up a stage from which another has just been sent away', () => {
    const every = shapeOf({ auditShare: 1 });
    const sent = having(every, ...start, posted(0, { fault }), ...rest, posted(0, { seat: b, copy: 1 }));
    expect(codes(sent.effects)).toEqual(['NON_FINITE', 'QUARANTINED']);
    expect(kinds(sent.effects)).not.toContain('add');
    expect(kinds(from(every, sent.state, ...alive(1000), tick(1100)).effects)).toContain('add');
  });
});

describe('a worker that is doubted', () => {
  const three = [joined(a), joined(b), joined(c), inputs('d')];
  const two = [posted(0, { fault }), posted(1, { fault }), posted(2, { seat: b })];

  it('has all its faults asked again when the store loses everything before another has answered', () => {
    const emptied = having(shape, ...three, ...two, { kind: 'emptied' });
    expect(emptied.effects).toContainEqual({ kind: 'withdraw', leaves: [0, 1] });
    const others = [seatOf('e'), seatOf('f')].map((seat) => joined(seat));
    const answers = [
      posted(3, { seat: seatOf('e') }),
      ...[0, 1].map((leaf) => posted(leaf, { seat: seatOf('f'), copy: leaf === 0 ? 2 : 1 })),
    ];
    const { effects } = from(shape, emptied.state, ...others, ...answers);
    expect(kinds(effects)).toEqual(['keep', 'add']);
  });

  it('is not heard any more once it is sent away, from whichever seat it had', () => {
    const left: RunEvent = { kind: 'left', seat: a, lost: false };
    const { state } = having(shape, ...three, posted(0, { fault }), left, posted(0, { seat: b, copy: 1 }));
    const late = from(shape, state, posted(1, { fault }));
    expect(kinds(late.effects)).toEqual(['assign']);
    const rest = [2, 3].map((leaf) => posted(leaf, { seat: c }));
    const { effects } = from(shape, late.state, ...rest, posted(1, { seat: c, copy: 1 }));
    expect(kinds(effects)).toEqual(['keep', 'add']);
  });

  it('is doubted also when it is gone, and when nobody here knows it', () => {
    const gone = having(shape, ...three, lost(a), posted(0, { fault }));
    expect(again(gone.effects)).toMatchObject({ b: [{ leaf: 0, copy: 1 }] });
    const unknown = having(shape, ...three, posted(0, { fault, seat: d }), posted(1, { fault, seat: d }));
    const [asked] = Object.keys(
      again(having(shape, ...three, posted(0, { fault, seat: d })).effects) as object,
    );
    const { effects } = from(shape, unknown.state, posted(0, { seat: seatOf(asked ?? ''), copy: 1 }));
    expect(effects).toContainEqual({ kind: 'withdraw', leaves: [1] });
  });
});

describe('a worker that has changed seats', () => {
  const same = { worker: 'w' };
  const unknown = [joined(b, same), joined(c), inputs('d'), posted(0, { seat: d, ...same, fault })];

  it('is no second witness while it has both', () => {
    const both = [joined(a, same), joined(b, same), joined(c), inputs('d')];
    const { effects } = having(shape, ...both, posted(0, { ...same, fault }));
    expect(again(effects)).toEqual({ c: [{ leaf: 0, copy: 1, rows: true }] });
  });

  it('is none to what it said from a seat that nobody here knows', () => {
    const { state, effects } = having(shape, ...unknown);
    expect(again(effects)).toEqual({ c: [{ leaf: 0, copy: 1, rows: true }] });
    const rest = from(shape, state, posted(0, { seat: c, copy: 1 }));
    expect(codes(rest.effects)).toEqual(['NON_FINITE', 'QUARANTINED']);
    expect(rest.effects).toContainEqual(expect.objectContaining({ kind: 'dismiss', seat: b }));
  });

  it('is none where another coordinator had asked it: somebody else is asked once more', () => {
    const { effects } = having(shape, ...unknown, posted(0, { seat: b, ...same, copy: 1, fault }));
    expect(codes(effects)).toEqual([]);
    expect(again(effects)).toEqual({ c: [{ leaf: 0, copy: 2, rows: true }] });
  });

  it('is compared with its own class, though nobody here knows the seat', () => {
    const mixed = shapeOf({ auditShare: 1, allowMixed: true });
    const [f32, f64] = [{ numerics: 'wasm/f32' }, { numerics: 'reference/f64' }];
    const three = [joined(a, f64), joined(b, f32), joined(c, f64), inputs('d')];
    const { effects } = having(mixed, ...three, posted(0, { seat: d, ...same, ...f32 }));
    expect(again(effects)).toEqual({ b: [{ leaf: 0, copy: 1, rows: false }] });
  });
});

describe('an audit', () => {
  const every = shapeOf({ auditShare: 1 });
  const start = [joined(a), joined(b), joined(c), inputs('d'), posted(0, { print: 'false' })];
  const checker = (effects: readonly RunEffect[]): string => Object.keys(again(effects) as object)[0] ?? '';

  it('is announced with the plan, so that the answer comes for itself', () => {
    expect(planIn(having(every, joined(a), inputs('d')).effects)?.alone).toEqual([0, 1, 2, 3]);
    expect(planIn(having(shape, joined(a), inputs('d')).effects)?.alone).toEqual([]);
  });

  it('has another worker compute the leaf again, without its rows', () => {
    const { effects } = having(every, ...start);
    expect(again(effects)).toEqual({ [checker(effects)]: [{ leaf: 0, copy: 1, rows: false }] });
    expect(checker(effects)).not.toBe('a');
  });

  it('takes a copy of its own, also where one that another coordinator asked for comes late', () => {
    const late = posted(0, { seat: d, copy: 1, print: 'late' });
    const { effects } = having(every, ...start.slice(0, -1), late, posted(0));
    expect(again(effects)).toEqual({ [checker(effects)]: [{ leaf: 0, copy: 2, rows: false }] });
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

describe('an audit of an iteration that follows another', () => {
  const every = shapeOf({ auditShare: 1 });
  const share = (seat: typeof a, leaves: readonly number[], number: number): readonly RunEvent[] =>
    leaves.map((leaf) => posted(leaf, { seat, number, digest: number === 0 ? 'd' : 'e' }));
  const copies = (seat: typeof a, leaves: readonly number[], print = 'true'): readonly RunEvent[] =>
    leaves.map((leaf) => posted(leaf, { seat, number: 1, digest: 'e', copy: 1, print }));
  const first = [joined(a), joined(b), inputs('d'), ...share(a, [0, 1], 0), ...share(b, [2, 3], 0)];
  const asked = from(every, having(shape, ...first).state, move('e'));

  it('is asked for in the plan that asks for the leaf', () => {
    expect(again(asked.effects)).toEqual({
      a: [2, 3].map((leaf) => ({ leaf, copy: 1, rows: false })),
      b: [0, 1].map((leaf) => ({ leaf, copy: 1, rows: false })),
    });
  });

  it('compares two answers, whichever comes first', () => {
    const early = from(
      every,
      asked.state,
      ...share(a, [0, 1], 1),
      ...copies(b, [0, 1]),
      ...copies(a, [2, 3]),
    );
    expect(early.effects).toEqual([]);
    const { effects } = from(every, early.state, ...share(b, [2, 3], 1));
    expect(kinds(effects)).toEqual(['keep', 'add']);
    const wrong = from(every, asked.state, ...copies(b, [0], 'false'), ...share(a, [0], 1));
    expect(codes(wrong.effects)).toEqual(['AUDIT_MISMATCH']);
  });

  it('is given up where the leaf has come to the only one who could compare it', () => {
    const { effects } = from(every, asked.state, lost(a), ...share(b, [0, 1, 2, 3], 1));
    expect(kinds(effects)).toEqual(['keep', 'add']);
  });

  it('asks somebody else where the leaf has come to the worker that was to compare it', () => {
    const alone = from(every, asked.state, lost(a), joined(c));
    const { effects } = from(every, alone.state, ...share(b, [0], 1));
    expect(again(effects)).toMatchObject({ c: [{ leaf: 0, rows: false }] });
  });

  it('asks somebody else where the leaf has come to a worker of another class', () => {
    const mixed = shapeOf({ auditShare: 1, allowMixed: true });
    const f32 = { numerics: 'wasm/f32' };
    const moved = from(mixed, asked.state, joined(c, f32), joined(d, f32));
    const other = posted(0, { seat: c, ...f32, number: 1, digest: 'e', print: 'other' });
    const { effects } = from(mixed, moved.state, ...copies(b, [0]), other);
    expect(codes(effects)).toEqual([]);
    expect(again(effects)).toMatchObject({ d: [{ leaf: 0, copy: 2, rows: false }] });
  });

  it('is not waited for where the first answer is no number', () => {
    const fallen = posted(0, { number: 1, digest: 'e', fault });
    const { effects } = from(every, asked.state, fallen);
    expect(again(effects)).toMatchObject({ b: [{ leaf: 1 }, { leaf: 0, copy: 2, rows: true }] });
  });
});
