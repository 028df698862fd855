/**
 * What does a compute child do? Holds one engine, and answers what its supervisor asks, until it is killed.
 *
 * The entry point of the process. It never ends by itself: a device with work in flight is left safely by SIGKILL only, and
 * that is also what it does to itself when the supervisor is gone.
 */
import { isSkewflowError, SkewflowError } from '../../errors.ts';
import { reportOf } from '../../exchange/error-report.ts';
import { systemFromBytes } from '../../job/system-bytes.ts';
import { compileProgram } from '../../kernels/sweep/compile.ts';
import type { GpuLoss } from '../engine/dawn/device.ts';
import type { Engine, EvaluationSink, Session } from '../engine/engine.ts';
import { Channel } from './channel.ts';
import { countersMessage, evaluationOf, partialMessage, rowsByName, rowsMessage } from './evaluation.ts';
import type { Message } from './frames.ts';
import { KnownInputs } from './inputs.ts';
import { type ChildDevice, decodeToChild, type FromChild, type ToChild } from './messages.ts';

/** An engine with what only the process that has the device knows. */
interface Opened {
  readonly engine: Engine;
  /** Resolves when the device is gone. */
  readonly lost: Promise<GpuLoss>;
  readonly loseDevice: () => void;
}

/** A session with what its evaluations have been given so far. */
interface Loaded {
  readonly session: Session;
  readonly known: KnownInputs;
}

type Of<Kind> = Message<Extract<ToChild, { readonly kind: Kind }>>;

/** Shortest time between two reports of progress, the beginning being one: an evaluation that is shorter brings its answers only. */
const progressMs = 50;

/**
 * How often a processor at work says that it is. Threads that compute cannot hang, and a long sweep over many sources counts no
 * block, so silence means that the process is stopped. A GPU must show progress of its own.
 */
const beatMs = 1000;

class Host {
  #opened: Opened | null = null;
  readonly #sessions = new Map<number, Loaded>();
  readonly #running = new Map<number, AbortController>();

  async answer(message: Message<ToChild>): Promise<void> {
    const { header, arrays } = message;
    switch (header.kind) {
      case 'open':
        return this.#open(header);
      case 'load':
        return this.#load({ header, arrays });
      case 'bind':
        await this.#loaded(header.session).session.bind(header.shard, rowsByName(header.names, arrays));
        return done(header.request);
      case 'release':
        await this.#loaded(header.session).session.release(header.shard);
        return done(header.request);
      case 'evaluate':
        return this.#evaluate({ header, arrays });
      case 'abort':
        return this.#running.get(header.request)?.abort();
      case 'unload':
        await this.#loaded(header.session).session[Symbol.asyncDispose]();
        this.#sessions.delete(header.session);
        return done(header.request);
      case 'lose-device':
        return this.#opened?.loseDevice();
    }
  }

  async #open(header: Of<'open'>['header']): Promise<void> {
    this.#opened = await openDevice(header);
    void this.#opened.lost.then(({ code, reason }) => tellLost(code, reason, null));
    const { name, precision, numerics } = this.#opened.engine;
    tell({ header: { kind: 'opened', request: header.request, name, precision, numerics }, arrays: [] });
  }

  async #load({ header, arrays }: Of<'load'>): Promise<void> {
    const [bytes] = arrays;
    if (this.#opened === null || !(bytes instanceof Uint8Array))
      throw new SkewflowError('ProtocolError', 'a program is loaded on an open engine, from its system');
    const { precision, segmentSteps, threads } = header;
    const program = compileProgram(systemFromBytes(bytes));
    const session = await this.#opened.engine.load(program, { precision, segmentSteps, threads });
    this.#sessions.set(header.session, { session, known: new KnownInputs() });
    done(header.request);
  }

  async #evaluate(message: Of<'evaluate'>): Promise<void> {
    const { request, session: number } = message.header;
    const { session, known } = this.#loaded(number);
    const controller = new AbortController();
    this.#running.set(request, controller);
    const progress = progressOf(request, session);
    const beat =
      this.#opened?.engine.name === 'webgpu' ? null : setInterval(() => progress.add(0), beatMs).unref();
    const sink: EvaluationSink = {
      partial: (partial) => tell(partialMessage(request, partial)),
      rows: (rows) => tell(rowsMessage(request, rows)),
      progress: (blocks) => progress.add(blocks),
    };
    try {
      await session.evaluate(evaluationOf(message, known), sink, controller.signal);
      const blocks = progress.untold();
      const counters = countersMessage(session.counters());
      tell({ header: { kind: 'evaluated', request, blocks, counters }, arrays: [] });
    } catch (error) {
      if (!controller.signal.aborted) throw error;
      tell({ header: { kind: 'aborted', request }, arrays: [] });
    } finally {
      if (beat !== null) clearInterval(beat);
      this.#running.delete(request);
    }
  }

  #loaded(number: number): Loaded {
    const loaded = this.#sessions.get(number);
    if (loaded === undefined) throw new SkewflowError('ProtocolError', `no session ${number} is loaded`);
    return loaded;
  }
}

function progressOf(
  request: number,
  session: Session,
): { readonly add: (blocks: number) => void; readonly untold: () => number } {
  let waiting = 0;
  let told = performance.now();
  return {
    add: (blocks) => {
      waiting += blocks;
      // No block is a sign of life too.
      if (performance.now() - told < progressMs) return;
      const counters = countersMessage(session.counters());
      tell({ header: { kind: 'progress', request, blocks: waiting, counters }, arrays: [] });
      waiting = 0;
      told = performance.now();
    },
    untold: () => waiting,
  };
}

async function openDevice(header: Of<'open'>['header']): Promise<Opened> {
  const { device, precision, threads, memoryBytes } = header;
  switch (device.engine) {
    case 'reference': {
      const { openReferenceEngine } = await import('../engine/reference/engine.ts');
      return { engine: openReferenceEngine(), lost: never, loseDevice: () => {} };
    }
    case 'wasm': {
      const { openWasmEngine } = await import('../engine/wasm/index.ts');
      return { engine: openWasmEngine({ precision, threads }), lost: never, loseDevice: () => {} };
    }
    case 'webgpu':
      return openGpu(device, { precision, threads, memoryBytes });
  }
}

async function openGpu(
  choice: Extract<ChildDevice, { readonly engine: 'webgpu' }>,
  options: Pick<Of<'open'>['header'], 'memoryBytes' | 'precision' | 'threads'>,
): Promise<Opened> {
  const [{ openGpuDevice }, { webGpuEngine }] = await Promise.all([
    import('../engine/dawn/device.ts'),
    import('../engine/webgpu/engine.ts'),
  ]);
  const { device, adapter, lost } = await openGpuDevice(choice);
  return {
    engine: await webGpuEngine(device, adapter, options),
    lost,
    loseDevice: () => device.destroy(),
  };
}

const never = new Promise<GpuLoss>(() => {});

// --- the channel ------------------------------------------------------------------------------------------

const host = new Host();

const channel = Channel.ofThisProcess<FromChild>({
  frame: (frame) => {
    for (const message of decodeToChild(frame)) {
      const request = 'request' in message.header ? message.header.request : 0;
      host.answer(message).catch((error: unknown) => tellFailure(request, error));
    }
  },
  closed: () => process.kill(process.pid, 'SIGKILL'),
});
// Ctrl-C goes to all processes of a terminal: it is the supervisor that says what it means.
process.on('SIGINT', () => {});

function tell(message: Message<FromChild>): void {
  channel.send(message);
}

function done(request: number): void {
  tell({ header: { kind: 'done', request }, arrays: [] });
}

function tellLost(code: 'GPU_LOST' | 'OUT_OF_MEMORY', reason: string, bytes: number | null): void {
  tell({ header: { kind: 'lost', code, reason, bytes }, arrays: [] });
}

/**
 * A device that fails is an outcome that a fresh process answers; everything else is the asker's to know, and so is a
 * shader that is refused (`GPU_INTERNAL`): it would be refused again.
 */
function tellFailure(request: number, error: unknown): void {
  if (isSkewflowError(error, 'DeviceError') && error.details['code'] !== 'GPU_INTERNAL') {
    const { code, bytes } = error.details;
    const reason = error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
    const known = code === 'OUT_OF_MEMORY' ? code : 'GPU_LOST';
    tellLost(known, reason, typeof bytes === 'number' ? bytes : null);
    return;
  }
  tell({ header: { kind: 'failed', request, error: reportOf(error) }, arrays: [] });
}
