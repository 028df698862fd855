/** What do several seats of one process see of their run? */
import { Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';
import type { Desk, Seat } from '../../../src/exchange/exchange.ts';
import {
  ParameterDigest,
  type Posting,
  protocolVersion,
  RunSheet,
  type SeatPlan,
  WorkerId,
} from '../../../src/protocol.ts';
import { describeWithRedis } from '../../setup/describe-with.ts';
import { connect, iterationOf, patience, server } from './fleet.ts';

const sheet = RunSheet.parse({
  protocolVersion,
  run: 'r',
  jobDigest: 'f'.repeat(64),
  seats: { min: 1, max: 2 },
  priority: 0,
});
const parameters = 1000;

function postingOf(seat: Seat, leaf: number, count: number): Posting {
  const gradient = Float64Array.of(1 / 3, leaf / 7);
  const none = new Float64Array(0);
  const sums = { sums: none, winners: none, loss: 0, seeds: null, sourceStates: null };
  return {
    protocolVersion,
    run: sheet.run,
    seat: seat.id,
    worker: WorkerId.parse(`worker at ${seat.id}`),
    numerics: 'reference/f64',
    number: 0,
    phase: 'gradient',
    parameterDigest: ParameterDigest.parse('a'.repeat(64)),
    leaf,
    count,
    copy: 0,
    tookMs: 1 / 3,
    answer: { kind: 'partial', gradient, ...sums },
  };
}

function planOf(desk: Desk, leaves: SeatPlan['leaves'], alone: SeatPlan['alone']): SeatPlan {
  return {
    protocolVersion,
    run: desk.run,
    epoch: desk.epoch,
    generation: 0,
    leaves,
    again: new Map(),
    alone,
  };
}

describeWithRedis('the seats of one process', () => {
  it('see their run together: each its part of the plan, and the parameters come once', async () => {
    const { exchange } = await connect(await server());
    const desk = await exchange.open(sheet);
    const [a, b] = [await exchange.lease(patience()), await exchange.lease(patience())];
    const before = await Promise.all([a.watch(-1, patience()), b.watch(-1, patience())]);
    const waiting = [a, b].map((seat, n) => seat.watch(before[n]?.stamp ?? -1, patience()));
    const leaves = new Map([
      [a.id, [0, 1]],
      [b.id, [2, 'sources' as const]],
    ]);
    const iteration = iterationOf(desk, 0, parameters);
    await desk.publish(iteration, planOf(desk, leaves, [1]));
    const views = await Promise.all(waiting);
    expect(views.map((view) => view.iteration)).toEqual([iteration, iteration]);
    expect(views.map(({ plan }) => [...(plan?.leaves ?? [])])).toEqual([...leaves].map((part) => [part]));
    expect(views.map(({ plan }) => plan?.alone)).toEqual([[1], []]);
    const received = a.traffic().receivedBytes + b.traffic().receivedBytes;
    expect(received).toBeGreaterThan(8 * parameters);
    expect(received).toBeLessThan(1.2 * 8 * parameters);
  });

  it('see it from the beginning when they come later, and go on when another is lost', async () => {
    const redis = await server();
    const { exchange } = await connect(redis);
    const desk = await exchange.open(sheet);
    const a = await exchange.lease(patience());
    await desk.publish(iterationOf(desk, 0, parameters), planOf(desk, new Map([[a.id, [0]]]), []));
    expect((await a.watch(-1, patience())).iteration?.number).toBe(0);
    const b = await exchange.lease(patience());
    const late = await b.watch(-1, patience());
    expect(late.iteration).toEqual(iterationOf(desk, 0, parameters));
    expect(late.plan?.leaves.get(a.id)).toBeUndefined();
    const raw = new Redis(redis.url);
    onTestFinished(() => raw.disconnect());
    await raw.hdel('{skewflow}:run:r:seats', a.id);
    await desk.publish(iterationOf(desk, 1, parameters), planOf(desk, new Map([[b.id, [7]]]), []));
    const next = await b.watch(late.stamp, patience());
    expect([next.iteration?.number, next.plan?.leaves.get(b.id)]).toEqual([1, [7]]);
    expect((await a.watch(-1, patience())).dismissed?.details).toEqual({ code: 'SEAT_LOST' });
  });

  it('post together, and what one of them has lost or another has answered is no other’s', async () => {
    const redis = await server();
    const { exchange } = await connect(redis);
    const desk = await exchange.open(sheet);
    const [a, b] = [await exchange.lease(patience()), await exchange.lease(patience())];
    await desk.publish(iterationOf(desk, 0));
    const one = postingOf(a, 4, 4);
    expect(await Promise.all([a.post([one]), b.post([postingOf(b, 0, 4)])])).toEqual([
      ['accepted'],
      ['accepted'],
    ]);
    const mixed = [postingOf(b, 6, 1), postingOf(b, 8, 2), postingOf(b, 8, 1)];
    expect(await Promise.all([b.post(mixed), a.post([postingOf(a, 9, 1), postingOf(a, 40, 8)])])).toEqual([
      ['twice', 'accepted', 'twice'],
      ['twice', 'accepted'],
    ]);
    await desk.dismiss(a.id, { tag: 'DeviceError', message: 'not to be trusted', details: {} });
    expect(await Promise.all([a.post([postingOf(a, 16, 8)]), b.post([postingOf(b, 16, 8)])])).toEqual([
      ['fenced'],
      ['accepted'],
    ]);
    const raw = new Redis(redis.url);
    onTestFinished(() => raw.disconnect());
    expect(await raw.hget('{skewflow}:run:r:cur', 'pSeq')).toBe('3');
    const told: Posting[] = [];
    while (told.length < 5)
      for (const event of await desk.events(patience()))
        if (event.kind === 'posted') told.push(event.posting);
    const taken = [one, postingOf(b, 0, 4), postingOf(b, 8, 2), postingOf(a, 40, 8), postingOf(b, 16, 8)];
    expect(told).toEqual(taken);
    expect((await desk.standing()).postings).toEqual(taken);
  });
});
