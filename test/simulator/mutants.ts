/**
 * Would the simulator find a bug? Bugs that a distributed runner could well have, each to be caught within 50 worlds.
 */
import { Answers } from '../../src/coordinator/answers.ts';
import type { Parts } from '../../src/coordinator/office.ts';
import type { Rules } from '../../src/coordinator/rules.ts';
import type { Asking, Decision, RunEffect } from '../../src/coordinator/run-events.ts';
import { decide } from '../../src/coordinator/run-state.ts';
import type { Leaf } from '../../src/partition/seats.ts';
import { type LeafPartial, type SeatId, WorkerId } from '../../src/protocol.ts';
import { decideSeat } from '../../src/worker/seat-state.ts';

/** Where a world departs from how it should be. */
export interface Mutations {
  readonly parts: Parts;
  readonly decideSeat: typeof decideSeat;
  /** The store takes an answer for whatever is asked, not for what it answers. */
  readonly unkeyed: boolean;
  /** The store lets anyone publish, assign and end. */
  readonly skipEpochCheck: boolean;
  /** A coordinator that takes over ignores the epoch of the checkpoint, and any checkpoint may replace any other. */
  readonly forgetEpoch: boolean;
  /** Workers look at the run only when they are woken, and a wake-up may get lost. */
  readonly neverPoll: boolean;
}

const answersOf: Parts['answersOf'] = (leaves, entries, retain) => new Answers(leaves, entries, retain);

export const sound: Mutations = {
  parts: { decide, answersOf },
  decideSeat,
  unkeyed: false,
  skipEpochCheck: false,
  forgetEpoch: false,
  neverPoll: false,
};

/** Decisions as they are, changed on their way out. */
function deciding(change: (decision: Decision, ...input: Parameters<typeof decide>) => Decision): Mutations {
  const mutated: typeof decide = (...input) => change(decide(...input), ...input);
  return { ...sound, parts: { decide: mutated, answersOf } };
}

/** Decisions by other rules. */
function ruled(rules: Partial<Rules>): Mutations {
  const mutated: typeof decide = (shape, state, event) =>
    decide({ ...shape, rules: { ...shape.rules, ...rules } }, state, event);
  return { ...sound, parts: { decide: mutated, answersOf } };
}

function isThirdCopy({ load }: Asking, effect: RunEffect): boolean {
  if (effect.kind !== 'say' || effect.notice.code !== 'SPECULATING') return false;
  const { leaf } = effect.notice;
  return load.queues.values().filter(({ leaves }) => leaves.includes(leaf)).length > 2;
}

function without(decision: Decision, kind: RunEffect['kind']): Decision {
  return { ...decision, effects: decision.effects.filter((effect) => effect.kind !== kind) };
}

/** Adds as answers come. */
class InOrderOfArrival extends Answers {
  #sum: LeafPartial | null = null;

  override put(leaf: Leaf, answer: LeafPartial, count: number): void {
    super.put(leaf, answer, count);
    this.#sum = this.#sum === null ? answer : addUp(this.#sum, answer);
  }

  override total(): ReturnType<Answers['total']> {
    return this.#sum ?? super.total();
  }
}

/** Adds every answer that it is given. */
class CountsCopies extends Answers {
  readonly #seen = new Set<Leaf>();
  readonly #more: LeafPartial[] = [];

  override put(leaf: Leaf, answer: LeafPartial, count: number): void {
    if (this.#seen.has(leaf)) this.#more.push(answer);
    else super.put(leaf, answer, count);
    this.#seen.add(leaf);
  }

  override total(): ReturnType<Answers['total']> {
    let total = super.total();
    for (const answer of this.#more) total = addUp({ kind: 'partial', ...total }, answer);
    return total;
  }
}

function addUp(a: LeafPartial, b: LeafPartial): LeafPartial {
  const add = (x: Float64Array, y: Float64Array): Float64Array =>
    x.length === 0 ? y : y.length === 0 ? x : x.map((value, k) => value + (y[k] as number));
  return {
    ...a,
    sums: add(a.sums, b.sums),
    gradient: add(a.gradient, b.gradient),
    loss: a.loss + b.loss,
    seeds: a.seeds ?? b.seeds,
  };
}

function onSeat({ worker, seat }: { readonly worker: WorkerId; readonly seat: string }): WorkerId {
  return WorkerId.parse(`${worker} on ${seat}`);
}

function workerOf(seat: SeatId): WorkerId {
  return WorkerId.parse(seat);
}

export const mutants: Readonly<Record<string, Mutations>> = {
  'answers are not keyed by what they answer': {
    ...sound,
    unkeyed: true,
  },
  'a store that lets a fenced coordinator act': { ...sound, skipEpochCheck: true },
  'a checkpoint without its epoch': { ...sound, forgetEpoch: true },
  'answers are added in the order of arrival': {
    ...sound,
    parts: { decide, answersOf: (leaves, entries, retain) => new InOrderOfArrival(leaves, entries, retain) },
  },
  'a second answer of a leaf is counted, too': {
    ...sound,
    parts: {
      decide: (shape, state, event) => {
        const decision = decide(shape, state, event);
        const again =
          event.kind === 'posted' &&
          event.fault === null &&
          state.kind === 'asking' &&
          event.digest === state.digest &&
          decision.effects.length === 0;
        return again ? { ...decision, effects: [{ kind: 'keep' }] } : decision;
      },
      answersOf: (leaves, entries, retain) => new CountsCopies(leaves, entries, retain),
    },
  },
  'leaves of a lost seat are forgotten': deciding((decision, _shape, _state, event) =>
    event.kind === 'left' && event.lost && decision.state.kind === 'asking'
      ? {
          ...without(decision, 'assign'),
          state: {
            ...decision.state,
            load: {
              ...decision.state.load,
              orphans: [],
              queues: decision.state.load.queues.map((q) => ({ ...q, leaves: q.leaves.slice(0, q.next) })),
            },
          },
        }
      : decision,
  ),
  'a plan is not told after a seat joins': deciding((decision, _shape, _state, event) =>
    event.kind === 'joined' ? without(decision, 'assign') : decision,
  ),
  'an audit trusts the first answer': deciding((decision, shape, state, event) => {
    const mismatch = decision.effects.some((e) => e.kind === 'say' && e.notice.code === 'AUDIT_MISMATCH');
    return mismatch && state.kind === 'asking' && event.kind === 'posted'
      ? decide(
          shape,
          { ...state, checks: state.checks.filter(({ leaf }) => leaf !== event.leaf) },
          { kind: 'tick', now: state.now + 1e6 },
        )
      : decision;
  }),
  'the answers of a liar are kept': deciding((decision) => without(decision, 'withdraw')),
  'an emptied store is not told what is asked': deciding((decision, _shape, _state, event) =>
    event.kind === 'emptied' ? without(without(decision, 'publish'), 'assign') : decision,
  ),
  'a stage ends one leaf too early': deciding((decision, shape, state, event) => {
    const after = decision.state;
    if (event.kind !== 'posted' || after.kind !== 'asking' || after.load.remaining !== 1) return decision;
    if (state.kind !== 'asking' || after.asked.leaves.length < 2) return decision;
    const load = { ...after.load, remaining: 0 };
    const ended = decide(shape, { ...after, load, checks: [] }, { kind: 'emptied' });
    const add = ended.effects.filter((e) => e.kind === 'add');
    return add.length === 0 ? decision : { state: ended.state, effects: [...decision.effects, ...add] };
  }),
  'a worker does not answer a leaf that it answered for an earlier question': {
    ...sound,
    decideSeat: (limits, state, event) => {
      const key = 'the same';
      if (event.kind === 'answered') return decideSeat(limits, state, { ...event, key });
      if (event.kind !== 'view' || event.question === null) return decideSeat(limits, state, event);
      return decideSeat(limits, state, { ...event, question: { ...event.question, key } });
    },
  },
  'a fault is believed at once': ruled({ secondOpinions: false }),
  'nobody counts whom a leaf took along': ruled({ poisonWorkers: Infinity, poisonLosses: Infinity }),
  'a few chance deaths are taken for poison': ruled({ poisonLosses: 3 }),
  'an answer of a seat that is gone draws work to it': deciding((decision, shape, state, event) => {
    const gone = event.kind === 'posted' && state.kind === 'asking' && !state.crew.members.has(event.seat);
    const after = decision.state;
    if (!gone || after.kind !== 'asking' || decision.effects.length === 0) return decision;
    const [queue] = after.load.queues.values().filter(({ leaves, next }) => leaves.length > next);
    if (queue === undefined) return decision;
    const queues = after.load.queues.map((q) => (q === queue ? { ...q, leaves: q.leaves.slice(0, -1) } : q));
    return decide(shape, { ...after, load: { ...after.load, queues } }, { kind: 'tick', now: after.now });
  }),
  'a worker that takes another seat is another worker': {
    ...sound,
    parts: {
      decide: (shape, state, event) => {
        if (event.kind === 'posted') return decide(shape, state, { ...event, worker: workerOf(event.seat) });
        if (event.kind !== 'joined') return decide(shape, state, event);
        const { join } = event;
        return decide(shape, state, { kind: 'joined', join: { ...join, worker: workerOf(join.seat) } });
      },
      answersOf,
    },
  },
  'a worker that takes another seat is a second witness to what it said': {
    ...sound,
    parts: {
      decide: (shape, state, event) => {
        if (event.kind === 'posted') return decide(shape, state, { ...event, worker: onSeat(event) });
        if (event.kind !== 'joined') return decide(shape, state, event);
        const { join } = event;
        const known = 'crew' in state ? [...state.crew.quarantined] : [];
        const worker = known.find((name) => name.startsWith(onSeat({ ...join, seat: '' }))) ?? onSeat(join);
        return decide(shape, state, { kind: 'joined', join: { ...join, worker } });
      },
      answersOf,
    },
  },
  'a leaf is copied to nobody': ruled({ stragglerMs: Infinity, stragglerBlindMs: Infinity }),
  'a leaf is copied to nobody before an average is known': ruled({ stragglerBlindMs: Infinity }),
  'a leaf is copied to two seats at most': deciding((decision, _shape, state, event) => {
    const { state: after, effects } = decision;
    if (event.kind !== 'tick' || state.kind !== 'asking' || after.kind !== 'asking') return decision;
    const tooMany = effects.some((effect) => isThirdCopy(state, effect));
    return tooMany ? { state: { ...after, load: state.load }, effects: [] } : decision;
  }),
  'workers wait for a wake-up that was lost': { ...sound, neverPoll: true },
};
