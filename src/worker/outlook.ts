/**
 * What does a worker see of its run while it computes? The newest view, kept up to date beside the work.
 */
import type { RunView, Seat } from '../exchange/exchange.ts';
import type { Iteration } from '../protocol.ts';

/** Why an evaluation stops that nobody wants any more. */
export const superseded = Symbol('superseded');

/** The run of a seat as it stands. */
export class Outlook implements AsyncDisposable {
  /** The newest; never older than one that was seen. */
  view: RunView;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #looking: Promise<void>;
  readonly #waiting = new Set<() => void>();
  readonly #evaluations = new Map<AbortController, Iteration>();
  #failure: { readonly error: unknown } | null = null;

  private constructor(seat: Seat, view: RunView, signal: AbortSignal) {
    this.view = view;
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
    this.#looking = this.#look(seat);
  }

  static async of(seat: Seat, signal: AbortSignal): Promise<Outlook> {
    return new Outlook(seat, await seat.watch(-1, signal), signal);
  }

  /** Resolves when there is another view than this one, or when `wake` aborts; rejects when the run cannot be seen. */
  async after(view: RunView, wake: AbortSignal): Promise<void> {
    while (this.#failure === null && this.view === view && !wake.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#waiting.delete(done);
          wake.removeEventListener('abort', done);
          resolve();
        };
        this.#waiting.add(done);
        wake.addEventListener('abort', done);
      });
    }
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** A signal that aborts with `superseded` as soon as this iteration is not what is asked. */
  asked(iteration: Iteration): Disposable & { readonly signal: AbortSignal } {
    const controller = new AbortController();
    this.#evaluations.set(controller, iteration);
    this.#abortSuperseded();
    return { signal: controller.signal, [Symbol.dispose]: () => void this.#evaluations.delete(controller) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#looking;
  }

  async #look(seat: Seat): Promise<void> {
    try {
      while (!this.#signal.aborted) {
        this.view = await seat.watch(this.view.stamp, this.#signal);
        this.#abortSuperseded();
        this.#wake();
      }
      this.#signal.throwIfAborted();
    } catch (error) {
      this.#failure = { error };
      if (!this.#stop.signal.aborted) {
        for (const controller of this.#evaluations.keys()) controller.abort(error);
      }
      this.#wake();
    }
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  #abortSuperseded(): void {
    for (const [controller, iteration] of this.#evaluations) {
      if (!isAsked(iteration, this.view)) controller.abort(superseded);
    }
  }
}

/** Whether a view still asks for this iteration, of this seat. */
function isAsked(iteration: Iteration, { end, dismissed, iteration: current }: RunView): boolean {
  return end === null && dismissed === null && current !== null && keyOf(current) === keyOf(iteration);
}

/** One phase of one iteration. */
export function keyOf({ number, phase, parameterDigest }: Iteration): string {
  return `${number} ${phase} ${parameterDigest}`;
}
