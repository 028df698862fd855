/**
 * How does one learn that something changed without asking all the time? One connection waits on all streams of interest.
 *
 * Hints may be lost: whoever listens also looks every `pollMs`.
 */
import { blockMs, type Link } from './link.ts';
import { listOf, type Reply, textOf } from './script.ts';

/** How long a lost hint costs at most, in milliseconds. */
export const pollMs = 400;

/** Pause after a hint, in milliseconds: of five hundred workers that answer at once, not each is worth a look of its own. */
const burstMs = 1;

interface Subscription {
  /** Last entry seen; a stream is short, and old entries are one hint too many. */
  last: string;
  readonly listeners: Set<() => void>;
}

export class Hints {
  readonly #link: Link;
  readonly #nudge: string;
  readonly #subscriptions = new Map<string, Subscription>();
  #running = false;

  constructor(link: Link) {
    this.#link = link;
    this.#nudge = link.keys.nudge(link.id);
  }

  /**
   * Call `listener` after each hint on the stream, until the function returned is called.
   *
   * @param from - the entry after which hints are of interest
   */
  listen(stream: string, listener: () => void, from = '0-0'): () => void {
    let subscription = this.#subscriptions.get(stream);
    if (subscription === undefined) {
      subscription = { last: from, listeners: new Set() };
      this.#subscriptions.set(stream, subscription);
      this.#start();
    }
    const { listeners } = subscription;
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#subscriptions.delete(stream);
    };
  }

  /** Begin to wait, or wait anew with the stream just added. */
  #start(): void {
    if (!this.#running) {
      this.#running = true;
      void this.#loop();
      return;
    }
    const nudged = this.#link.call('XADD', this.#nudge, 'MAXLEN', 1, '*', 'k', '');
    nudged.then(
      () => this.#link.call('PEXPIRE', this.#nudge, 10 * blockMs).catch(() => {}),
      () => {}, // the wait ends by itself within `blockMs`
    );
  }

  async #loop(): Promise<void> {
    const own: Subscription = { last: '0-0', listeners: new Set() };
    while (this.#subscriptions.size > 0 && !this.#link.closed) {
      const asked = new Map([[this.#nudge, own], ...this.#subscriptions]);
      try {
        const ids = [...asked.values()].map(({ last }) => last);
        const read = ['COUNT', 64, 'BLOCK', blockMs, 'STREAMS', ...asked.keys(), ...ids];
        const reply = await this.#link.within(
          this.#link.waiting.callBuffer('XREAD', ...read) as Promise<Reply>,
          Number.POSITIVE_INFINITY, // the watchdog sees to it
        );
        if (reply === null) continue;
        this.#tell(asked, listOf(reply));
        await new Promise((resolve) => setTimeout(resolve, burstMs));
      } catch (error) {
        if (this.#link.closed) break;
        this.#link.log.debug({}, `waiting for hints: ${String(error)}`);
        await new Promise((resolve) => setTimeout(resolve, pollMs));
      }
    }
    this.#running = false;
    if (this.#subscriptions.size > 0 && !this.#link.closed) this.#start();
  }

  #tell(asked: ReadonlyMap<string, Subscription>, reply: readonly Reply[]): void {
    for (const entry of reply) {
      const [stream, entries] = listOf(entry);
      const subscription = asked.get(textOf(stream));
      const newest = listOf(entries).at(-1);
      if (subscription === undefined || newest === undefined) continue;
      subscription.last = textOf(listOf(newest)[0]);
      for (const listener of subscription.listeners) listener();
    }
  }
}
