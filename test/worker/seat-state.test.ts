import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decideSeat,
  type Question,
  type SeatDecision,
  type SeatEvent,
  type SeatLimits,
  type SeatState,
  seated,
  type Task,
} from '../../src/worker/seat-state.ts';

const limits: SeatLimits = { threads: 2, waveMs: 200, leaseMs: 3000, drainMs: 15_000 };
const first: Question = { key: '0 gradient d', phase: 'gradient' };
const second: Question = { key: '1 gradient e', phase: 'gradient' };
const error = { tag: 'DeviceError', message: 'device lost', details: {} };

const tasks = (...leaves: readonly (number | 'sources')[]): readonly Task[] =>
  leaves.map((leaf) => ({ leaf, copy: 0, rows: true, alone: false }));
const check = (leaf: number, copy: number): Task => ({ leaf, copy, rows: false, alone: true });

function view(question: Question | null, what: readonly Task[]): SeatEvent {
  return { kind: 'view', question, tasks: what, ended: false, dismissed: null };
}
const answered = (...leaves: readonly number[]): SeatEvent => ({
  kind: 'answered',
  key: first.key,
  tasks: tasks(...leaves),
});
const waved = (tookMs: number): SeatEvent => ({ kind: 'waved', tookMs });

/** The state after these events, and the effects of the last of them. */
function having(...events: readonly SeatEvent[]): SeatDecision {
  return events.reduce<SeatDecision>((was, event) => decideSeat(limits, was.state, event), {
    state: seated,
    effects: [],
  });
}

const evaluates = (question: Question, what: readonly Task[]): unknown => [
  { kind: 'evaluate', question, tasks: what },
];

describe('decideSeat', () => {
  it('waits until the plan gives it leaves', () => {
    expect(having(view(null, []), view(first, [])).effects).toEqual([]);
    expect(having(view(null, []), view(first, []), view(first, tasks(3))).effects).toEqual(
      evaluates(first, tasks(3)),
    );
  });

  it('begins with one leaf a thread, and then takes as many as fit the time of a wave', () => {
    const start = [view(first, tasks(0, 1, 2, 3, 4, 5, 6, 7)), answered(0, 1)];
    expect(having(...start.slice(0, 1)).effects).toEqual(evaluates(first, tasks(0, 1)));
    expect(having(...start, waved(100)).effects).toEqual(evaluates(first, tasks(2, 3, 4, 5)));
    expect(having(...start, waved(4000)).effects).toEqual(evaluates(first, tasks(2, 3)));
  });

  it('evaluates everything at once where no leaf can move', () => {
    const alone = { ...limits, waveMs: Infinity };
    const { effects } = decideSeat(alone, seated, view(first, tasks(0, 1, 2, 3, 'sources')));
    expect(effects).toEqual(evaluates(first, tasks(0, 1, 2, 3, 'sources')));
  });

  it('keeps leaves whose rows are written apart from those that are only compared', () => {
    const mixed = [...tasks(4), check(7, 1), check(8, 1)];
    const start = [view(first, mixed), answered(4)];
    expect(having(...start.slice(0, 1)).effects).toEqual(evaluates(first, tasks(4)));
    expect(having(...start, waved(10)).effects).toEqual(evaluates(first, [check(7, 1), check(8, 1)]));
  });

  it('gives up leaves that a plan moves before they are started, and takes those that it brings', () => {
    const start = [view(first, tasks(0, 1, 2, 3)), view(first, tasks(0, 1, 9)), answered(0, 1)];
    expect(having(...start, waved(1000)).effects).toEqual(evaluates(first, tasks(9)));
  });

  it('finishes a wave of which one leaf is wanted still', () => {
    expect(having(view(first, tasks(0, 1)), view(first, tasks(1))).effects).toEqual([]);
  });

  it('halts a wave of which no leaf is wanted', () => {
    const { state, effects } = having(view(first, tasks(0, 1)), view(first, tasks(5)));
    expect(effects).toEqual([{ kind: 'halt' }]);
    expect(decideSeat(limits, state, waved(3)).effects).toEqual(evaluates(first, tasks(5)));
  });

  it('does not halt a wave whose answers are on their way', () => {
    expect(having(view(first, tasks(0, 1)), answered(0, 1), view(first, [])).effects).toEqual([]);
  });

  it('does not evaluate an answered leaf again because a plan names it still', () => {
    const start = [view(first, tasks(0, 1)), answered(0, 1), waved(5)];
    expect(having(...start, view(first, tasks(0, 1, 2))).effects).toEqual(evaluates(first, tasks(2)));
  });

  it('answers another copy of a leaf that it has answered', () => {
    const start = [view(first, tasks(0)), answered(0), waved(5)];
    expect(having(...start, view(first, [check(0, 2)])).effects).toEqual(evaluates(first, [check(0, 2)]));
  });

  it('halts when another question is asked, and answers that one next', () => {
    const { state, effects } = having(view(first, tasks(0, 1)), answered(0), view(second, tasks(0, 1)));
    expect(effects).toEqual([{ kind: 'halt' }]);
    const late = decideSeat(limits, state, answered(1)).state;
    expect(decideSeat(limits, late, waved(5)).effects).toEqual(evaluates(second, tasks(0, 1)));
  });

  it('goes back to an earlier iteration when a coordinator took the run over from a checkpoint', () => {
    const start = [view(second, tasks(0)), { ...answered(0), key: second.key } as SeatEvent, waved(5)];
    expect(having(...start, view(first, tasks(0))).effects).toEqual(evaluates(first, tasks(0)));
  });

  it('leaves when the run ends', () => {
    const end: SeatEvent = { kind: 'view', question: first, tasks: [], ended: true, dismissed: null };
    expect(having(view(first, tasks(0)), end)).toEqual({
      state: { kind: 'gone', why: 'ended' },
      effects: [{ kind: 'halt' }, { kind: 'leave', error: null }],
    });
  });

  it('leaves with the reason when it is dismissed', () => {
    const out: SeatEvent = { kind: 'view', question: first, tasks: [], ended: false, dismissed: error };
    expect(having(out)).toEqual({
      state: { kind: 'gone', why: 'dismissed' },
      effects: [{ kind: 'leave', error }],
    });
  });

  it('leaves with the error when the work fails', () => {
    expect(having(view(first, tasks(0)), { kind: 'failed', error }).effects).toEqual([
      { kind: 'halt' },
      { kind: 'leave', error },
    ]);
  });

  it('drains at once when nothing is started', () => {
    expect(having(view(first, []), { kind: 'drain', now: 0 }).effects).toEqual([
      { kind: 'leave', error: null },
    ]);
  });

  it('finishes what is started before it drains, and begins nothing', () => {
    const start: SeatEvent[] = [view(first, tasks(0, 1, 2, 3)), { kind: 'drain', now: 1000 }];
    expect(having(...start).effects).toEqual([]);
    expect(having(...start, view(first, tasks(2, 3, 4))).effects).toEqual([]);
    expect(having(...start, answered(0, 1), waved(9)).effects).toEqual([{ kind: 'leave', error: null }]);
  });

  it('halts what is started when a drain takes too long', () => {
    const start: SeatEvent[] = [view(first, tasks(0, 1)), { kind: 'drain', now: 1000 }];
    expect(having(...start, { kind: 'tick', now: 15_999 }).effects).toEqual([]);
    expect(having(...start, { kind: 'tick', now: 16_000 }).effects).toEqual([{ kind: 'halt' }]);
    expect(having(...start, { kind: 'tick', now: 16_000 }, waved(9)).effects).toEqual([
      { kind: 'leave', error: null },
    ]);
  });

  it.each([
    ['the store says that the seat is not held', { kind: 'fenced' }],
    ['the store was silent for longer than a lease lasts', { kind: 'silent', forMs: 3000 }],
  ] as const)('fences itself when %s', (_, event) => {
    const { state, effects } = having(view(first, tasks(0)), event);
    expect(effects).toEqual([{ kind: 'halt' }, { kind: 'fence' }]);
    expect(decideSeat(limits, state, answered(0)).effects).toEqual([]);
  });

  it('bears a silence shorter than a lease', () => {
    expect(having(view(first, tasks(0)), { kind: 'silent', forMs: 2999 }).effects).toEqual([]);
  });

  it('evaluates each leaf once a question, and every leaf that the last plan names', () => {
    const leaves = fc.uniqueArray(fc.nat(9), { maxLength: 10 });
    fc.assert(
      fc.property(
        fc.array(leaves, { minLength: 1, maxLength: 8 }),
        fc.infiniteStream(fc.nat(3)),
        (plans, chance) => {
          let state: SeatState = seated;
          let wave: readonly Task[] = [];
          const done: number[] = [];
          const feed = (event: SeatEvent): void => {
            const decision = decideSeat(limits, state, event);
            state = decision.state;
            for (const effect of decision.effects) {
              if (effect.kind === 'halt') wave = [];
              if (effect.kind === 'evaluate') wave = effect.tasks;
            }
          };
          const work = (): void => {
            const leaf = wave[0]?.leaf;
            wave = wave.slice(1);
            if (typeof leaf === 'number') {
              done.push(leaf);
              feed(answered(leaf));
            }
            if (wave.length === 0 && state.kind !== 'waiting') feed(waved(chance.next().value as number));
          };
          for (const plan of plans) {
            feed(view(first, tasks(...plan)));
            for (let n = chance.next().value as number; n > 0; n--) work();
          }
          while (state.kind === 'computing' || state.kind === 'halting') work();
          expect(new Set(done).size).toBe(done.length);
          for (const leaf of plans.at(-1) ?? []) expect(done).toContain(leaf);
        },
      ),
    );
  });
});
