/**
 * How is a compute child kept at work? Carries out what `supervision.ts` decides: starts it, watches it, kills it, and says
 * to whoever asked that the question must be asked again.
 */
import { SkewflowError } from '../../errors.ts';
import { errorOf } from '../../exchange/error-report.ts';
import type { Log } from '../../log.ts';
import type { Message } from './frames.ts';
import type { FromChild, ToChild } from './messages.ts';
import { type RunningChild, startChild } from './process.ts';
import {
  absent,
  type ChildEvent,
  type ChildState,
  decide,
  type Limits,
  type Outcome,
  outcomeText,
} from './supervision.ts';

/** Rejection of a question whose process is gone and may be replaced: open, load, bind and ask again. */
export const askAgain = Symbol('ask again');

/** Longest that an evaluation may take to end once it is aborted. */
const abortMs = 10_000;

export interface Question {
  readonly message: (request: number) => Message<ToChild>;
  /** Whether its answer ends an evaluation, which gives the restarts back. */
  readonly completes?: boolean;
  /** What comes before the answer. A throw ends the question with that error. */
  readonly hear?: (message: Message<FromChild>) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface SupervisorOptions {
  /** For messages: `wasm`, or the GPU's name. */
  readonly device: string;
  /** Variables of the child beside our own: which GPU it sees. */
  readonly environment: NodeJS.ProcessEnv;
  readonly limits: Limits;
  readonly log: Log;
  /** Told when a process is to be started again, and what ended the one before. */
  readonly onRestart: (code: Outcome['code']) => void;
}

interface Asked {
  readonly request: number;
  readonly question: Question;
  readonly resolve: (answer: Message<FromChild>) => void;
  readonly reject: (reason: unknown) => void;
  /** Aborted when the question has ended, one way or another. */
  readonly over: AbortController;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  #state: ChildState = absent;
  #child: RunningChild | null = null;
  #generation = 0;
  #asked: Asked | null = null;
  #requests = 0;
  #clock: NodeJS.Timeout | null = null;
  /** Wakes those who wait for a killed process to end. */
  #gone: (() => void)[] = [];

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** Changes when a process starts and when it ends. */
  get generation(): number {
    return this.#generation;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Start a process and ask it the first question. */
  async begin(question: Question): Promise<Message<FromChild>> {
    await this.#settled();
    return this.#ask(question);
  }

  /**
   * Ask the process of this generation; one question at a time.
   *
   * Rejects with `askAgain`; with DeviceError when no restart is left; with what the child says went wrong.
   */
  async ask(generation: number, question: Question): Promise<Message<FromChild>> {
    await this.#settled();
    const { kind } = this.#state;
    if (kind !== 'failed' && (kind === 'absent' || generation !== this.#generation)) throw askAgain;
    return this.#ask(question);
  }

  /** A message that nobody answers. */
  tell(message: Message<ToChild>): void {
    this.#child?.send(message);
  }

  /** End the process; what is asked is ended with it. */
  async stop(): Promise<void> {
    const { device } = this.#options;
    this.#end((asked) => asked.reject(new SkewflowError('AbortedError', `${device} was closed`)));
    if (this.#child === null) return;
    const gone = new Promise<void>((resolve) => this.#gone.push(resolve));
    if (this.#state.kind !== 'failed') this.#state = absent;
    this.#child.kill();
    await gone;
  }

  #ask(question: Question): Promise<Message<FromChild>> {
    return new Promise((resolve, reject) => {
      this.#requests += 1;
      const request = this.#requests;
      this.#asked = { request, question, resolve, reject, over: new AbortController() };
      this.#feed({ kind: 'asked', at: performance.now(), evaluates: question.completes ?? false });
      if (this.#asked === null || this.#child === null) return;
      this.#child.hold(true);
      this.#child.send(question.message(request));
      this.#endOnAbort(this.#asked);
    });
  }

  /** An evaluation that nobody wants any more: asked to end, then made to. */
  #endOnAbort({ request, question: { signal }, over }: Asked): void {
    if (signal === undefined) return;
    const silentMs = Math.min(this.#options.limits.leastMs, abortMs);
    const abort = (): void => {
      this.tell({ header: { kind: 'abort', request }, arrays: [] });
      const hung = (): void => this.#feed({ kind: 'lost', outcome: { code: 'GPU_HUNG', silentMs } });
      const timer = setTimeout(hung, silentMs).unref();
      over.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
    };
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true, signal: over.signal });
  }

  async #settled(): Promise<void> {
    while (this.#state.kind === 'ending') await new Promise<void>((resolve) => this.#gone.push(resolve));
  }

  #start(): void {
    this.#generation += 1;
    const generation = this.#generation;
    const child = startChild(this.#options.environment, {
      message: (message) => {
        if (generation === this.#generation) this.#hear(message);
      },
      ended: (exitCode, signal) => {
        this.#options.log.debug({ pid: child.pid ?? null, said: child.said() }, 'a compute child ended');
        if (this.#child !== child) return;
        this.#child = null;
        this.#generation += 1;
        if (this.#clock !== null) clearInterval(this.#clock);
        this.#feed({ kind: 'ended', exitCode, signal });
        for (const wake of this.#gone.splice(0)) wake();
      },
    });
    this.#child = child;
    this.#options.log.debug({ pid: child.pid ?? null }, 'a compute child started');
    this.#clock = setInterval(() => this.#feed({ kind: 'checked', at: performance.now() }), this.#checkMs());
    this.#clock.unref();
  }

  #checkMs(): number {
    const { firstMs, leastMs } = this.#options.limits;
    return Math.min(1000, firstMs / 4, leastMs / 4);
  }

  #hear(message: Message<FromChild>): void {
    const { header } = message;
    if (header.kind === 'lost') {
      this.#feed({ kind: 'lost', outcome: lossOf(header) });
      return;
    }
    const asked = this.#asked;
    // What a question that was ended with an error still brings is nobody's.
    if (asked === null || header.request !== asked.request) return;
    switch (header.kind) {
      case 'fault':
      case 'partial':
      case 'progress':
      case 'rows':
        this.#feed({ kind: 'heard', at: performance.now() });
        try {
          asked.question.hear?.(message);
        } catch (error) {
          this.tell({ header: { kind: 'abort', request: asked.request }, arrays: [] });
          this.#answered(false, (by) => by.reject(error));
        }
        return;
      case 'aborted':
      case 'done':
      case 'evaluated':
      case 'opened':
        this.#answered(asked.question.completes ?? false, (by) => by.resolve(message));
        return;
      case 'failed':
        this.#answered(false, (by) => by.reject(errorOf(header.error)));
    }
  }

  #answered(complete: boolean, end: (asked: Asked) => void): void {
    this.#feed({ kind: 'answered', complete });
    this.#child?.hold(false);
    this.#end(end);
  }

  #end(end: (asked: Asked) => void): void {
    const asked = this.#asked;
    this.#asked = null;
    if (asked === null) return;
    asked.over.abort();
    end(asked);
  }

  #feed(event: ChildEvent): void {
    const { state, effects } = decide(this.#state, event, this.#options.limits);
    this.#state = state;
    for (const effect of effects) {
      switch (effect.kind) {
        case 'start':
          this.#start();
          break;
        case 'kill':
          this.#child?.kill();
          break;
        case 'redo':
          this.#warn(effect.outcome, effect.restart);
          this.#end((asked) => asked.reject(askAgain));
          break;
        case 'give-up':
          this.#end((asked) => asked.reject(this.#failure(effect.outcome)));
      }
    }
  }

  #warn(outcome: Outcome, restart: number): void {
    const { device, limits, log, onRestart } = this.#options;
    const sentence = `${outcome.code}: ${device}: ${outcomeText(outcome)}; starting it again, ${restart} of ${limits.restartsMax}`;
    log.warn({ device, code: outcome.code, restart }, sentence);
    onRestart(outcome.code);
  }

  #failure(outcome: Outcome): SkewflowError {
    const { device, limits } = this.#options;
    const bytes = outcome.code === 'OUT_OF_MEMORY' ? outcome.bytes : null;
    return new SkewflowError(
      'DeviceError',
      `${outcome.code}: ${device} was started again ${limits.restartsMax} times and failed each time; the last time ${outcomeText(outcome)}`,
      { code: outcome.code, restarts: limits.restartsMax, bytes },
    );
  }
}

function lossOf({ code, reason, bytes }: Extract<FromChild, { readonly kind: 'lost' }>): Outcome {
  return code === 'OUT_OF_MEMORY' ? { code, reason, bytes } : { code, reason };
}
