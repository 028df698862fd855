/** What does a worker of a simulated world do? Performs what the seat reducer decides, on a node that may fail. */
import type { RunView } from '../../src/exchange/exchange.ts';
import {
  type Beat,
  type ErrorReport,
  type Iteration,
  type Join,
  type Posting,
  protocolVersion,
  RunId,
  type SeatId,
  type SeatPlan,
  WorkerId,
} from '../../src/protocol.ts';
import { type Combined, combine } from '../../src/worker/combine.ts';
import {
  questionOf,
  type SeatEffect,
  type SeatEvent,
  type SeatLimits,
  type SeatState,
  seated,
  type Task,
} from '../../src/worker/seat-state.ts';
import type { Chance } from './chance.ts';
import { entries, saidOf } from './job.ts';
import type { Mutations } from './mutants.ts';
import { delayMs, excuseOf, isDeaf, isStuck, namesOf } from './muteness.ts';
import type { Node } from './node.ts';
import type { WorkerNature } from './scenario.ts';
import { leaseMs, type Store } from './store.ts';

export const runId = RunId.parse('run');

/** What a worker says whose device failed several times over. */
const outOfMemory: ErrorReport = { tag: 'DeviceError', message: 'OUT_OF_MEMORY', details: {} };

const limits: SeatLimits = { threads: 1, waveMs: 200, leaseMs, drainMs: 10_000 };

/** What a world wants to know of its workers. */
export interface Watcher {
  readonly trace: (who: string, what: string) => void;
  /** A leaf was evaluated. */
  readonly evaluated: () => void;
  readonly leafMs: () => number;
  /** A fault came about. */
  readonly met: (what: string) => void;
  /** Something happened that must not. */
  readonly breach: (what: string) => void;
}

interface Sitting {
  readonly id: SeatId;
  state: SeatState;
  iteration: Iteration | null;
  wave: number;
  heardAt: number;
  /** It is at a leaf for ever. */
  stuck: boolean;
}

/** Leaves that were answered and are not posted, and when the first of them was begun. */
interface Batch {
  readonly tasks: readonly Task[];
  readonly sinceMs: number;
}

export class WorkerNode {
  readonly node: Node;
  readonly nature: WorkerNature;
  readonly #store: Store;
  readonly #chance: Chance;
  readonly #mutations: Mutations;
  readonly #watcher: Watcher;
  #sitting: Sitting | null = null;
  #looking = false;
  #up = false;
  /** Leaves that it answered in this life. */
  #answered = 0;
  /** The coordinator that did not believe it, by the epoch of its plans; null: none. */
  #distrustedUnder: number | null = null;

  constructor(
    node: Node,
    nature: WorkerNature,
    world: {
      readonly store: Store;
      readonly chance: Chance;
      readonly mutations: Mutations;
      readonly watcher: Watcher;
    },
  ) {
    this.node = node;
    this.nature = nature;
    this.#store = world.store;
    this.#chance = world.chance;
    this.#mutations = world.mutations;
    this.#watcher = world.watcher;
  }

  get sits(): boolean {
    return this.#sitting !== null;
  }

  /** Begins a life, unless one goes on. */
  start(): void {
    if (this.#up) return;
    this.#up = true;
    this.#sitting = null;
    this.#looking = false;
    // Another life is another process.
    this.#answered = 0;
    this.#distrustedUnder = null;
    this.node.later(this.#chance.within(1, 200), () => this.#lease());
  }

  crash(): void {
    this.#watcher.trace(this.node.name, 'crashes');
    this.node.die();
    this.#up = false;
    this.#sitting = null;
  }

  drain(): void {
    if (this.#sitting !== null) this.#feed(this.#sitting, { kind: 'drain', now: this.node.now });
  }

  /** The run may have changed. */
  wake(): void {
    if (this.#sitting === null || this.#looking) return;
    this.#looking = true;
    const sitting = this.#sitting;
    this.node.later(this.#chance.within(1, 15), () => this.#look(sitting));
  }

  #lease(): void {
    this.node.call(
      () => this.#store.lease(),
      (seat) => {
        if (seat === null) {
          this.node.later(this.#chance.within(200, 600), () => this.#lease());
          return;
        }
        const sitting: Sitting = {
          id: seat,
          state: seated,
          iteration: null,
          wave: 0,
          heardAt: this.node.now,
          stuck: false,
        };
        this.#sitting = sitting;
        this.#watcher.trace(this.node.name, `takes ${seat}`);
        this.#send(sitting, () => this.#store.join(seat, this.#join(seat)));
        this.#beat(sitting);
      },
    );
  }

  #join(seat: SeatId): Join {
    const { version, numerics } = this.nature;
    return {
      protocolVersion,
      seat,
      worker: this.#name,
      version,
      engine: 'reference',
      numerics,
      threads: 1,
    };
  }

  /** Of this life. */
  get #name(): WorkerId {
    return WorkerId.parse(`${this.node.name}:${this.node.life}`);
  }

  /** Every second: that it lives; a look at the run, in case a wake-up was lost; and the clock. */
  #beat(sitting: Sitting): void {
    if (this.#sitting !== sitting) return;
    const silentMs = this.node.now - sitting.heardAt;
    if (silentMs >= leaseMs) {
      this.#feed(sitting, { kind: 'silent', forMs: silentMs });
      return;
    }
    const excuse = sitting.stuck ? excuseOf(this.nature.muteness) : null;
    const waits = excuse === null ? {} : { waits: excuse };
    const beat: Beat = { protocolVersion, seat: sitting.id, blocks: 0, pairs: 0, ...waits };
    this.#send(sitting, () => this.#store.beat(beat));
    this.#feed(sitting, { kind: 'tick', now: this.node.now });
    if (!this.#mutations.neverPoll) this.wake();
    this.node.later(1000, () => this.#beat(sitting));
  }

  /** Something that only the holder of a seat may do: the answer says whether it is. */
  #send(sitting: Sitting, request: () => boolean): void {
    this.node.call(request, (held) => {
      sitting.heardAt = this.node.now;
      if (!held && this.#sitting === sitting) this.#feed(sitting, { kind: 'fenced' });
    });
  }

  #look(sitting: Sitting): void {
    this.#looking = false;
    if (this.#sitting !== sitting || this.node.isCut) return;
    const view = this.#store.view(sitting.id);
    sitting.heardAt = this.node.now;
    this.#feed(sitting, view === null ? { kind: 'fenced' } : this.#seen(sitting, view));
  }

  #seen(sitting: Sitting, { iteration, plan, end, dismissed }: RunView): SeatEvent {
    sitting.iteration = iteration;
    const alone = new Set(plan?.alone ?? []);
    const first = (plan?.leaves.get(sitting.id) ?? []).map((leaf) => ({
      leaf,
      copy: 0,
      rows: true,
      alone: alone.has(leaf),
    }));
    const again = (plan?.again.get(sitting.id) ?? []).map((task) => ({ ...task, alone: true }));
    const tasks: readonly Task[] = [...first, ...again];
    this.#judge(plan, tasks, dismissed);
    const question = iteration === null ? null : questionOf(iteration);
    return { kind: 'view', question, tasks, ended: end !== null, dismissed };
  }

  /** Whoever was quarantined is given nothing more by the same coordinator; one that takes over may not have heard of it. */
  #judge(plan: SeatPlan | null, tasks: readonly Task[], dismissed: ErrorReport | null): void {
    if (plan === null) return;
    if (dismissed?.details['code'] === 'QUARANTINED') this.#distrustedUnder = plan.epoch;
    else if (tasks.length > 0 && plan.epoch === this.#distrustedUnder)
      this.#watcher.breach(`${this.#name} was quarantined, and is given leaves again`);
  }

  #feed(sitting: Sitting, event: SeatEvent): void {
    const { state, effects } = this.#mutations.decideSeat(limits, sitting.state, event);
    sitting.state = state;
    for (const effect of effects) this.#perform(sitting, effect);
  }

  #perform(sitting: Sitting, effect: SeatEffect): void {
    switch (effect.kind) {
      case 'evaluate':
        sitting.wave += 1;
        this.#evaluate(sitting, effect.tasks, this.#emptyBatch(), sitting.wave, this.node.now);
        return;
      case 'halt':
        if (sitting.stuck && isDeaf(this.nature.muteness)) return;
        sitting.stuck = false;
        sitting.wave += 1;
        this.node.later(2, () => {
          if (this.#sitting === sitting) this.#feed(sitting, { kind: 'waved', tookMs: 0 });
        });
        return;
      case 'fence':
      case 'leave': {
        this.#watcher.trace(this.node.name, `${effect.kind}s ${sitting.id}`);
        this.#sitting = null;
        if (effect.kind === 'leave')
          this.node.call(
            () => this.#store.leave(sitting.id, effect.error),
            () => {},
          );
        this.node.later(this.#chance.within(300, 900), () => this.#lease());
      }
    }
  }

  /**
   * One leaf after the other, `done` before them and not posted; they are as soon as a batch is due, and at the end. What was
   * not posted is lost with a crash, and with a wave that nobody wants.
   */
  #evaluate(sitting: Sitting, tasks: readonly Task[], done: Batch, wave: number, begun: number): void {
    const [task, ...rest] = tasks;
    const { iteration } = sitting;
    if (task === undefined || iteration === null) {
      this.#feed(sitting, { kind: 'waved', tookMs: this.node.now - begun });
      return;
    }
    const { poison, muteness } = this.nature;
    if (muteness !== null && isStuck(muteness, this.#answered, { leaf: task.leaf, phase: iteration.phase })) {
      this.#watcher.trace(this.node.name, `is at ${task.leaf}#${task.copy} for ever`);
      for (const name of namesOf(muteness)) this.#watcher.met(name);
      sitting.stuck = true;
      return;
    }
    if (poison?.leaf === task.leaf) {
      this.node.later(20, () => {
        if (poison.told) {
          if (this.#sitting === sitting && sitting.wave === wave)
            this.#feed(sitting, { kind: 'failed', error: outOfMemory });
          return;
        }
        this.crash();
        this.node.later(this.#chance.within(200, 900), () => this.start());
      });
      return;
    }
    const { key } = questionOf(iteration);
    this.node.later(this.#watcher.leafMs() * this.nature.slowness, () => {
      if (this.#sitting !== sitting || sitting.wave !== wave) return;
      this.#answered += 1;
      this.#watcher.evaluated();
      this.#watcher.trace(this.node.name, `answers ${task.leaf}#${task.copy} of ${key.slice(0, 18)}`);
      const batch = { ...done, tasks: [...done.tasks, task] };
      const isDue = rest.length === 0 || (wave + rest.length) % 3 === 0;
      if (isDue) {
        this.#postBatch(sitting, iteration, batch);
        this.#feed(sitting, { kind: 'answered', key, tasks: batch.tasks });
      }
      this.#evaluate(sitting, rest, isDue ? this.#emptyBatch() : batch, wave, begun);
    });
  }

  #emptyBatch(): Batch {
    return { tasks: [], sinceMs: this.node.now };
  }

  #postBatch(sitting: Sitting, iteration: Iteration, batch: Batch): void {
    const tasks = new Map(batch.tasks.map((task) => [task.leaf, task]));
    const leafMs = (this.node.now - batch.sinceMs) / batch.tasks.length;
    const partials = batch.tasks.map(({ leaf }) => ({ leaf, ...saidOf(this.nature, iteration, leaf) }));
    const post = (answers: readonly Combined[]): void => {
      for (const { leaf, count, answer, parts } of answers) {
        const copy = tasks.get(leaf)?.copy ?? 0;
        const posting = this.#postingOf(sitting, iteration, {
          leaf,
          count,
          copy,
          tookMs: count * leafMs,
          answer,
        });
        this.#post(sitting, posting, () => {
          if (count > 1) post(combine(entries, parts, () => true));
        });
      }
    };
    const combined = combine(entries, partials, (leaf) => tasks.get(leaf)?.alone ?? true);
    const { muteness } = this.nature;
    const lateMs = muteness === null ? 0 : delayMs(muteness, iteration.number);
    if (muteness === null || lateMs === 0) post(combined);
    else {
      for (const name of namesOf(muteness)) this.#watcher.met(name);
      this.node.later(lateMs, () => post(combined));
    }
  }

  /** @param onTwice - leaves of it have an answer */
  #post(sitting: Sitting, posting: Posting, onTwice: () => void): void {
    this.node.call(
      () => this.#store.post(posting),
      (receipt) => {
        sitting.heardAt = this.node.now;
        if (this.#sitting !== sitting) return;
        if (receipt === 'fenced') this.#feed(sitting, { kind: 'fenced' });
        if (receipt === 'twice') onTwice();
      },
      0.05,
    );
  }

  #postingOf(
    { id: seat }: Sitting,
    { number, phase, parameterDigest }: Iteration,
    answer: Pick<Posting, 'answer' | 'copy' | 'count' | 'leaf' | 'tookMs'>,
  ): Posting {
    const { numerics } = this.nature;
    const who = { protocolVersion, run: runId, seat, worker: this.#name, numerics } as const;
    return { ...who, number, phase, parameterDigest, ...answer };
  }
}
