/**
 * How does a coordinator keep a run? By renewing its lease every second, which also tells it whether a user wants the run
 * to stop.
 */
import { SkewflowError } from '../../errors.ts';
import type { Charge, RunOrder } from '../register.ts';
import type { Link } from './link.ts';
import * as scripts from './register-scripts.ts';
import { textOf } from './script.ts';

const renewMs = 1000;

export interface ChargeOptions {
  readonly link: Link;
  /** The run's record, then the indexes. */
  readonly keys: readonly string[];
  readonly token: string;
  readonly order: RunOrder;
  readonly epoch: number;
  readonly resumed: boolean;
  readonly onRelease: (how: 'again' | 'over') => Promise<void>;
}

export class RedisCharge implements Charge {
  readonly order: RunOrder;
  readonly epoch: number;
  readonly resumed: boolean;
  readonly #options: ChargeOptions;
  readonly #lost = new AbortController();
  readonly #cancelled = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #renewing = false;

  constructor(options: ChargeOptions) {
    this.order = options.order;
    this.epoch = options.epoch;
    this.resumed = options.resumed;
    this.#options = options;
    this.#timer = setInterval(() => void this.#renew(), renewMs);
    void this.#renew();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  get cancelled(): AbortSignal {
    return this.#cancelled.signal;
  }

  async release(how: 'again' | 'over'): Promise<void> {
    this.stop();
    await this.#options.onRelease(how);
  }

  /** Renew no more: the lease lapses. */
  stop(): void {
    clearInterval(this.#timer);
  }

  async #renew(): Promise<void> {
    const { link, keys, token, order } = this.#options;
    if (this.#renewing || link.unreachableMs > 0) return;
    this.#renewing = true;
    try {
      const outcome = textOf(await link.run(scripts.renew, keys, [token]));
      if (outcome === 'fenced')
        this.#lose('FENCED', `run ${order.run} is carried by another coordinator now`);
      if (outcome === 'gone')
        this.#lose('STATE_LOST', `state lost, rebuilding from its checkpoint: Redis lost run ${order.run}`);
      if (outcome === 'cancel')
        this.#cancelled.abort(new SkewflowError('AbortedError', 'cancelled', { code: 'CANCELLED' }));
    } catch (error) {
      if (!link.closed) link.log.debug({ run: order.run }, `renewing: ${String(error)}`);
    } finally {
      this.#renewing = false;
    }
  }

  #lose(code: string, text: string): void {
    this.stop();
    this.#lost.abort(new SkewflowError('AbortedError', text, { code }));
  }
}
