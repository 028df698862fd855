/**
 * What does a coordinator of a simulated world do? It stands by until the run has none, takes the run up, and carries it in the
 * office that production has, at a desk of the simulated store.
 */
import type { Checkpoint } from '../../src/coordinator/checkpoint.ts';
import {
  type Coordination,
  type Evaluated,
  inOneProcess,
  shapeOf,
} from '../../src/coordinator/coordinator.ts';
import type { Notice } from '../../src/coordinator/notice.ts';
import { Office } from '../../src/coordinator/office.ts';
import { SkewflowError } from '../../src/errors.ts';
import type { Desk, DeskEvent, Receipt } from '../../src/exchange/exchange.ts';
import type { Log } from '../../src/log.ts';
import type { Chance } from './chance.ts';
import { coordinationOf, courseOf } from './job.ts';
import { lawful } from './laws.ts';
import type { Mutations } from './mutants.ts';
import type { Node } from './node.ts';
import type { Scenario } from './scenario.ts';
import { leaseMs, type Store } from './store.ts';
import { runId } from './worker-node.ts';

/** What coordinators share beside the store. */
export interface Disk {
  checkpoint: Checkpoint | null;
  result: Evaluated | null;
}

export interface Court {
  readonly store: Store;
  readonly disk: Disk;
  readonly chance: Chance;
  readonly scenario: Scenario;
  readonly mutations: Mutations;
  readonly trace: (who: string, what: string) => void;
  /** Promises were resolved: what waits for them goes on before anything else happens. */
  readonly stir: () => void;
  readonly said: (notice: Notice) => void;
  readonly cancelled: () => boolean;
  /** A coordinator came to an end; null error: the run is done. */
  readonly over: (error: unknown) => void;
}

const quiet: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };

export class CoordinatorNode {
  readonly node: Node;
  readonly #court: Court;
  #session: Session | null = null;
  #up = false;

  constructor(node: Node, court: Court) {
    this.node = node;
    this.#court = court;
  }

  /** Begins a life, unless one goes on. */
  start(): void {
    if (this.#up) return;
    this.#up = true;
    this.#session = null;
    this.node.later(this.#court.chance.within(1, 300), () => this.#watch());
  }

  crash(): void {
    this.#court.trace(this.node.name, 'crashes');
    this.node.die();
    this.#up = false;
    this.#session = null;
  }

  hear(event: DeskEvent): void {
    this.#session?.hear(event);
  }

  cut(ms: number): void {
    this.node.cut(ms);
    const session = this.#session;
    if (session === null || ms < 2000) return;
    this.node.later(2000, () => session.hearAtOnce({ kind: 'unreachable', forMs: 2000 }));
    this.node.later(ms + 20, () => session.hearAtOnce({ kind: 'unreachable', forMs: 0 }));
  }

  /** Renew the lease, or look whether anyone does. */
  #watch(): void {
    const { store } = this.#court;
    this.node.later(1000, () => this.#watch());
    if (this.#session !== null) {
      if (!this.node.isCut) store.leaseUntil = this.node.now + leaseMs;
      return;
    }
    if (this.node.isCut || store.leaseUntil >= this.node.now || store.ended !== null) return;
    store.leaseUntil = this.node.now + leaseMs;
    const session = new Session(this.node, this.#court);
    this.#session = session;
    session
      .carry()
      .then(
        () => this.#court.over(null),
        (error: unknown) => this.#court.over(error),
      )
      .finally(() => {
        if (this.#session === session) this.#session = null;
      });
  }
}

/** One coordinator's time with the run. */
class Session {
  readonly #node: Node;
  readonly #court: Court;
  readonly #inbox: DeskEvent[] = [];
  #wake: (() => void) | null = null;
  #lastHeard = 0;
  readonly #told: { readonly epoch: number; readonly event: DeskEvent }[] = [];
  /** Of its desk: what the store told of another is not heard here. */
  #epoch = 0;

  constructor(node: Node, court: Court) {
    this.#node = node;
    this.#court = court;
  }

  /** As `coordinate`, by the clock of the world. */
  async carry(): Promise<void> {
    const { scenario, mutations, disk, trace, said } = this.#court;
    const resume = disk.checkpoint;
    const desk = await this.#open(resume?.epoch ?? 0);
    trace(this.#node.name, `takes the run under epoch ${desk.epoch}`);
    const run: Coordination = {
      ...inOneProcess,
      ...coordinationOf(scenario.job),
      desk,
      reopen: (epochMin) => this.#open(epochMin),
      course: courseOf(scenario.job, resume?.course ?? null),
      rules: scenario.rules,
      resume,
      keep: (checkpoint) => this.#keep(checkpoint),
      retain: true,
      finish: async (evaluated) => {
        await this.#sleep(10);
        disk.result = evaluated;
      },
      log: quiet,
      onProgress: () => {},
      onNotice: ({ text, notice }) => {
        trace(this.#node.name, text);
        said(notice);
      },
      now: () => this.#node.now,
      signal: new AbortController().signal,
      // Of its own: what a dead coordinator was waiting for listens for ever.
      handOver: new AbortController().signal,
    };
    const shape = { ...shapeOf(run), run: runId, rules: scenario.rules };
    const { parts } = mutations;
    const office = new Office(run, shape, { ...parts, decide: lawful(parts.decide) });
    await office.begin();
    while (office.going) {
      const events = await this.#events();
      if (this.#court.cancelled()) await office.cancel();
      await office.tick();
      await office.receive(events);
    }
    office.result();
  }

  /** Events come in order, some time later; postings perhaps twice. */
  hear(event: DeskEvent): void {
    const { store, mutations } = this.#court;
    const epoch = this.#epoch;
    const at = Math.max(this.#lastHeard, this.#node.now + this.#court.chance.within(1, 12));
    this.#lastHeard = at;
    const another = event.kind !== 'emptied' && store.epoch !== epoch && !mutations.skipEpochCheck;
    const told: DeskEvent = another ? { kind: 'fenced' } : event;
    this.#node.later(at - this.#node.now, () => this.#hearOf(epoch, told));
    if (event.kind === 'posted' && this.#court.chance.happens(0.05)) {
      this.#node.later(this.#court.chance.within(20, 2000), () => this.#hearOf(epoch, told));
    }
  }

  /** What a desk tells, in order, and over a link that is cut, later. */
  #hearOf(epoch: number, event: DeskEvent): void {
    this.#told.push({ epoch, event });
    this.#hearTold();
  }

  #hearTold(): void {
    if (this.#node.isCut) {
      this.#node.later(100, () => this.#hearTold());
      return;
    }
    for (const { epoch, event } of this.#told.splice(0)) {
      // Of a desk that was given up for another nothing is heard any more.
      if (epoch !== this.#epoch) continue;
      // Somebody else was sooner to open the run again.
      const lost = event.kind === 'emptied' && this.#court.store.epoch !== 0;
      this.hearAtOnce(lost ? { kind: 'fenced' } : event);
    }
  }

  hearAtOnce(event: DeskEvent): void {
    this.#inbox.push(event);
    this.#ring();
  }

  #ring(): void {
    const wake = this.#wake;
    this.#wake = null;
    if (wake === null) return;
    this.#court.stir();
    wake();
  }

  async #events(): Promise<readonly DeskEvent[]> {
    if (this.#inbox.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#node.later(this.#court.scenario.rules.tickMs, () => {
          if (this.#wake === resolve) this.#ring();
        });
      });
    }
    return this.#inbox.splice(0);
  }

  /** A promise of the simulated world. */
  #call<T>(request: () => T): Promise<T> {
    return new Promise((resolve) => {
      this.#node.call(request, (answer) => {
        this.#court.stir();
        resolve(answer);
      });
    });
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#node.later(ms, () => {
        this.#court.stir();
        resolve();
      });
    });
  }

  async #open(epochMin: number): Promise<Desk> {
    const { store } = this.#court;
    const epoch = await this.#call(() => store.open(epochMin));
    this.#epoch = epoch;
    this.#inbox.length = 0;
    // What befell the store before this desk was known here, its first look finds.
    if (store.epoch !== epoch) this.hearAtOnce({ kind: store.epoch === 0 ? 'emptied' : 'fenced' });
    const tell = (request: () => Receipt): Promise<Receipt> => this.#call(request);
    return {
      run: runId,
      epoch,
      publish: (iteration, plan) => tell(() => store.publish(epoch, this, iteration, plan ?? null)),
      assign: (plan) => tell(() => store.assign(epoch, this, plan)),
      dismiss: (seat, error) => tell(() => store.dismiss(epoch, this, seat, error)),
      end: (end) => tell(() => store.end(epoch, this, end)),
      standing: () => this.#call(() => store.standing()),
      events: () => this.#events(),
    };
  }

  async #keep(checkpoint: Checkpoint): Promise<void> {
    const { disk, mutations, chance } = this.#court;
    await this.#sleep(chance.within(3, 30));
    const there = disk.checkpoint;
    const another =
      there !== null &&
      (there.epoch > checkpoint.epoch ||
        (there.epoch === checkpoint.epoch && there.holder !== checkpoint.holder));
    if (another && !mutations.forgetEpoch) throw new SkewflowError('AbortedError', 'fenced by a checkpoint');
    disk.checkpoint = checkpoint;
  }
}
