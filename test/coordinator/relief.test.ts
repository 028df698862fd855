import { describe, expect, it } from 'vitest';
import { foresee } from '../../src/coordinator/foresight.ts';
import type { Asking, RunEvent } from '../../src/coordinator/run-events.ts';
import type { Leaf } from '../../src/partition/seats.ts';
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
  holding,
  inputs,
  joined,
  kinds,
  lost,
  move,
  posted,
  shapeOf,
  tick,
} from './events.ts';

const shape = shapeOf();

const beats = (now: number): readonly RunEvent[] => [tick(now), beat(a), beat(b)];

describe('a worker whose work waits, beside one that does not', () => {
  const full = '/storage/rows: the disk is full';
  const both = [tick(0), joined(a), joined(b), inputs('d'), tick(900), beat(a, full), beat(b)];

  it('has its leaves given to the other, and is given none until it goes on', () => {
    const { state, effects } = having(shape, ...both, tick(1000));
    expect(holding(effects)).toEqual({ a: [], b: [2, 3, 0, 1] });
    const later = from(
      shape,
      state,
      tick(1400),
      posted(2, { seat: b, tookMs: 1400 }),
      beat(a, full),
      beat(b),
      tick(1500),
    );
    expect(later.effects).toEqual([]);
    expect(holding(from(shape, later.state, beat(a), tick(1600)).effects)).toEqual({ a: [1], b: [3, 0] });
  });

  it('is given nothing of a seat that is lost, nor of the next iteration', () => {
    const three = having(shape, tick(0), joined(a), joined(b), joined(c), inputs('d'), beat(a, full));
    expect(holding(from(shape, three.state, lost(c)).effects)).toEqual({ a: [0], b: [1, 3, 2] });
    const { state } = having(shape, ...both, tick(1000));
    const all = [0, 1, 2, 3].map((leaf) => posted(leaf, { seat: b }));
    const { effects } = from(shape, state, ...all, move('e'));
    expect(holding(effects)).toEqual({ a: [], b: [0, 1, 2, 3] });
  });

  it('begins the next iteration with the other where both wait', () => {
    const { state } = having(shape, ...both, beat(b, full));
    const all = [0, 1, 2, 3].map((leaf) => posted(leaf, { seat: leaf < 2 ? a : b }));
    expect(holding(from(shape, state, ...all, move('e')).effects)).toEqual({ a: [0, 1], b: [2, 3] });
  });

  it('compares answers only where nobody else is there', () => {
    const audited = shapeOf({ auditShare: 1 });
    const start = (...more: readonly RunEvent[]): readonly RunEvent[] => [
      joined(a),
      joined(b),
      ...more,
      inputs('d'),
      beat(b, full),
    ];
    const alone = having(audited, ...start(), posted(0));
    expect(again(alone.effects)).toEqual({ b: [{ leaf: 0, copy: 1, rows: false }] });
    const { state } = having(audited, ...start(joined(c)));
    expect(again(from(audited, state, posted(0)).effects)).toEqual({
      c: [{ leaf: 0, copy: 1, rows: false }],
    });
    const { crew, load } = state as Asking;
    expect(foresee(crew, load, [0, 1, 2, 3]).checks.map(({ asked }) => asked)).not.toContain(b);
  });

  it('still has its answers taken', () => {
    const { state } = having(shape, ...both, tick(1000));
    expect(kinds(from(shape, state, posted(0)).effects)).toContain('keep');
  });

  it('keeps its leaves while the other waits, too', () => {
    expect(having(shape, ...both, beat(b, full), tick(1000)).effects).toEqual([]);
  });
});

describe('a straggler', () => {
  const still = shapeOf({ stealMs: Infinity });
  const slow = [tick(0), joined(a), joined(b), inputs('d')];
  const three = [tick(100), posted(0), tick(200), posted(1), tick(300), posted(2, { seat: b })];

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

  it('has its leaf copied also before, where that takes very long and somebody is idle', () => {
    const two = { ...still, shards: 2 };
    const alive = Array.from({ length: 30 }, (_, second) => beats(1000 * (second + 1))).flat();
    const early = having(two, ...slow, tick(100), posted(0), ...alive);
    expect(early.effects).toEqual([]);
    const { effects } = from(two, early.state, tick(30_100));
    expect(effects[0]).toMatchObject({ notice: { code: 'SPECULATING', leaf: 1, ratio: null } });
    expect(holding(effects)).toEqual({ a: [1], b: [1] });
  });

  it('has its leaf copied again where those that were given copies answer no more than it does', () => {
    const one = { ...still, shards: 1 };
    const all = [a, b, c, d];
    const alive = (from: number): readonly RunEvent[] =>
      Array.from({ length: 30 }, (_, s) => [tick(from + 1000 * s), ...all.map((seat) => beat(seat))]).flat();
    const start = [tick(0), ...all.map((seat) => joined(seat)), inputs('d')];
    const twice = having(one, ...start, ...alive(1000), tick(30_100), tick(30_200));
    expect(holding(twice.effects)).toEqual({ a: [0], b: [0], c: [], d: [0] });
    const later = from(one, twice.state, ...alive(31_000));
    expect(later.effects).toEqual([]);
    expect(holding(from(one, later.state, tick(60_300)).effects)).toEqual({ a: [0], b: [0], c: [0], d: [0] });
  });

  it('and its copy count once, whichever is first', () => {
    const copied = having(still, ...slow, ...three, ...beats(1300), tick(1400));
    const done = from(still, copied.state, posted(3));
    expect(kinds(done.effects)).toEqual(['keep', 'add']);
    expect(from(still, done.state, posted(3, { seat: b })).effects).toEqual([]);
  });

  it('has a leaf that may move on, from whoever is given it when all are gone that it was with', () => {
    const two = [tick(0), joined(a), joined(b, { threads: 2 }), inputs('d'), posted(0), posted(1), joined(c)];
    const alive = Array.from({ length: 30 }, (_, s) => [...beats(1000 * (s + 1)), beat(c)]).flat();
    const copied = having(still, ...two, ...alive, tick(30_100));
    expect(holding(copied.effects)).toEqual({ a: [2], b: [2, 3], c: [3] });
    const anew = from(still, copied.state, { kind: 'emptied' }, joined(d));
    expect(holding(anew.effects)).toEqual({ d: [2, 3] });
    expect(holding(from(still, anew.state, joined(a)).effects)).toEqual({ d: [2], a: [3] });
  });

  it('takes its leaf back from whoever has a copy, who goes on with another seat’s at once', () => {
    const eighteen = { ...shapeOf({ stealMs: 250 }), shards: 18 };
    const first = [0, 1, 2, 3, 4, 5].map((leaf) => posted(leaf));
    const some = [6, 7, 8, 9].map((leaf) => posted(leaf, { seat: b }));
    const start = [tick(0), joined(a), joined(b), joined(c), inputs('d'), tick(400), ...first];
    const on = [tick(1000), ...some, posted(12, { seat: c }), ...beats(1300), beat(c), tick(2100)];
    const copied = having(eighteen, ...start, ...on);
    expect(holding(copied.effects)).toEqual({ a: [10], b: [10, 11], c: [13, 14, 15, 16, 17] });
    const back = from(eighteen, copied.state, tick(2200), posted(13, { seat: c }), posted(10, { seat: b }));
    expect(holding(back.effects)).toEqual({ a: [16, 17], b: [11], c: [14, 15] });
  });

  it('does not lose its leaf when the seat of the copy is lost', () => {
    const copied = having(still, ...slow, ...three, ...beats(1300), tick(1400));
    expect(holding(from(still, copied.state, lost(a)).effects)).toEqual({ b: [3] });
  });
});

describe('a seat that is heard of and answers nothing', () => {
  it('has all its leaves answered by others, also those that it has likely begun', () => {
    const eight = { ...shape, shards: 8 };
    let { state } = having(eight, tick(0), joined(a), joined(b), inputs('d'));
    let todo: readonly Leaf[] = [4, 5, 6, 7];
    const feed = (event: RunEvent): void => {
      const after = from(eight, state, event);
      todo = holding(after.effects)?.['b'] ?? todo;
      state = after.state;
    };
    for (let now = 100; now < 9000 && state.kind === 'asking'; now += 100) {
      for (const event of beats(now)) feed(event);
      const [leaf, ...rest] = todo;
      todo = rest;
      if (leaf !== undefined) feed(posted(leaf, { seat: b }));
    }
    expect(state.kind).toBe('adding');
  });

  /** Iterations of eight leaves, b at work and a mute until `answersFrom`; how long each takes, and what a answered in each. */
  function iterations(count: number, answersFrom: number): readonly { ms: number; byA: number }[] {
    const eight = { ...shape, shards: 8 };
    let { state, effects } = having(eight, tick(0), joined(a), joined(b), inputs('d'));
    let now = 0;
    const feed = (event: RunEvent): void => {
      ({ state, effects } = from(eight, state, event));
    };
    return Array.from({ length: count }, (_, number) => {
      const [begun, digest, answered] = [now, 'def'[number % 3]!, new Set<Leaf>()];
      let [byA, plan] = [0, holding(effects) ?? {}];
      while (state.kind === 'asking' && now < begun + 60_000) {
        now += 100;
        for (const event of beats(now)) {
          feed(event);
          plan = holding(effects) ?? plan;
        }
        for (const seat of number < answersFrom ? [b] : [a, b]) {
          const leaf = plan[seat]?.find((each) => !answered.has(each));
          if (leaf === undefined) continue;
          answered.add(leaf);
          byA += seat === a ? 1 : 0;
          feed(posted(leaf, { seat, number, digest }));
          plan = holding(effects) ?? plan;
        }
      }
      feed(move('def'[(number + 1) % 3]!));
      return { ms: now - begun, byA };
    });
  }

  it('costs the limit of a straggler once, not in every iteration', () => {
    const took = iterations(5, Infinity).map(({ ms }) => ms);
    expect(took[0]).toBeGreaterThan(1000);
    expect(took.slice(1)).toEqual([800, 800, 800, 800]);
  });

  it('is tried in each, and has its share again when it answers', () => {
    const took = iterations(6, 3);
    expect(took.map(({ byA }) => byA > 0)).toEqual([false, false, false, true, true, true]);
    expect(took[5]).toEqual({ ms: 400, byA: 4 });
  });
});
