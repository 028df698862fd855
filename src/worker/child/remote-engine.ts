/**
 * How does an engine look that computes in a process of its own? Like any other: it loads, binds and evaluates, and when its
 * child is lost, hangs or dies, a new one is brought to the same state and asked again for what had no answer. A partial is a
 * pure function of what it is asked with, so the bits are those of an undisturbed run.
 *
 * Bound rows are kept here for as long as they are bound: a new child is given them again.
 */
import { invariant, SkewflowError } from '../../errors.ts';
import { systemToBytes } from '../../job/system-bytes.ts';
import type { Program } from '../../kernels/sweep/program.ts';
import type { Log } from '../../log.ts';
import { blocksOf, type ShardRange } from '../../partition/plan.ts';
import type {
  Counters,
  Engine,
  Evaluation,
  EvaluationPlan,
  EvaluationSink,
  Precision,
  Reals,
  Session,
} from '../engine/engine.ts';
import { Delivery } from './delivery.ts';
import { addCounters, evaluateMessage } from './evaluation.ts';
import type { Message } from './frames.ts';
import { SentInputs } from './inputs.ts';
import type { ChildDevice, FromChild, SessionCounters } from './messages.ts';
import { defaultLimits, type Limits, patientLimits } from './supervision.ts';
import { askAgain, type Question, Supervisor } from './supervisor.ts';

export interface ChildEngineOptions {
  readonly device: ChildDevice;
  readonly precision: Precision;
  readonly threads: number;
  readonly memoryBytes: number;
  /** Variables of the child beside our own: which GPU it sees. Default: none. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Default: `defaultLimits`, and no limit of time for the reference. */
  readonly limits?: Limits;
  readonly log: Log;
  /** Told when a child is started again, and what ended the one before. Default: nobody. */
  readonly onRestart?: (code: string) => void;
}

/** An engine in a child; `pid` and `loseDevice` are for drills. */
export interface ChildEngine extends Engine {
  /** The process that computes now. */
  readonly pid: number | undefined;
  /** Destroy the GPU's device, as a driver that resets does. */
  readonly loseDevice: () => void;
}

/**
 * Start a child and open its engine.
 *
 * @throws NoDeviceError when the child finds nothing to compute with; DeviceError (`details.code`) when it fails each time
 */
export async function openChildEngine(options: ChildEngineOptions): Promise<ChildEngine> {
  const remote = new Remote(options);
  try {
    const { name, precision, numerics } = await remote.open();
    return {
      name,
      precision,
      numerics,
      get pid() {
        return remote.pid;
      },
      loseDevice: () => remote.loseDevice(),
      load: (program, plan) => remote.load(program, plan),
      [Symbol.asyncDispose]: () => remote.close(),
    };
  } catch (error) {
    await remote.close();
    throw error;
  }
}

type Opened = Extract<FromChild, { readonly kind: 'opened' }>;

/** A session as a new child is brought to it. */
interface Held {
  readonly number: number;
  readonly system: Uint8Array;
  readonly plan: EvaluationPlan;
  readonly shards: Map<number, { readonly range: ShardRange; readonly rows: ReadonlyMap<string, Reals> }>;
  readonly sent: SentInputs;
  /** Called when it is brought to another child. */
  readonly restarted: () => void;
}

class Remote {
  readonly #options: ChildEngineOptions;
  readonly #supervisor: Supervisor;
  readonly #sessions = new Map<number, Held>();
  #opened: Opened | null = null;
  /** The generation of the child that has been brought to the state above. */
  #restored = -1;
  #sessionsMade = 0;
  /** Halved when the device did not give it: tiles become smaller, and no bit depends on them. */
  #memoryBytes: number;
  #closed = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: ChildEngineOptions) {
    const { device, environment = {}, log, onRestart = () => {} } = options;
    const limits = options.limits ?? (device.engine === 'reference' ? patientLimits : defaultLimits);
    const restarted = (code: string): void => {
      if (code === 'OUT_OF_MEMORY') this.#memoryBytes /= 2;
      onRestart(code);
    };
    const name = device.engine === 'webgpu' ? (device.adapter ?? device.engine) : device.engine;
    this.#options = options;
    this.#memoryBytes = options.memoryBytes;
    this.#supervisor = new Supervisor({ device: name, environment, limits, log, onRestart: restarted });
  }

  get pid(): number | undefined {
    return this.#supervisor.pid;
  }

  loseDevice(): void {
    this.#supervisor.tell({ header: { kind: 'lose-device' }, arrays: [] });
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#sessions.clear();
    return this.#supervisor.stop();
  }

  open(): Promise<Opened> {
    return this.#inTurn(() => this.#persist(() => this.#restore()));
  }

  /** Carry a question out on as many children as it takes, one question after another. */
  #carry(question: Question): Promise<Message<FromChild>> {
    return this.#inTurn(() => this.#persist(() => this.#askRestored(question), question.signal));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }

  async #persist<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (;;) {
      signal?.throwIfAborted();
      if (this.#closed) throw new SkewflowError('AbortedError', 'the engine was closed');
      try {
        return await work();
      } catch (error) {
        if (error !== askAgain) throw error;
      }
    }
  }

  async #askRestored(question: Question): Promise<Message<FromChild>> {
    await this.#restore();
    return this.#supervisor.ask(this.#restored, question);
  }

  /** Bring the child to where it should be, if it is a new one. */
  async #restore(): Promise<Opened> {
    if (this.#opened !== null && this.#restored === this.#supervisor.generation) return this.#opened;
    try {
      const { header } = await this.#supervisor.begin({ message: (request) => this.#openMessage(request) });
      invariant(header.kind === 'opened', 'a child answers `open` with what it opened');
      this.#refuseOther(header);
      const { generation } = this.#supervisor;
      for (const session of this.#sessions.values()) {
        session.restarted();
        await this.#supervisor.ask(generation, loadQuestion(session));
        for (const { range, rows } of session.shards.values())
          await this.#supervisor.ask(generation, bindQuestion(session, range, rows));
      }
      this.#opened = header;
      this.#restored = generation;
      return header;
    } catch (error) {
      // A child that is half restored is of no use.
      if (error !== askAgain) await this.#supervisor.stop();
      throw error;
    }
  }

  #openMessage(request: number): ReturnType<Question['message']> {
    const { device, precision, threads } = this.#options;
    const memoryBytes = this.#memoryBytes;
    return { header: { kind: 'open', request, device, precision, threads, memoryBytes }, arrays: [] };
  }

  /** Bits of two numerics classes must not meet in one evaluation. */
  #refuseOther({ numerics }: Opened): void {
    if (this.#opened === null || this.#opened.numerics === numerics) return;
    throw new SkewflowError(
      'DeviceError',
      `the device came back as another one: its numerics class was ${this.#opened.numerics} and is ${numerics}`,
      { code: 'NUMERICS_CHANGED', before: this.#opened.numerics, after: numerics },
    );
  }

  async load(program: Program, plan: EvaluationPlan): Promise<Session> {
    this.#sessionsMade += 1;
    let counted: Counters = { pairs: new Map(), rows: new Map() };
    let counting: Counters = counted;
    const held: Held = {
      number: this.#sessionsMade,
      system: systemToBytes(program.system),
      plan,
      shards: new Map(),
      sent: new SentInputs(),
      restarted: () => {
        counted = counting;
        held.sent.forget();
      },
    };
    await this.#carry(loadQuestion(held));
    this.#sessions.set(held.number, held);
    return {
      bind: async (range, rows) => {
        await this.#carry(bindQuestion(held, range, rows));
        held.shards.set(range.index, { range, rows });
      },
      release: async (shard) => {
        held.shards.delete(shard);
        await this.#carry({ message: releaseMessage(held, shard) });
      },
      evaluate: (request, sink, signal) =>
        this.#evaluate(held, request, sink, signal, (process) => {
          counting = addCounters(counted, process);
        }),
      counters: () => counting,
      [Symbol.asyncDispose]: () => this.#unload(held),
    };
  }

  /** Every leaf is answered once, whatever happens: rows wait for their leaf's partial, and only the rest is asked again. */
  async #evaluate(
    held: Held,
    request: Evaluation,
    sink: EvaluationSink,
    signal: AbortSignal | undefined,
    count: (process: SessionCounters) => void,
  ): Promise<void> {
    const delivery = new Delivery(request.leaves, (leaf) => blocksOfHeld(held, leaf), sink);
    const question: Question = {
      message: (number) =>
        evaluateMessage(number, held.number, delivery.rest(request), held.sent.news(request.inputs)),
      completes: true,
      signal,
      hear: (message) => {
        delivery.hear(message);
        if (message.header.kind === 'progress') count(message.header.counters);
      },
    };
    await this.#inTurn(() =>
      this.#persist(async () => {
        // The child may be lost between the last partial and its word that all are there.
        if (delivery.isComplete) return;
        const answer = await this.#askRestored(question);
        delivery.hear(answer);
        if (answer.header.kind === 'evaluated') count(answer.header.counters);
      }, signal),
    );
    signal?.throwIfAborted();
  }

  /** Let a session go. A child that cannot be asked has let it go already. */
  async #unload(held: Held): Promise<void> {
    if (!this.#sessions.delete(held.number)) return;
    const { number: session } = held;
    const question: Question = {
      message: (request) => ({ header: { kind: 'unload', request, session }, arrays: [] }),
    };
    await this.#inTurn(() => this.#supervisor.ask(this.#restored, question)).catch(() => {});
  }
}

function blocksOfHeld({ shards }: Held, leaf: number): number {
  const shard = shards.get(leaf);
  return shard === undefined ? 0 : blocksOf(shard.range);
}

function loadQuestion({ number, system, plan }: Held): { readonly message: Question['message'] } {
  return {
    message: (request) => ({ header: { kind: 'load', request, session: number, ...plan }, arrays: [system] }),
  };
}

function bindQuestion(
  { number }: Held,
  shard: ShardRange,
  rows: ReadonlyMap<string, Reals>,
): { readonly message: Question['message'] } {
  return {
    message: (request) => ({
      header: { kind: 'bind', request, session: number, shard, names: [...rows.keys()] },
      arrays: [...rows.values()],
    }),
  };
}

function releaseMessage({ number }: Held, shard: number): Question['message'] {
  return (request) => ({ header: { kind: 'release', request, session: number, shard }, arrays: [] });
}
