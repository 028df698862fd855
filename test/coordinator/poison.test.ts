import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/coordinator/run-events.ts';
import type { ErrorReport, SeatId } from '../../src/protocol.ts';
import {
  a,
  b,
  beat,
  c,
  codes,
  d,
  from,
  having,
  holding,
  inputs,
  joined,
  lost,
  move,
  posted,
  seatOf,
  shapeOf,
  tick,
} from './events.ts';

const shape = shapeOf();

function broke(seat: SeatId, tag = 'DeviceError', details: ErrorReport['details'] = {}): RunEvent {
  return { kind: 'broke', seat, error: { tag, message: 'out of memory', details }, final: false };
}

/** The first comes, takes leaf 0 and is lost; a second answers the others; then others come and are lost, one after another. */
function lossesAtZero(count: number): readonly RunEvent[] {
  const seats = Array.from({ length: count - 2 }, (_, k) => seatOf(`w${k}`));
  return [
    joined(a),
    inputs('d'),
    lost(a),
    joined(b),
    ...[1, 2, 3].map((leaf) => posted(leaf, { seat: b })),
    lost(b),
    ...seats.flatMap((seat) => [joined(seat), lost(seat)]),
  ];
}

describe('a leaf that takes workers along', () => {
  it('comes after all others, and ends the run with the third worker that breaks at it, by name', () => {
    const { effects } = having(
      shape,
      joined(a),
      inputs('d'),
      broke(a),
      joined(b),
      ...[1, 2, 3].map((leaf) => posted(leaf, { seat: b })),
      broke(b),
      joined(c),
      broke(c),
    );
    expect(codes(effects)).toEqual(['WORKER_LOST', 'POISON_SHARD']);
    expect(effects.at(-1)).toMatchObject({
      end: { kind: 'failed', error: { details: { code: 'POISON_SHARD', leaf: 0, workers: 'a, b, c' } } },
    });
  });

  it('is no leaf that one worker breaks at three times', () => {
    const w = { worker: 'w' };
    const three = [joined(a, w), inputs('d'), broke(a), joined(b, w), broke(b), joined(c, w), broke(c)];
    expect(having(shape, ...three).state.kind).toBe('asking');
  });

  it.each([
    ['lost their storage', 'OutOfReachError', null],
    ['found the disk full as they flushed its rows', 'JobFailedError', 'ENOSPC'],
    ['found their quota used up', 'JobFailedError', 'EDQUOT'],
  ])('is no leaf at which workers %s', (_, tag, code) => {
    const three = [a, b, c].flatMap((seat) => [joined(seat), inputs('d'), broke(seat, tag, { code })]);
    expect(having(shape, ...three).state.kind).toBe('asking');
  });

  it('ends the run with the ninth worker that is lost at it without a word, and not before', () => {
    expect(having(shape, ...lossesAtZero(8)).state.kind).toBe('asking');
    const { effects } = having(shape, ...lossesAtZero(9));
    expect(codes(effects)).toEqual(['WORKER_LOST', 'POISON_SHARD']);
    expect(effects.at(-1)).toMatchObject({ end: { error: { details: { leaf: 0 } } } });
  });

  it('is believed sooner when some could say so', () => {
    const all = [...lossesAtZero(4), joined(c), broke(c), joined(d), broke(d)];
    expect(codes(having(shape, ...all).effects)).toEqual(['WORKER_LOST', 'POISON_SHARD']);
    const fewer = [...lossesAtZero(2), joined(c), broke(c), joined(d), broke(d)];
    expect(having(shape, ...fewer).state.kind).toBe('asking');
  });
});

describe('a leaf whose workers are lost by chance', () => {
  it('is not to blame where as many are lost that were at nothing', () => {
    const first = lossesAtZero(8);
    const idle = [1, 2, 3, 4].map((k) => seatOf(`idle ${k}`));
    const all = [...first, joined(c), ...idle.map((seat) => joined(seat)), ...idle.map(lost), lost(c)];
    expect(having(shape, ...all).state.kind).toBe('asking');
  });

  it('was not with a worker that had been silent when it was given it', () => {
    // b is heard of no more after 0; a gives up at 1900, and nobody else is there.
    const at = [tick(0), joined(a), joined(b), inputs('d'), tick(1000), beat(a), tick(1900)];
    const { state } = having(shape, ...at, lost(a), lost(b));
    expect(state).toMatchObject({ kind: 'asking', blame: { lost: new Set(['a', 'b']) } });
    const blame = state.kind === 'asking' ? state.blame : null;
    expect([...(blame?.victims ?? [])].map(([leaf, { lost: of }]) => [leaf, [...of]])).toEqual([
      [0, ['a']],
      [2, ['b']],
    ]);
  });

  it('was not with a worker that had been at it for another question', () => {
    // a falls silent at leaf 0, b answers everything, and a is lost when the next iteration is asked.
    const silent = [tick(0), joined(a), inputs('d'), tick(2000), joined(b), tick(2100)];
    const answers = [0, 1, 2, 3].map((leaf) => posted(leaf, { seat: b }));
    const { state } = having(shape, ...silent, ...answers, move('e'), lost(a));
    expect(state).toMatchObject({ number: 1, blame: { lost: new Set(['a']), victims: new Map() } });
  });

  it('did not take along a worker that comes back', () => {
    const back = [joined(seatOf('again'), { worker: 'w5' }), joined(c), lost(c)];
    expect(having(shape, ...lossesAtZero(8), ...back).state.kind).toBe('asking');
    expect(having(shape, ...lossesAtZero(8), joined(c), lost(c)).state.kind).toBe('ended');
  });
});

describe('leaves under suspicion', () => {
  it('are computed alone, one after another', () => {
    const wide = { threads: 4 };
    const twice = [joined(a, wide), inputs('d'), lost(a), joined(b, wide), lost(b)];
    const third = having(shape, ...twice, joined(c, wide));
    expect(holding(third.effects)).toEqual({ c: [0] });
    const next = from(shape, third.state, posted(0, { seat: c }), tick(100));
    expect(holding(next.effects)).toEqual({ c: [1] });
  });

  it('go rather to a worker that has not broken at them', () => {
    const one = shapeOf({ poisonWorkers: 2 });
    const begin = [joined(a), inputs('d'), broke(a), joined(b, { worker: 'a' })];
    const rest = [1, 2, 3].map((leaf) => posted(leaf, { seat: b }));
    expect(holding(having(one, ...begin, ...rest, tick(100)).effects)).toEqual({ b: [0] });
    expect(holding(having(one, ...begin, ...rest, joined(c)).effects)).toEqual({ b: [], c: [0] });
  });
});
