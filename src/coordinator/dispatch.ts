/**
 * How is what was decided said to the store? Under the epoch of the desk that the run has now; and whoever is fenced finds out by
 * whom.
 */
import { setMaxListeners } from 'node:events';
import { unlessAborted } from '../abort.ts';
import type { Desk, Receipt } from '../exchange/exchange.ts';
import { type Iteration, protocolVersion, type SeatPlan } from '../protocol.ts';
import type { Coordination } from './coordinator.ts';
import type { RunEffect, RunEvent } from './run-events.ts';

type Effect<Kind extends RunEffect['kind']> = Extract<RunEffect, { readonly kind: Kind }>;

/** What a look at a plan costs those that are told of it, in milliseconds a seat: plans of many seats are told less often. */
const lookMs = 0.05;

/** What follows from it at once, if anything does. */
type Next = Promise<RunEvent | undefined>;

export class Dispatch {
  readonly #reopen: Coordination['reopen'];
  readonly #handOver: AbortSignal;
  #desk: Desk;
  readonly #now: Coordination['now'];
  /** The newest plan, until seats are told of it, and when they were told of one last. */
  #plan: Effect<'assign'> | null = null;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor({ desk, reopen, handOver, now }: Pick<Coordination, 'desk' | 'handOver' | 'now' | 'reopen'>) {
    this.#desk = desk;
    this.#now = now;
    this.#reopen = reopen;
    this.#handOver = handOver;
    // Everything sent listens while it waits, and of many runs there may be much on its way.
    setMaxListeners(0, handOver);
  }

  get desk(): Desk {
    return this.#desk;
  }

  async publish(
    question: Omit<Iteration, 'epoch' | 'protocolVersion' | 'run'>,
    plan: Effect<'assign'> | null,
  ): Next {
    const iteration = { ...this.#envelope(), ...question };
    this.#plan = null;
    this.#toldAt = this.#now();
    return this.#fencedIf(
      plan === null ? this.#desk.publish(iteration) : this.#desk.publish(iteration, this.#planOf(plan)),
    );
  }

  /** A plan says all that holds now, so of several the last is enough, told by `tellPlan`. */
  assign(plan: Effect<'assign'>): undefined {
    this.#plan = plan;
  }

  /** How long it is until the newest plan should be told, as each costs every seat a look; Infinity: it is. */
  planDueMs(seats: number): number {
    if (this.#plan === null) return Number.POSITIVE_INFINITY;
    return this.#toldAt + Math.floor(lookMs * seats) - this.#now();
  }

  async tellPlan(): Next {
    const plan = this.#plan;
    this.#plan = null;
    this.#toldAt = this.#now();
    return plan === null ? undefined : this.#fencedIf(this.#desk.assign(this.#planOf(plan)));
  }

  async dismiss({ seat, error }: Effect<'dismiss'>): Next {
    return this.#fencedIf(this.#desk.dismiss(seat, error));
  }

  async end({ end }: Effect<'end'>): Next {
    return this.#fencedIf(this.#desk.end(end));
  }

  /** What follows goes to a store that has forgotten the run, under a later epoch. */
  async reopen(): Next {
    if (this.#reopen !== null) {
      this.#desk = await this.#reopen(this.#desk.epoch);
      return undefined;
    }
    const message = 'the store lost the run, and this coordinator cannot open it again';
    return { kind: 'stuck', error: { tag: 'OutOfReachError', message, details: {} } };
  }

  #planOf({ generation, leaves, again, alone }: Effect<'assign'>): SeatPlan {
    return { ...this.#envelope(), generation, leaves: new Map(leaves), again: new Map(again), alone };
  }

  #envelope(): Pick<Iteration, 'epoch' | 'protocolVersion' | 'run'> {
    return { protocolVersion, run: this.#desk.run, epoch: this.#desk.epoch };
  }

  /** A later coordinator holds the run; which one, if that can be told. Of a store that forgot the run an event tells. */
  async #fencedIf(sent: Promise<Receipt>): Next {
    if ((await this.#unlessLeaving(sent)) !== 'fenced') return undefined;
    const epoch = (await this.#desk.standing()).iteration?.epoch ?? 0;
    return { kind: 'fenced', epoch: epoch > this.#desk.epoch ? epoch : null };
  }

  /** A coordinator that is to leave waits for no answer: the store may be away, and the checkpoint is not kept yet. */
  async #unlessLeaving(sent: Promise<Receipt>): Promise<Receipt | null> {
    try {
      return await unlessAborted(sent, this.#handOver);
    } catch (error) {
      if (error === this.#handOver.reason) return null;
      throw error;
    }
  }
}
