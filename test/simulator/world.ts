/**
 * Does a run come to the right end in the world of a seed? Lets everything happen, in virtual time, and holds what came of it
 * against what should have.
 */
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { isSkewflowError } from '../../src/errors.ts';
import type { Chance } from './chance.ts';
import { CoordinatorNode, type Court, type Disk } from './coordinator-node.ts';
import { expectedOf } from './job.ts';
import { type Mutations, sound } from './mutants.ts';
import { Node } from './node.ts';
import { type Scenario, scenarioOf } from './scenario.ts';
import { Store } from './store.ts';
import { Timeline } from './timeline.ts';
import type { Trouble } from './troubles.ts';
import { WorkerNode } from './worker-node.ts';

/** Everything has calmed down long before; a run that is not over by then never is. */
const lifetimeMs = 600_000;

export interface WorldReport {
  readonly seed: number;
  readonly kind: Scenario['kind'];
  /** What should not have happened; empty: all is well. */
  readonly breaches: readonly string[];
  /** Faults that came about, and what coordinators told of. */
  readonly met: readonly string[];
  readonly evaluations: number;
  readonly virtualMs: number;
}

export async function simulate(
  seed: number,
  mutations: Mutations = sound,
  trace: ((line: string) => void) | null = null,
): Promise<WorldReport> {
  const { scenario, chance } = scenarioOf(seed);
  const world = new World(scenario, chance, mutations, trace);
  await world.run();
  // Worlds by the thousand leave the process time for its messages.
  await turnOfTheLoop();
  return { seed, kind: scenario.kind, ...world.report() };
}

class World {
  readonly #scenario: Scenario;
  readonly #chance: Chance;
  readonly #trace: (who: string, what: string) => void;
  readonly #timeline = new Timeline();
  readonly #store: Store;
  readonly #disk: Disk = { checkpoint: null, result: null };
  readonly #workers: readonly WorkerNode[];
  readonly #coordinators: readonly CoordinatorNode[];
  readonly #breaches: string[] = [];
  readonly #met = new Set<string>();
  #stirred = false;
  #cancelled = false;
  #evaluations = 0;

  constructor(
    scenario: Scenario,
    chance: Chance,
    mutations: Mutations,
    trace: ((line: string) => void) | null,
  ) {
    this.#scenario = scenario;
    this.#chance = chance;
    this.#trace =
      trace === null
        ? () => {}
        : (who, what) => trace(`${String(this.#timeline.now).padStart(7)}  ${who}  ${what}`);
    const store = new Store(this.#timeline, mutations, scenario.seatsMax);
    this.#store = store;
    const watcher = {
      trace: this.#trace,
      evaluated: () => {
        this.#evaluations += 1;
      },
      breach: (what: string) => this.#breaches.push(what),
      met: (what: string) => this.#met.add(what),
      leafMs: () => chance.within(...scenario.leafMs),
    };
    const node = (name: string): Node => new Node(name, this.#timeline, chance);
    this.#workers = scenario.workers.map(
      (nature, w) => new WorkerNode(node(`worker-${w}`), nature, { store, chance, mutations, watcher }),
    );
    const court: Court = {
      store,
      chance,
      scenario,
      mutations,
      disk: this.#disk,
      trace: this.#trace,
      stir: () => {
        this.#stirred = true;
      },
      said: ({ code }) => this.#met.add(code),
      cancelled: () => this.#cancelled,
      over: (error) => this.#over(error),
    };
    this.#coordinators = Array.from(
      { length: scenario.coordinators },
      (_, c) => new CoordinatorNode(node(`coordinator-${c}`), court),
    );
  }

  async run(): Promise<void> {
    const store = this.#store;
    store.onBreach = (what) => this.#breaches.push(what);
    store.onEvent = (event) => {
      for (const coordinator of this.#coordinators) coordinator.hear(event);
    };
    store.onChange = () => {
      // A wake-up is a hint, and hints get lost.
      for (const worker of this.#workers) if (this.#chance.happens(0.9)) worker.wake();
    };
    for (const coordinator of this.#coordinators) coordinator.start();
    for (const worker of this.#workers) {
      this.#timeline.after(worker.nature.startMs, () => worker.start());
    }
    for (const { atMs, trouble } of this.#scenario.troubles) {
      this.#timeline.after(atMs, () => this.#befall(trouble));
    }
    while (store.ended === null && this.#timeline.now < lifetimeMs && this.#breaches.length === 0) {
      if (!this.#timeline.step()) break;
      if (!this.#stirred) continue;
      this.#stirred = false;
      await settled();
    }
    await settled();
  }

  report(): Omit<WorldReport, 'kind' | 'seed'> {
    const breaches = [...this.#breaches, ...this.#endings()];
    return { breaches, met: [...this.#met], evaluations: this.#evaluations, virtualMs: this.#timeline.now };
  }

  #over(error: unknown): void {
    this.#trace(
      'world',
      error === null ? 'a coordinator is done' : `a coordinator ends: ${messageOf(error)}`,
    );
    const expected = isSkewflowError(error) || error === null;
    if (!expected) this.#breaches.push(`a coordinator threw: ${messageOf(error)}`);
  }

  #befall(trouble: Trouble): void {
    this.#trace('world', JSON.stringify(trouble));
    this.#met.add('whom' in trouble ? `${trouble.kind} of a ${trouble.whom}` : trouble.kind);
    switch (trouble.kind) {
      case 'cancel':
        this.#cancelled = true;
        return;
      case 'drain':
        this.#workers[trouble.which]?.drain();
        return;
      case 'empty':
        this.#store.empty();
        return;
      case 'room':
        if (this.#workers.every(({ sits, nature }) => !sits || nature.muteness !== null))
          this.#met.add('room where only the mute sat');
        this.#store.widen(trouble.seats);
        return;
      case 'crash':
      case 'cut':
      case 'freeze': {
        const all = trouble.whom === 'worker' ? this.#workers : this.#coordinators;
        const one = all[trouble.which];
        if (one !== undefined) this.#strike(one, trouble.kind, trouble.ms);
      }
    }
  }

  #strike(one: CoordinatorNode | WorkerNode, kind: 'crash' | 'cut' | 'freeze', ms: number): void {
    switch (kind) {
      case 'crash':
        one.crash();
        this.#timeline.after(ms, () => one.start());
        return;
      case 'cut':
        if (one instanceof CoordinatorNode) one.cut(ms);
        else one.node.cut(ms);
        return;
      case 'freeze':
        one.node.freeze(ms);
    }
  }

  // --- how it should end ------------------------------------------------------------------------------------

  #endings(): readonly string[] {
    const end = this.#store.ended;
    if (this.#breaches.length > 0) return [];
    if (end === null) return [`the run is not over after ${lifetimeMs / 1000} s`];
    const { kind } = this.#scenario;
    switch (end.kind) {
      case 'cancelled':
        return this.#cancelled ? [] : ['the run was cancelled by nobody'];
      case 'done':
        return kind === 'data' || kind === 'poison'
          ? [`a world with ${kind} came to a result`]
          : [...this.#bits(), ...this.#waste()];
      case 'failed': {
        const { tag, message } = end.error;
        const fits =
          (kind === 'data' && message.includes('being finite')) ||
          (kind === 'poison' && message.includes('POISON_SHARD'));
        return fits ? [] : [`the run failed: ${tag}: ${message}`];
      }
    }
  }

  #bits(): readonly string[] {
    const { result } = this.#disk;
    if (result === null) return ['the run is done and has no result'];
    const got = [result.loss ?? Number.NaN, ...result.gradient];
    const expected = expectedOf(this.#scenario.job);
    const same = got.length === expected.length && got.every((x, k) => Object.is(x, expected[k]));
    return same ? [] : [`wrong bits: ${got.join(' ')} instead of ${expected.join(' ')}`];
  }

  /** Nothing is computed again without a cause: a trouble, a straggler, an audit. */
  #waste(): readonly string[] {
    const { job, troubles, kind, workers } = this.#scenario;
    const own = job.phases === 2 ? 2 : 0;
    const asked = job.iterations * (job.phases * job.shards + own);
    const slow = workers.filter(({ slowness, muteness }) => slowness > 1 || muteness !== null).length;
    const twice = kind === 'liar' ? 4 : kind === 'broken' ? 3 : 2;
    const bound =
      asked * twice + (troubles.length + slow) * (job.shards + 1) * 2 + (kind === 'quiet' ? 0 : 8);
    return this.#evaluations <= bound
      ? []
      : [`${this.#evaluations} evaluations where ${asked} leaves were asked`];
  }
}

/** All that waits for promises has gone on: a tick that a promise asks for comes when no promise has anything left to do. */
function settled(): Promise<void> {
  const tick = (resolve: () => void): void => process.nextTick(resolve);
  return Promise.resolve().then(() => new Promise(tick));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : 'something that is no error';
}
