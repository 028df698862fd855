import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Checkpoint } from '../../src/coordinator/checkpoint.ts';
import {
  type Coordination,
  type Evaluated,
  inOneProcess,
  shapeOf,
} from '../../src/coordinator/coordinator.ts';
import { Office } from '../../src/coordinator/office.ts';
import { watchful } from '../../src/coordinator/rules.ts';
import { SkewflowError } from '../../src/errors.ts';
import type { Desk, DeskEvent, Standing } from '../../src/exchange/exchange.ts';
import type { Log } from '../../src/log.ts';
import type { Leaf } from '../../src/partition/seats.ts';
import {
  type Iteration,
  type Join,
  type Posting,
  protocolVersion,
  type RunEnd,
  RunId,
  SeatId,
  type SeatPlan,
  WorkerId,
} from '../../src/protocol.ts';
import { answerOf, coordinationOf, courseOf, expectedOf, type JobShape } from '../simulator/job.ts';

const job: JobShape = { shards: 4, phases: 2, iterations: 2 };
const run = RunId.parse('run');
const quiet: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };
const seat = SeatId.parse('seat 1');
const nothing: Standing = {
  iteration: null,
  plan: null,
  end: null,
  joins: [],
  quiet: new Map(),
  postings: [],
};

/** What a store was told, in order. */
interface Told {
  readonly what: string[];
  readonly published: Iteration[];
  readonly plans: SeatPlan[];
  end: RunEnd | null;
}

function deskOf(epoch: number, told: Told, standing: Standing = nothing): Desk {
  const record = (what: string): 'accepted' => {
    told.what.push(`${what} under ${epoch}`);
    return 'accepted';
  };
  return {
    run,
    epoch,
    publish: async (iteration, plan) => {
      told.published.push(iteration);
      if (plan !== undefined) told.plans.push(plan);
      return record(`publish ${iteration.number} ${iteration.phase}`);
    },
    assign: async (plan) => {
      told.plans.push(plan);
      return 'accepted';
    },
    dismiss: async () => record('dismiss'),
    end: async (end) => {
      told.end = end;
      return record(`end ${end.kind}`);
    },
    standing: async () => standing,
    events: async () => [],
  };
}

/** A coordinator of the run, with all that it said and kept. */
function officeOf(change: Partial<Coordination> = {}, standing: Standing = nothing, epoch = 1) {
  const told: Told = { what: [], published: [], plans: [], end: null };
  const kept: Checkpoint[] = [];
  const results: Evaluated[] = [];
  const rules = change.rules ?? { ...watchful, version: '1', auditShare: 0 };
  const all: Coordination = {
    ...inOneProcess,
    ...coordinationOf(job),
    desk: deskOf(epoch, told, standing),
    course: courseOf(job, change.resume?.course ?? null),
    rules,
    retain: true,
    keep: async (checkpoint) => {
      told.what.push(`keep ${checkpoint.number}.${checkpoint.stage} under ${checkpoint.epoch}`);
      kept.push(checkpoint);
    },
    finish: async (evaluated) => {
      told.what.push('finish');
      results.push(evaluated);
    },
    log: quiet,
    onProgress: () => {},
    now: () => 0,
    signal: new AbortController().signal,
    ...change,
  };
  return { office: new Office(all, { ...shapeOf(all), run, rules }), told, kept, results };
}

const join: Join = {
  protocolVersion,
  seat,
  worker: WorkerId.parse('worker'),
  version: '1',
  engine: 'reference',
  numerics: 'reference/f64',
  threads: 1,
};

/** The answer of a leaf to what was published last. */
function postingOf({ published }: Told, leaf: Leaf): Posting {
  const { number, phase, parameterDigest } = published.at(-1) as Iteration;
  const answer = answerOf(parameterDigest, leaf, phase);
  const { worker, numerics } = join;
  const who = { protocolVersion, run, seat, worker, numerics } as const;
  return { ...who, number, phase, parameterDigest, leaf, count: 1, copy: 0, tookMs: 20 / 3, answer };
}

/** Which leaves the last plan has for the only seat. */
function left({ plans }: Told): readonly Leaf[] {
  return plans.at(-1)?.leaves.get(seat) ?? [];
}

async function answer({ office, told }: ReturnType<typeof officeOf>, leaves: readonly Leaf[]): Promise<void> {
  for (const leaf of leaves) await office.receive([{ kind: 'posted', posting: postingOf(told, leaf) }]);
}

/** Answer whatever is asked, to the end. */
async function toTheEnd(of: ReturnType<typeof officeOf>): Promise<readonly number[]> {
  while (of.office.going) await answer(of, left(of.told));
  const { loss, gradient } = of.office.result();
  return [loss ?? Number.NaN, ...gradient];
}

function started(...input: Parameters<typeof officeOf>): Promise<ReturnType<typeof officeOf>> {
  const of = officeOf(...input);
  return of.office
    .begin()
    .then(() => of.office.receive([{ kind: 'joined', join }]))
    .then(() => of);
}

describe('a coordinator that begins', () => {
  it('keeps its epoch before it says anything under it', async () => {
    const { told } = await started({}, nothing, 7);
    expect(told.what.slice(0, 2)).toEqual(['keep 0.0 under 7', 'publish 0 sums under 7']);
  });

  it('says nothing where another keeps checkpoints under a later epoch', async () => {
    const keep = async (): Promise<never> => {
      throw new SkewflowError('AbortedError', 'fenced by epoch 9');
    };
    const { office, told } = await started({ keep });
    expect(office.going).toBe(false);
    expect(told.what).toEqual([]);
    expect(() => office.result()).toThrow(
      expect.objectContaining({ details: { why: 'fenced', iteration: 0 } }),
    );
  });

  it('refuses a run that has ended', async () => {
    const { office } = officeOf({}, { ...nothing, end: { kind: 'done' } });
    await expect(office.begin()).rejects.toThrow('the run is done, and its results are not there any more');
  });

  it('tells what a run failed for whose coordinator told seats, and then died', async () => {
    const error = { tag: 'NonFiniteError', message: 'a value is not finite', details: { row: 7 } } as const;
    const { office } = officeOf({}, { ...nothing, end: { kind: 'failed', error } });
    await expect(office.begin()).rejects.toMatchObject({ ...error });
  });
});

describe('a run that is carried to its end', () => {
  it('comes to the bits of the tree, and its result is kept before seats hear of the end', async () => {
    const of = await started();
    expect(await toTheEnd(of)).toEqual(expectedOf(job));
    expect(of.told.what.slice(-2)).toEqual(['finish', 'end done under 1']);
    expect(of.results).toHaveLength(1);
  });

  it('leaves the run to others where nothing takes its checkpoint, at the next one, and seats hear nothing of it', async () => {
    let room = 2;
    const keep = async (): Promise<void> => {
      if (room-- <= 0) throw new SkewflowError('OutOfReachError', 'no space left on /root');
    };
    const of = await started({ keep });
    await expect(toTheEnd(of)).rejects.toThrow('no space left on /root');
    expect(of.told.end).toBeNull();
  });
});

describe('a coordinator that is to leave', () => {
  it('waits for no answer of a store that is away, and keeps what it has', async () => {
    const leave = new AbortController();
    const told: Told = { what: [], published: [], plans: [], end: null };
    const away: Desk = { ...deskOf(1, told), assign: () => new Promise(() => {}) };
    const stuck = officeOf({ handOver: leave.signal, desk: away });
    const begun = stuck.office.begin();
    leave.abort();
    await begun;
    await stuck.office.handOver();
    expect(stuck.kept.at(-1)).toMatchObject({ number: 0, epoch: 1 });
    expect(() => stuck.office.result()).toThrow('the run was handed over');
  });
});

describe('a run that is taken up', () => {
  /** The checkpoint of a coordinator that leaves when these leaves of the given stage are answered. */
  async function handedOver(stages: readonly (readonly Leaf[])[]): Promise<Checkpoint> {
    const of = await started();
    for (const leaves of stages) await answer(of, leaves);
    await of.office.handOver();
    expect(of.told.end).toBeNull();
    expect(() => of.office.result()).toThrow('the run was handed over');
    return of.kept.at(-1) as Checkpoint;
  }
  const shards = [0, 1, 2, 3];

  it('asks what was asked, of the leaves that have not answered, and comes to the same bits', async () => {
    const resume = await handedOver([[2, 0]]);
    const of = await started({ resume }, nothing, 2);
    expect(of.told.published.map(({ number, phase }) => [number, phase])).toEqual([[0, 'sums']]);
    expect(left(of.told)).toEqual([1, 3]);
    expect(await toTheEnd(of)).toEqual(expectedOf(job));
  });

  it('has the sums, the loss and the seeds of the stages before', async () => {
    const resume = await handedOver([shards, ['sources'], [3, 'sources']]);
    expect(resume).toMatchObject({ number: 0, stage: 2 });
    const of = await started({ resume }, nothing, 2);
    expect(of.told.published[0]).toMatchObject({ phase: 'gradient', sums: resume.sums, seeds: resume.seeds });
    expect(await toTheEnd(of)).toEqual(expectedOf(job));
  });

  it('goes on at the point that its course led to', async () => {
    const resume = await handedOver([shards, ['sources'], [...shards, 'sources'], [1]]);
    expect(resume).toMatchObject({ number: 1, stage: 0 });
    const of = await started({ resume }, nothing, 2);
    expect(left(of.told)).toEqual([0, 2, 3]);
    expect(await toTheEnd(of)).toEqual(expectedOf(job));
  });

  it('counts on from what was counted', async () => {
    const resume = await handedOver([shards, ['sources'], [...shards, 'sources']]);
    const of = await started({ resume }, nothing, 2);
    await toTheEnd(of);
    expect(of.office.result()).toMatchObject({ iterations: 2, workersLost: 0, seats: 1 });
  });

  it('believes nobody who was sent away', async () => {
    const before = await handedOver([[2]]);
    const resume = { ...before, quarantined: [join.worker], dismissed: [seat] };
    const of = await started({ resume }, nothing, 2);
    const other = { ...join, seat: SeatId.parse('seat 2') };
    await of.office.receive([{ kind: 'joined', join: other }]);
    expect(of.told.what.at(-1)).toBe('dismiss under 2');
    await answer(of, [0, 1, 3]);
    expect(of.told.published.at(-1)).toMatchObject({ phase: 'sums' });
  });
});

describe('what is heard', () => {
  const rules = { ...watchful, version: '1', auditShare: 0.5 };
  const member = (n: number): Pick<Join, 'seat' | 'worker'> => {
    return { seat: SeatId.parse(`seat ${n}`), worker: WorkerId.parse(`worker ${n}`) };
  };
  const seats = fc.nat({ max: 3 });
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('beat', 'join'), n: seats }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('left', 'lost'), n: seats }) },
    { weight: 30, arbitrary: fc.record({ kind: fc.constant('answer'), n: fc.nat() }) },
  );
  type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

  /** What a step is where the run stands so; null: nothing of the kind can happen. */
  function eventOf(told: Told, { kind, n }: Step): DeskEvent | null {
    const { seat } = member(n);
    switch (kind) {
      case 'join':
        return { kind: 'joined', join: { ...join, ...member(n) } };
      case 'beat':
        return { kind: 'beat', beat: { protocolVersion, seat, blocks: 1, pairs: 2 } };
      case 'left':
      case 'lost':
        return { kind: 'left', seat, lost: kind === 'lost' };
      case 'answer':
        return answerIn(told, n);
    }
  }

  /** One of the answers that are asked for; the last worker lies. */
  function answerIn(told: Told, n: number): DeskEvent | null {
    const plan = told.plans.at(-1);
    const asked = [0, 1, 2, 3].flatMap((which) => {
      const who = member(which);
      const first = (plan?.leaves.get(who.seat) ?? []).map((leaf) => ({ leaf, copy: 0 }));
      const again = plan?.again.get(who.seat) ?? [];
      return [...first, ...again].map(({ leaf, copy }) => ({ which, leaf, copy }));
    });
    const one = asked[n % Math.max(1, asked.length)];
    if (one === undefined) return null;
    const posting = { ...postingOf(told, one.leaf), ...member(one.which), copy: one.copy };
    const { answer: right } = posting;
    if (one.which < 3 || right.kind !== 'partial') return { kind: 'posted', posting };
    const wrong = {
      ...right,
      sums: right.sums.map((x) => x / 3),
      gradient: right.gradient.map((x) => x / 7),
    };
    return { kind: 'posted', posting: { ...posting, answer: wrong } };
  }

  const byAnyone = (checkpoint: Checkpoint): Checkpoint => ({ ...checkpoint, holder: '' });

  it('is decided alike whether it comes one by one or together', async () => {
    const groups = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });
    const many = fc.array(step, { minLength: 60, maxLength: 160, size: 'max' });
    const property = fc.asyncProperty(many, groups, async (steps, sizes) => {
      const one = officeOf({ rules });
      await one.office.begin();
      const events: DeskEvent[] = [];
      const coming = [0, 1, 2].map((n): Step => ({ kind: 'join', n }));
      for (const each of [...coming, ...steps]) {
        const event = one.office.going ? eventOf(one.told, each) : null;
        if (event === null) continue;
        events.push(event);
        await one.office.receive([event]);
      }
      const other = officeOf({ rules });
      await other.office.begin();
      for (let at = 0, n = 0; at < events.length; n++) {
        const size = sizes[n % sizes.length] as number;
        await other.office.receive(events.slice(at, at + size));
        at += size;
      }
      expect(other.told.what).toEqual(one.told.what);
      expect(other.told.published).toEqual(one.told.published);
      // Of a run that is over nobody is told a plan.
      if (one.office.going) expect(other.told.plans.at(-1)).toEqual(one.told.plans.at(-1));
      expect(other.kept.map(byAnyone)).toEqual(one.kept.map(byAnyone));
      expect(other.results).toEqual(one.results);
    });
    await fc.assert(property, { numRuns: 100, endOnFailure: true });
  });
});

describe('a plan', () => {
  const coming = (count: number): readonly DeskEvent[] =>
    Array.from({ length: count }, (_, n) => {
      const who = { seat: SeatId.parse(`another ${n}`), worker: WorkerId.parse(`worker ${n}`) };
      return { kind: 'joined', join: { ...join, ...who } };
    });

  it('is told once of all that came together', async () => {
    const { office, told } = await started();
    const before = told.plans.length;
    await office.receive(coming(2));
    expect(told.plans.length - before).toBe(1);
    expect(told.plans.at(-1)?.leaves.size).toBe(3);
  });

  it('of many seats waits a moment for the next', async () => {
    let now = 0;
    const { office, told } = await started({ now: () => now });
    const before = told.plans.length;
    await office.receive(coming(60));
    expect([told.plans.length - before, office.planDueMs]).toEqual([0, 3]);
    now = 3;
    await office.tick();
    expect([told.plans.length - before, office.planDueMs]).toEqual([1, Number.POSITIVE_INFINITY]);
    expect(told.plans.at(-1)?.leaves.size).toBe(61);
  });
});

describe('a question that the store has still', () => {
  /** What a coordinator that was killed leaves there. */
  async function killed(leaves: readonly Leaf[]): Promise<{ standing: Standing; told: Told }> {
    const { told } = await started();
    const postings = leaves.map((leaf) => postingOf(told, leaf));
    const [iteration, plan] = [told.published.at(-1) ?? null, told.plans.at(-1) ?? null];
    return { standing: { ...nothing, iteration, plan, joins: [join], postings }, told };
  }

  it('is not asked again: its answers are taken as they stand', async () => {
    const { standing, told: before } = await killed([1, 3]);
    const of = officeOf({}, standing, 2);
    await of.office.begin();
    expect(of.told.published).toEqual([]);
    expect(left(of.told)).toEqual([0, 2]);
    of.told.published.push(...before.published);
    expect(await toTheEnd(of)).toEqual(expectedOf(job));
  });

  it('is asked anew where two answers of one leaf differ: nobody knows who lied', async () => {
    const { standing } = await killed([1]);
    const [one] = standing.postings as [Posting];
    const other = { ...one, copy: 1, answer: answerOf('f'.repeat(64), 1, 'sums') };
    const of = officeOf({}, { ...standing, postings: [one, other] }, 2);
    await of.office.begin();
    expect(of.told.what).toContain('publish 0 sums under 2');
    // The store has the first two copies of leaf 1, and takes neither again.
    expect(left(of.told)).toEqual([0, 2, 3]);
    expect(of.told.plans.at(-1)?.again.get(seat)).toEqual([{ leaf: 1, copy: 2, rows: true }]);
    await of.office.receive([{ kind: 'posted', posting: { ...postingOf(of.told, 1), copy: 2 } }]);
    expect(await toTheEnd(of)).toEqual(expectedOf(job));
  });
});

describe('a seat that was quiet for a while when its coordinator was taken over from', () => {
  it('is not taken for one that was heard of just now: what it has is with others at once', async () => {
    const other: Join = { ...join, seat: SeatId.parse('seat 6'), worker: WorkerId.parse('other') };
    const quiet = new Map([
      [seat, 2400],
      [other.seat, 300],
    ]);
    let now = 0;
    const of = officeOf({ now: () => now }, { ...nothing, joins: [join, other], quiet }, 2);
    await of.office.begin();
    now += 100;
    await of.office.tick();
    expect(left(of.told)).toEqual([]);
    expect(of.told.plans.at(-1)?.leaves.get(other.seat)).toHaveLength(4);
  });
});

describe('a device that says NON_FINITE and whose worker has changed seats since', () => {
  it('is told from the data by another worker, also when another coordinator took the run over', async () => {
    const { told: before } = await started();
    const answer = { kind: 'non-finite', group: 'tracers', what: 'state', row: 3, step: 1 } as const;
    const broken = { ...postingOf(before, 1), answer };
    const again: Join = { ...join, seat: SeatId.parse('seat 5') };
    const other: Join = { ...join, seat: SeatId.parse('seat 6'), worker: WorkerId.parse('other') };
    const iteration = before.published.at(-1) ?? null;
    const codes: string[] = [];
    const onNotice: Coordination['onNotice'] = ({ notice }) => codes.push(notice.code);
    const standing = { ...nothing, iteration, joins: [again, other], postings: [broken] };
    const of = officeOf({ onNotice }, standing, 2);
    await of.office.begin();
    const { again: asked } = of.told.plans.at(-1) as SeatPlan;
    expect([...asked]).toEqual([[other.seat, [{ leaf: 1, copy: 1, rows: true }]]]);

    of.told.published.push(...before.published);
    const { seat: from, worker } = other;
    const honest = { ...postingOf(of.told, 1), seat: from, worker, copy: 1 };
    await of.office.receive([{ kind: 'posted', posting: honest }]);
    expect(codes.slice(-2)).toEqual(['NON_FINITE', 'QUARANTINED']);
    expect(of.told.what).toContain('dismiss under 2');
    expect(of.kept.at(-1)).toMatchObject({ quarantined: [join.worker], dismissed: [again.seat] });
  });
});

describe('a store that has forgotten the run', () => {
  it('is opened again under a later epoch, which is kept first, and asked for what is left only', async () => {
    const told: Told = { what: [], published: [], plans: [], end: null };
    const of = await started({ reopen: async (epoch) => deskOf(epoch + 3, told) });
    await answer(of, [0, 1]);
    await of.office.receive([{ kind: 'emptied' }]);
    expect(of.office.desk.epoch).toBe(4);
    expect(of.told.what.at(-1)).toBe('keep 0.0 under 4');
    expect(told.what).toEqual(['publish 0 sums under 4']);
    await of.office.receive([{ kind: 'joined', join }]);
    expect(left(told)).toEqual([2, 3]);
    expect(await toTheEnd({ ...of, told })).toEqual(expectedOf(job));
  });

  it('has answers where another coordinator was sooner to open it and asked the same: they are taken', async () => {
    const told: Told = { what: [], published: [], plans: [], end: null };
    let standing = nothing;
    const of = await started({ reopen: async (epoch) => deskOf(epoch + 3, told, standing) });
    await answer(of, [0]);
    const iteration = of.told.published.at(-1) ?? null;
    standing = { ...nothing, iteration, joins: [join], postings: [postingOf(of.told, 2)] };
    await of.office.receive([{ kind: 'emptied' }]);
    expect(told.what).toEqual([]);
    expect(left(told)).toEqual([1, 3]);
    told.published.push(...of.told.published);
    expect(await toTheEnd({ ...of, told })).toEqual(expectedOf(job));
  });

  it('ends a run that cannot be opened again', async () => {
    const of = await started();
    await of.office.receive([{ kind: 'emptied' }]);
    expect(() => of.office.result()).toThrow('this coordinator cannot open it again');
  });
});
