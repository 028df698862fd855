import { describe, expect, test } from 'vitest';
import {
  absent,
  type ChildEvent,
  type ChildState,
  decide,
  type Limits,
  type Outcome,
} from '../../../src/worker/child/supervision.ts';

const limits: Limits = { restartsMax: 3, firstMs: 60_000, leastMs: 10_000, factor: 8 };

const watch = { since: 0, first: null, last: 0, signs: 0, known: null };
const opening: ChildState = { kind: 'opening', restarts: 0, watch };
const idle: ChildState = { kind: 'idle', restarts: 0, known: null };
const busy: ChildState = { kind: 'busy', restarts: 0, known: null, watch };
const lost: Outcome = { code: 'GPU_LOST', reason: 'reset' };
const ending: ChildState = { kind: 'ending', restarts: 0, outcome: lost };
const failed: ChildState = { kind: 'failed', outcome: lost };

const asked: ChildEvent = { kind: 'asked', at: 5, evaluates: true };
const crashed: ChildEvent = { kind: 'ended', exitCode: null, signal: 'SIGSEGV' };
const crash: Outcome = { code: 'CHILD_CRASHED', exitCode: null, signal: 'SIGSEGV' };

/** State, event, next state (its kind), effects (their kinds). */
const table: readonly (readonly [string, ChildState, ChildEvent, ChildState['kind'], readonly string[]])[] = [
  ['the first question starts a process', absent, asked, 'opening', ['start']],
  ['an open engine waits', opening, { kind: 'answered', complete: false }, 'idle', []],
  ['a question makes it busy', idle, asked, 'busy', []],
  ['an answer makes it idle', busy, { kind: 'answered', complete: true }, 'idle', []],
  ['a lost device is killed', busy, { kind: 'lost', outcome: lost }, 'ending', ['kill']],
  ['also while nobody asks', idle, { kind: 'lost', outcome: lost }, 'ending', ['kill']],
  ['also while it opens', opening, { kind: 'lost', outcome: lost }, 'ending', ['kill']],
  ['a second loss changes nothing', ending, { kind: 'lost', outcome: lost }, 'ending', []],
  ['a killed one is replaced when it is gone', ending, crashed, 'absent', ['redo']],
  ['a crash is answered alike', busy, crashed, 'absent', ['redo']],
  ['a crash while nobody asks too', idle, crashed, 'absent', ['redo']],
  ['an answer that comes after the kill is void', ending, { kind: 'answered', complete: true }, 'ending', []],
  ['so is progress', ending, { kind: 'heard', at: 9 }, 'ending', []],
  ['the end of a process that was let go is none', absent, crashed, 'absent', []],
  ['one that failed for good says so again', failed, asked, 'failed', ['give-up']],
  ['and nothing brings it back', failed, crashed, 'failed', []],
];

describe('what becomes of a compute child', () => {
  test.each(table)('%s', (_, state, event, kind, effects) => {
    const decision = decide(state, event, limits);
    expect(decision.state.kind).toBe(kind);
    expect(decision.effects.map((e) => e.kind)).toEqual(effects);
  });

  test('it is started again as often as allowed, and given up with the last outcome', () => {
    let state: ChildState = busy;
    for (let restart = 1; restart <= 3; restart++) {
      const decision = decide(state, crashed, limits);
      expect(decision.effects).toEqual([{ kind: 'redo', outcome: crash, restart }]);
      state = decide(decision.state, asked, limits).state;
    }
    expect(decide(state, crashed, limits)).toEqual({
      state: { kind: 'failed', outcome: crash },
      effects: [{ kind: 'give-up', outcome: crash }],
    });
  });

  test('only a completed evaluation gives the restarts back', () => {
    const tired: ChildState = { kind: 'busy', restarts: 2, known: null, watch };
    expect(decide(tired, { kind: 'answered', complete: false }, limits).state).toEqual({
      kind: 'idle',
      restarts: 2,
      known: null,
    });
    expect(decide(tired, { kind: 'answered', complete: true }, limits).state).toEqual({
      kind: 'idle',
      restarts: 0,
      known: null,
    });
  });

  test.each([
    ['60 s before the first sign', [], 60_000],
    ['10 s between quick signs', [10, 20, 30], 10_030],
    ['8 times the average between slow ones', [4000, 8000], 8000 + 8 * 4000],
    ['the average, not the last', [1000, 2000, 9000], 9000 + 8 * 3000],
  ])('silence is a hang after %s', (_, signs, until) => {
    let state: ChildState = busy;
    for (const at of signs) state = decide(state, { kind: 'heard', at }, limits).state;
    const last = signs.at(-1) ?? 0;
    expect(decide(state, { kind: 'checked', at: until }, limits).effects).toEqual([]);
    expect(decide(state, { kind: 'checked', at: until + 1 }, limits)).toEqual({
      state: { kind: 'ending', restarts: 0, outcome: { code: 'GPU_HUNG', silentMs: until + 1 - last } },
      effects: [{ kind: 'kill' }],
    });
  });

  test.each([
    ['8 times what that took in an evaluation before, if that was long', true, 3000, 24_000],
    ['10 s, if it was short', true, 10, 10_000],
    ['60 s, if it was very long', true, 20_000, 60_000],
    ['60 s, if something else is wanted', false, 10, 60_000],
  ])('the first sign is waited for %s', (_, evaluates, tookMs, patienceMs) => {
    let state: ChildState = busy;
    const begin = 100_000;
    for (const event of [
      { kind: 'heard', at: tookMs },
      { kind: 'heard', at: 50_000 },
      { kind: 'answered', complete: true },
      { kind: 'asked', at: begin, evaluates },
    ] as const)
      state = decide(state, event, limits).state;
    const checked = (at: number): ChildState['kind'] =>
      decide(state, { kind: 'checked', at }, limits).state.kind;
    expect([checked(begin + patienceMs), checked(begin + patienceMs + 1)]).toEqual(['busy', 'ending']);
  });

  test('a fresh process is given as long as the first', () => {
    let state: ChildState = { kind: 'busy', restarts: 0, known: 10, watch };
    for (const event of [
      crashed,
      asked,
      { kind: 'answered', complete: false },
      { kind: 'asked', at: 0, evaluates: true },
    ] as const)
      state = decide(state, event, limits).state;
    expect(decide(state, { kind: 'checked', at: 60_000 }, limits).state.kind).toBe('busy');
  });

  test('nobody who is idle hangs', () => {
    expect(decide(idle, { kind: 'checked', at: 1e9 }, limits)).toEqual({ state: idle, effects: [] });
  });
});
