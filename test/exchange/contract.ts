/**
 * What every exchange promises, whatever carries it. Run against each implementation by its own test file.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Desk, DeskEvent, Exchange, Seat } from '../../src/exchange/exchange.ts';
import {
  Iteration,
  Join,
  ParameterDigest,
  type Phase,
  Posting,
  protocolVersion,
  RunId,
  RunSheet,
  SeatPlan,
} from '../../src/protocol.ts';

export interface ExchangeUnderTest {
  readonly name: string;
  readonly open: () => Promise<Exchange>;
}

const digestOf = (letter: string): ParameterDigest => ParameterDigest.parse(letter.repeat(64));

/** An iteration with arrays that are not exactly representable sums, so that a copy that rounds is seen. */
function iterationOf(desk: Desk, number: number, phase: Phase, digest = 'a'): Iteration {
  return Iteration.parse({
    protocolVersion,
    run: desk.run,
    epoch: desk.epoch,
    number,
    phase,
    parameterDigest: digestOf(digest),
    times: Float64Array.of(0, 0.1, 0.30000000000000004),
    fields: new Map([['p', Float64Array.of(0.1, -0.2, 1e-310)]]),
    sums: null,
    seeds: null,
    rows: { gradient: ['x'], final: false, trajectory: [0, 2], values: false },
  });
}

function postingOf(
  seat: Seat,
  number: number,
  phase: Phase,
  leaf: number | 'sources',
  digest = 'a',
  copy = 0,
  count = 1,
): Posting {
  return Posting.parse({
    protocolVersion,
    run: seat.sheet.run,
    seat: seat.id,
    worker: 'host:1',
    numerics: 'reference/f64',
    number,
    phase,
    parameterDigest: digestOf(digest),
    leaf,
    count,
    copy,
    tookMs: 1 / 3,
    answer: {
      kind: 'partial',
      sums: Float64Array.of(1 / 3),
      winners: Float64Array.of(-1),
      loss: 0,
      gradient: Float64Array.of(0.1, 0.7),
      seeds: null,
      sourceStates: null,
    },
  });
}

function joinOf(seat: Seat): Join {
  return Join.parse({
    protocolVersion,
    seat: seat.id,
    worker: 'host:1',
    version: '0.0.0',
    engine: 'reference',
    numerics: 'reference/f64',
    threads: 1,
  });
}

export function describeExchange({ name, open }: ExchangeUnderTest): void {
  describe(`the ${name} exchange`, () => {
    const run = RunId.parse('run-1');
    const sheet = RunSheet.parse({
      protocolVersion,
      run,
      jobDigest: 'f'.repeat(64),
      seats: { min: 1, max: 1 },
      priority: 0,
    });
    const patience = (): AbortSignal => AbortSignal.timeout(10_000);
    let exchange: Exchange;
    let desk: Desk;
    let seat: Seat;

    beforeEach(async () => {
      exchange = await open();
      desk = await exchange.open(sheet);
      seat = await exchange.lease(patience());
    });
    afterEach(async () => exchange[Symbol.asyncDispose]());

    it('offers a seat of a run that is opened', () => {
      expect(seat.sheet).toEqual(sheet);
    });

    it('shows the current iteration to whoever asks, however late', async () => {
      const iteration = iterationOf(desk, 0, 'gradient');
      expect(await desk.publish(iteration)).toBe('accepted');
      const view = await seat.watch(-1, patience());
      expect(view.iteration).toEqual(iteration);
      expect((await seat.watch(-1, patience())).stamp).toBe(view.stamp);
    });

    it('wakes a seat when the plan changes', async () => {
      await desk.publish(iterationOf(desk, 0, 'gradient'));
      const before = await seat.watch(-1, patience());
      const waiting = seat.watch(before.stamp, patience());
      const plan = SeatPlan.parse({
        protocolVersion,
        run,
        epoch: desk.epoch,
        generation: 3,
        leaves: new Map([[seat.id, [0, 1, 'sources']]]),
        again: new Map([[seat.id, [{ leaf: 7, copy: 2, rows: false }]]]),
        alone: [1],
      });
      expect(await desk.assign(plan)).toBe('accepted');
      expect((await waiting).plan).toEqual(plan);
    });

    it('drops the plan of the phase before', async () => {
      await desk.publish(iterationOf(desk, 0, 'sums'));
      await desk.assign({
        protocolVersion,
        run,
        epoch: desk.epoch,
        generation: 0,
        leaves: new Map([[seat.id, [0]]]),
        again: new Map(),
        alone: [],
      });
      await desk.publish(iterationOf(desk, 0, 'gradient'));
      expect((await seat.watch(-1, patience())).plan).toBeNull();
    });

    it('publishes an iteration with its plan at once', async () => {
      const leaves = new Map([[seat.id, [2, 0, 'sources' as const]]]);
      const plan = {
        protocolVersion,
        run,
        epoch: desk.epoch,
        generation: 0,
        leaves,
        again: new Map(),
        alone: [],
      } as const;
      expect(await desk.publish(iterationOf(desk, 0, 'gradient'), plan)).toBe('accepted');
      expect((await seat.watch(-1, patience())).plan).toEqual(plan);
    });

    it('keeps the answers of a question that is asked again', async () => {
      await desk.publish(iterationOf(desk, 0, 'gradient'));
      await seat.post([postingOf(seat, 0, 'gradient', 4)]);
      const later = await exchange.open(sheet);
      await later.publish(iterationOf(later, 0, 'gradient'));
      expect(await seat.post([postingOf(seat, 0, 'gradient', 4)])).toEqual(['twice']);
      expect((await later.standing()).postings).toEqual([postingOf(seat, 0, 'gradient', 4)]);
    });

    it('counts what a seat receives once an iteration, and what it returns', async () => {
      await desk.publish(iterationOf(desk, 0, 'gradient'));
      await seat.watch(-1, patience());
      const once = seat.traffic();
      expect(once.receivedBytes).toBeGreaterThanOrEqual(6 * 8);
      await seat.watch(-1, patience());
      expect(seat.traffic().receivedBytes - once.receivedBytes).toBeLessThan(6 * 8);
      await seat.post([postingOf(seat, 0, 'gradient', 0)]);
      expect(seat.traffic().sentBytes).toBeGreaterThanOrEqual(4 * 8);
    });

    it('brings a posting to the desk unchanged', async () => {
      await desk.publish(iterationOf(desk, 2, 'sums'));
      const posting = postingOf(seat, 2, 'sums', 5);
      expect(await seat.post([posting])).toEqual(['accepted']);
      expect(await desk.events(patience())).toEqual([{ kind: 'posted', posting }]);
    });

    it('takes the first posting for a leaf and no other', async () => {
      await desk.publish(iterationOf(desk, 0, 'gradient'));
      const first = postingOf(seat, 0, 'gradient', 0);
      expect(await seat.post([first, postingOf(seat, 0, 'gradient', 0)])).toEqual(['accepted', 'twice']);
      expect(
        await seat.post([postingOf(seat, 0, 'gradient', 0), postingOf(seat, 0, 'gradient', 'sources')]),
      ).toEqual(['twice', 'accepted']);
      const posted: unknown[] = [];
      while (posted.length < 2)
        for (const e of await desk.events(patience()))
          posted.push(e.kind === 'posted' ? e.posting.leaf : e.kind);
      expect(posted).toEqual([0, 'sources']);
    });

    it('takes leaves that are answered together if none of them has an answer, and all of them then', async () => {
      await desk.publish(iterationOf(desk, 0, 'gradient'));
      const together = (leaf: number, count: number): Posting =>
        postingOf(seat, 0, 'gradient', leaf, 'a', 0, count);
      expect(await seat.post([together(8, 1), together(8, 4), together(12, 4), together(15, 1)])).toEqual([
        'accepted',
        'twice',
        'accepted',
        'twice',
      ]);
      // Nothing of what was refused was taken: its leaves may come for themselves.
      expect(await seat.post([together(10, 2), together(0, 64), together(64, 64)])).toEqual([
        'accepted',
        'twice',
        'accepted',
      ]);
      const taken = [together(8, 1), together(12, 4), together(10, 2), together(64, 64)];
      const seen: DeskEvent[] = [];
      while (seen.length < taken.length) seen.push(...(await desk.events(patience())));
      expect(seen).toEqual(taken.map((posting) => ({ kind: 'posted', posting })));
      expect((await (await exchange.open(sheet)).standing()).postings).toEqual(taken);
    });

    it('takes the first posting of each copy of a leaf', async () => {
      await desk.publish(iterationOf(desk, 0, 'gradient'));
      const copy = (number: number): Posting => postingOf(seat, 0, 'gradient', 3, 'a', number);
      expect(await seat.post([copy(1), copy(0), copy(1), copy(2)])).toEqual([
        'accepted',
        'accepted',
        'twice',
        'accepted',
      ]);
      const posted = (await desk.events(patience())).map((e) =>
        e.kind === 'posted' ? e.posting.copy : e.kind,
      );
      expect(posted).toEqual([1, 0, 2]);
    });

    it.each([
      ['an earlier iteration', 0, 'gradient', 'a'],
      ['another phase', 1, 'sums', 'a'],
      ['other parameters', 1, 'gradient', 'b'],
    ] as const)('refuses a posting for %s', async (_, number, phase, digest) => {
      await desk.publish(iterationOf(desk, 0, 'gradient'));
      await desk.publish(iterationOf(desk, 1, 'gradient'));
      expect(await seat.post([postingOf(seat, number, phase, 0, digest)])).toEqual(['late']);
    });

    it('refuses postings before anything is asked and after the end', async () => {
      expect(await seat.post([postingOf(seat, 0, 'sums', 0)])).toEqual(['late']);
      await desk.publish(iterationOf(desk, 0, 'sums'));
      await desk.end({ kind: 'done' });
      expect(await seat.post([postingOf(seat, 0, 'sums', 0)])).toEqual(['late']);
    });

    it('accepts a leaf again once the next phase is asked', async () => {
      await desk.publish(iterationOf(desk, 0, 'sums'));
      await seat.post([postingOf(seat, 0, 'sums', 0)]);
      await desk.publish(iterationOf(desk, 0, 'gradient'));
      expect(await seat.post([postingOf(seat, 0, 'gradient', 0)])).toEqual(['accepted']);
    });

    it('fences a desk when a later one takes the run over', async () => {
      await desk.publish(iterationOf(desk, 0, 'sums'));
      const later = await exchange.open(sheet);
      expect(later.epoch).toBeGreaterThan(desk.epoch);
      expect(await desk.publish(iterationOf(desk, 1, 'sums'))).toBe('fenced');
      expect(
        await desk.assign({
          protocolVersion,
          run,
          epoch: desk.epoch,
          generation: 9,
          leaves: new Map(),
          again: new Map(),
          alone: [],
        }),
      ).toBe('fenced');
      expect(await desk.end({ kind: 'cancelled' })).toBe('fenced');
      const view = await seat.watch(-1, patience());
      expect(view.iteration?.number).toBe(0);
      expect(view.end).toBeNull();
      expect(await later.publish(iterationOf(later, 1, 'sums'))).toBe('accepted');
    });

    it('tells the desk who joins, beats, breaks and leaves, in order', async () => {
      const join = joinOf(seat);
      await seat.join(join);
      await seat.beat({ protocolVersion, seat: seat.id, blocks: 3, pairs: 300 });
      await seat.leave({ tag: 'DeviceError', message: 'lost', details: { bytes: 4 } });
      const seen: DeskEvent[] = [];
      while (seen.length < 3) seen.push(...(await desk.events(patience())));
      expect(seen).toEqual([
        { kind: 'joined', join },
        { kind: 'beat', beat: { protocolVersion, seat: seat.id, blocks: 3, pairs: 300 } },
        {
          kind: 'broke',
          seat: seat.id,
          error: { tag: 'DeviceError', message: 'lost', details: { bytes: 4 } },
        },
      ]);
    });

    it('tells the desk that a seat was given up, not lost', async () => {
      await seat.leave(null);
      expect(await desk.events(patience())).toEqual([{ kind: 'left', seat: seat.id, lost: false }]);
    });

    it('takes nothing from a seat that was given up, and offers it again under a new name', async () => {
      await desk.publish(iterationOf(desk, 0, 'sums'));
      await seat.leave(null);
      expect(await seat.post([postingOf(seat, 0, 'sums', 0)])).toEqual(['fenced']);
      const next = await exchange.lease(patience());
      expect(next.id).not.toBe(seat.id);
      expect(await next.post([postingOf(next, 0, 'sums', 0)])).toEqual(['accepted']);
    });

    it('shows a desk that takes over what was asked, who sits and what was answered', async () => {
      const join = joinOf(seat);
      const iteration = iterationOf(desk, 3, 'gradient');
      await seat.join(join);
      await desk.publish(iteration);
      await seat.post([postingOf(seat, 3, 'gradient', 1)]);
      const later = await exchange.open(sheet, 40);
      expect(later.epoch).toBeGreaterThan(40);
      expect(await later.standing()).toEqual({
        iteration,
        plan: null,
        end: null,
        joins: [join],
        quiet: expect.any(Map),
        postings: [postingOf(seat, 3, 'gradient', 1)],
      });
    });

    it('tells a dismissed seat why, and takes nothing more from it', async () => {
      await desk.publish(iterationOf(desk, 0, 'sums'));
      const before = await seat.watch(-1, patience());
      const waiting = seat.watch(before.stamp, patience());
      const error = { tag: 'ProtocolError', message: 'another version', details: {} };
      expect(await desk.dismiss(seat.id, error)).toBe('accepted');
      expect((await waiting).dismissed).toEqual(error);
      expect(await seat.post([postingOf(seat, 0, 'sums', 0)])).toEqual(['fenced']);
    });

    it('ends a run once, for every seat', async () => {
      await desk.end({ kind: 'cancelled' });
      await desk.end({ kind: 'done' });
      expect((await seat.watch(-1, patience())).end).toEqual({ kind: 'cancelled' });
    });

    it('stops waiting when the signal aborts', async () => {
      const stop = new AbortController();
      const view = await seat.watch(-1, patience());
      const waits = [
        desk.events(stop.signal),
        seat.watch(view.stamp, stop.signal),
        exchange.lease(stop.signal),
      ];
      stop.abort(new Error('enough'));
      for (const wait of waits) await expect(wait).rejects.toThrow('enough');
    });
  });
}
