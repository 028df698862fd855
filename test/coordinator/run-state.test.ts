import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { patient } from '../../src/coordinator/rules.ts';
import { planned, plannedFrom, type RunEvent, type RunState } from '../../src/coordinator/run-events.ts';
import { decide } from '../../src/coordinator/run-state.ts';
import { type RunShape, stagesOf } from '../../src/coordinator/stage.ts';
import type { Leaf } from '../../src/partition/seats.ts';
import { type Fault, SeatId } from '../../src/protocol.ts';
import { a, b, codes, digest, having, inputs, joined, kinds, left, move, posted } from './events.ts';

const rules = { ...patient, breakagesMax: 1 };
const onePhase: RunShape = { shards: 3, sourcesLeaf: true, phases: 1, gradient: true, run: 'r', rules };
const twoPhases: RunShape = { ...onePhase, phases: 2 };
const error = { tag: 'DeviceError', message: 'device lost', details: {} };

describe('stagesOf', () => {
  const phases = (shape: RunShape): readonly string[] =>
    stagesOf(shape).map((s) => `${s.phase}:${s.leaves.join(',')}`);

  it('asks all leaves at once when the loss is linear in its sums', () => {
    expect(phases(onePhase)).toEqual(['gradient:0,1,2,sources']);
    expect(phases({ ...onePhase, sourcesLeaf: false })).toEqual(['gradient:0,1,2']);
    expect(phases({ ...onePhase, gradient: false })).toEqual(['sums:0,1,2,sources']);
  });

  it('asks for sums, then h, then the backward sweep when it is not', () => {
    expect(phases(twoPhases)).toEqual(['sums:0,1,2', 'head:sources', 'gradient:0,1,2,sources']);
    expect(phases({ ...twoPhases, gradient: false })).toEqual(['sums:0,1,2', 'head:sources']);
  });

  it('asks for N-sized results once', () => {
    expect(stagesOf(twoPhases).map((s) => s.rows)).toEqual([false, false, true]);
    expect(stagesOf({ ...twoPhases, gradient: false }).map((s) => s.rows)).toEqual([true, true]);
  });
});

describe('decide', () => {
  it('publishes and deals the leaves once the inputs are known', () => {
    const { effects } = having(onePhase, joined(a), joined(b), inputs('d'));
    expect(effects).toEqual([
      { kind: 'publish', number: 0, stage: stagesOf(onePhase)[0], digest: digest('d') },
      {
        kind: 'assign',
        generation: 0,
        leaves: new Map<SeatId, readonly Leaf[]>([
          [a, [0, 1]],
          [b, [2, 'sources']],
        ]),
        again: new Map(),
        alone: [],
      },
    ]);
  });

  it('keeps the leaves until the first seat joins', () => {
    const { effects } = having(onePhase, inputs('d'), joined(a));
    expect(effects.slice(1)).toEqual([
      {
        kind: 'assign',
        generation: 1,
        leaves: new Map([[a, [0, 1, 2, 'sources']]]),
        again: new Map(),
        alone: [],
      },
    ]);
  });

  it('takes leaves that are answered together as all of them', () => {
    const start = [joined(a), inputs('d'), posted(0, { count: 2 })];
    expect(kinds(having(onePhase, ...start).effects)).toEqual(['keep']);
    expect(having(onePhase, ...start, posted(1)).effects).toEqual([]);
    expect(kinds(having(onePhase, ...start, posted(2), posted('sources')).effects)).toEqual(['keep', 'add']);
  });

  it('asks anew for leaves of an answer that comes for another, too, which has one', () => {
    // The store has forgotten the answer of leaf 0, which is kept here, and takes no other for the first copy of leaf 1.
    const { effects } = having(onePhase, joined(a), inputs('d'), posted(0), posted(0, { count: 2 }));
    expect(effects).toEqual([
      {
        kind: 'assign',
        generation: 1,
        leaves: new Map([[a, [2, 'sources']]]),
        again: new Map([[a, [{ leaf: 1, copy: 1, rows: true }]]]),
        alone: [],
      },
    ]);
  });

  it('adds when the last leaf is answered', () => {
    const start = [joined(a), inputs('d'), posted(2), posted('sources'), posted(0)];
    expect(kinds(having(onePhase, ...start).effects)).toEqual(['keep']);
    expect(having(onePhase, ...start, posted(1)).effects).toEqual([
      { kind: 'keep' },
      { kind: 'add', number: 0, stage: stagesOf(onePhase)[0] },
    ]);
  });

  it.each([
    ['a second answer of a leaf', posted(0)],
    ['an answer of another iteration', posted(1, { number: 1 })],
    ['an answer of another phase', posted(1, { phase: 'sums' })],
    ['an answer to other parameters', posted(1, { digest: 'e' })],
    ['an answer of a leaf that does not exist', posted(17)],
    ['a seat that joins twice', joined(a)],
    ['the leaving of a seat that never joined', left(b)],
    ['inputs that nobody asked for', inputs('e')],
    ['a point that nobody asked for', move('e')],
    ['an end of adding that was not begun', { kind: 'settled' }],
  ] as const)('is not moved by %s', (_, event) => {
    const before = having(onePhase, joined(a), inputs('d'), posted(0));
    expect(decide(onePhase, before.state, event as RunEvent)).toEqual({ state: before.state, effects: [] });
  });

  it('walks through the phases of a loss that is not linear in its sums', () => {
    const sums = [0, 1, 2].map((s) => posted(s, { phase: 'sums', digest: '1' }));
    const start = [joined(a), inputs('1'), ...sums, inputs('2')];
    expect(having(twoPhases, ...start).effects[0]).toMatchObject({
      kind: 'publish',
      number: 0,
      stage: { phase: 'head' },
    });
    const head = [...start, posted('sources', { phase: 'head', digest: '2' }), inputs('3')];
    expect(having(twoPhases, ...head).effects[0]).toMatchObject({
      kind: 'publish',
      number: 0,
      stage: { phase: 'gradient' },
    });
  });

  it('asks the first stage again at another point: the next iteration', () => {
    const all = ([0, 1, 2, 'sources'] as const).map((leaf) => posted(leaf));
    const { effects } = having(onePhase, joined(a), inputs('d'), ...all, move('e'));
    expect(effects[0]).toMatchObject({
      kind: 'publish',
      number: 1,
      stage: { phase: 'gradient' },
      digest: digest('e'),
    });
  });

  it('leaves the phases of an iteration that are not asked yet when it goes to another point', () => {
    const sums = [0, 1, 2].map((s) => posted(s, { phase: 'sums', digest: '1' }));
    const { state, effects } = having(twoPhases, joined(a), inputs('1'), ...sums, move('2'));
    expect(effects[0]).toMatchObject({ kind: 'publish', number: 1, stage: { phase: 'sums' } });
    const late = posted(0, { phase: 'sums', digest: '1' });
    expect(decide(twoPhases, state, late)).toEqual({ state, effects: [] });
  });

  it('numbers the iterations of a run that is taken up again from where it was', () => {
    const { effects } = decide(onePhase, plannedFrom(17), inputs('d'));
    expect(effects[0]).toMatchObject({ kind: 'publish', number: 17, stage: { phase: 'gradient' } });
  });

  it('ends when nothing is left to ask, and then stays ended', () => {
    const all = ([0, 1, 2, 'sources'] as const).map((leaf) => posted(leaf));
    const end = having(onePhase, joined(a), inputs('d'), ...all, { kind: 'settled' });
    expect(end).toEqual({
      state: { kind: 'ended', end: { kind: 'done' } },
      effects: [{ kind: 'end', end: { kind: 'done' } }],
    });
    for (const event of [{ kind: 'cancel' }, posted(0), inputs('e'), joined(b)] as const) {
      expect(decide(onePhase, end.state, event)).toEqual({ state: end.state, effects: [] });
    }
  });

  it('reissues what a lost seat had left, and only that', () => {
    const { effects } = having(onePhase, joined(a), joined(b), inputs('d'), posted(2), left(b));
    expect(effects.slice(1)).toEqual([
      {
        kind: 'assign',
        generation: 1,
        leaves: new Map([[a, [0, 1, 'sources']]]),
        again: new Map(),
        alone: [],
      },
    ]);
  });

  it('accepts the answer of a seat it had given up', () => {
    const { effects } = having(onePhase, joined(a), joined(b), inputs('d'), left(b), posted('sources'));
    expect(effects).toEqual([{ kind: 'keep' }]);
  });

  it('waits for a seat when the last one is lost, and goes on when one joins', () => {
    const { effects } = having(onePhase, joined(a), inputs('d'), posted(0), left(a), joined(b));
    expect(effects.slice(1)).toEqual([
      {
        kind: 'assign',
        generation: 2,
        leaves: new Map([[b, [1, 2, 'sources']]]),
        again: new Map(),
        alone: [],
      },
    ]);
  });

  it('goes on after a breakage, and fails with its error after more than it may have', () => {
    const broke = (seat: SeatId): RunEvent => ({ kind: 'broke', seat, error, final: false });
    const once = having(onePhase, joined(a), joined(b), inputs('d'), broke(a));
    expect(kinds(once.effects)).toEqual(['say', 'assign']);
    expect(decide(onePhase, once.state, broke(b)).effects).toEqual([
      { kind: 'end', end: { kind: 'failed', error } },
    ]);
  });

  it('fails at once with an error that no other seat would escape', () => {
    const { effects } = having(onePhase, joined(a), inputs('d'), {
      kind: 'broke',
      seat: a,
      error,
      final: true,
    });
    expect(effects).toEqual([{ kind: 'end', end: { kind: 'failed', error } }]);
  });

  it('reports the fault that is first in the run’s own time, whichever came first', () => {
    const fault = (step: number, row: number): Fault => ({
      kind: 'non-finite',
      group: 'tracers',
      what: 'state',
      row,
      step,
    });
    const events = [
      posted(2, { fault: fault(7, 600) }),
      posted(0, { fault: fault(3, 9) }),
      posted(1, { fault: fault(3, 300) }),
      posted('sources'),
    ];
    const { effects } = having(onePhase, joined(a), inputs('d'), ...events);
    expect(effects).toEqual([
      { kind: 'keep' },
      {
        kind: 'fault',
        error: {
          tag: 'NonFiniteError',
          message: 'the state is not finite: tracers row 9, step 3',
          details: { group: 'tracers', what: 'state', row: 9, step: 3 },
        },
      },
    ]);
  });

  it('ends with a fault that the run cannot go on from, and goes to another point otherwise', () => {
    const fault: Fault = { kind: 'non-finite', group: 'sources', what: 'loss', row: 0, step: 4 };
    const all = ([0, 1, 2] as const).map((leaf) => posted(leaf));
    const { state } = having(onePhase, joined(a), inputs('d'), ...all, posted('sources', { fault }));
    expect(decide(onePhase, state, { kind: 'stuck', error }).effects).toEqual([
      { kind: 'end', end: { kind: 'failed', error } },
    ]);
    expect(decide(onePhase, state, move('e')).effects[0]).toMatchObject({ kind: 'publish', number: 1 });
  });

  it('cancels in every state', () => {
    for (const events of [[], [joined(a)], [joined(a), inputs('d')], [joined(a), inputs('d'), posted(0)]]) {
      expect(having(onePhase, ...events, { kind: 'cancel' }).state).toEqual({
        kind: 'ended',
        end: { kind: 'cancelled' },
      });
    }
  });

  it('stops without ending the run when it is fenced', () => {
    expect(codes(having(onePhase, joined(a), inputs('d'), { kind: 'fenced', epoch: 4 }).effects)).toEqual([
      'FENCED',
    ]);
  });
});

describe('a run with seats that come, go, repeat themselves and answer late', () => {
  const shapes = fc.record({
    shards: fc.integer({ min: 1, max: 7 }),
    sourcesLeaf: fc.boolean(),
    phases: fc.constantFrom(1 as const, 2 as const),
    gradient: fc.boolean(),
    run: fc.constant('r'),
    rules: fc.constant({ ...patient, breakagesMax: 1000 }),
  });

  it('keeps each leaf of each stage once and ends done', () => {
    fc.assert(
      fc.property(shapes, fc.infiniteStream(fc.nat()), (shape, chance) => {
        const pick = (n: number): number => (chance.next().value as number) % n;
        const stages = stagesOf(shape);
        let state: RunState = planned;
        let nextSeat = 0;
        let stage = 0;
        const live: SeatId[] = [];
        const kept: string[] = [];
        const sent: RunEvent[] = [];
        let todo = new Map<SeatId, readonly Leaf[]>();
        const feed = (event: RunEvent): void => {
          const decision = decide(shape, state, event);
          state = decision.state;
          for (const effect of decision.effects) {
            if (effect.kind === 'assign') todo = new Map(effect.leaves);
            if (effect.kind === 'keep' && event.kind === 'posted') kept.push(`${event.phase} ${event.leaf}`);
            if (effect.kind === 'add') {
              stage += 1;
              feed(stage === stages.length ? { kind: 'settled' } : inputs(String(stage)));
            }
          }
        };
        feed(inputs('0'));
        for (let turn = 0; state.kind !== 'ended' && turn < 5000; turn++) {
          const what = live.length === 0 ? 0 : pick(12);
          if (what === 0) {
            const seat = SeatId.parse(`seat ${nextSeat++}`);
            live.push(seat);
            feed(joined(seat));
          } else if (what === 1) {
            const [seat] = live.splice(pick(live.length), 1);
            if (seat !== undefined)
              feed(pick(2) === 0 ? left(seat) : { kind: 'broke', seat, error, final: false });
          } else if (what === 2 && sent.length > 0) {
            feed(sent[pick(sent.length)] as RunEvent);
          } else {
            const leaves = todo.get(live[pick(live.length)] as SeatId) ?? [];
            const leaf = leaves[pick(Math.max(1, leaves.length))];
            if (leaf === undefined) continue;
            const event = posted(leaf, { phase: stages[stage]?.phase ?? 'sums', digest: String(stage) });
            sent.push(event);
            feed(event);
          }
        }
        expect(state).toEqual({ kind: 'ended', end: { kind: 'done' } });
        expect(kept.sort()).toEqual(
          stages.flatMap((s) => s.leaves.map((leaf) => `${s.phase} ${leaf}`)).sort(),
        );
      }),
      { numRuns: 200 },
    );
  });
});
