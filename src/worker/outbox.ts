/**
 * In which order do a worker's results leave it? The rows of a shard are written before its answer is posted, so that an
 * accepted answer means written rows; the answers of one evaluation go out in batches, the last batch at its end.
 */
import { answersMs } from '../protocol.ts';
import type { Partial, RowData } from './engine/engine.ts';
import type { RowStore } from './rows.ts';
import type { Taker } from './workbench.ts';

/** What waits to be written and posted during one evaluation. */
export class Outbox {
  readonly #store: RowStore;
  readonly #post: Taker['post'];
  readonly #onFailure: (error: unknown) => void;
  #waiting: Partial[] = [];
  #sent = performance.now();
  /** When the work for what waits began, and when the newest of it was done. */
  #begun: number;
  #done: number;
  /** Everything handed over so far, in order. */
  #chain: Promise<void> = Promise.resolve();

  /** @param begunMs - when the evaluation began, on the clock of `performance` */
  constructor(
    store: RowStore,
    post: Taker['post'],
    onFailure: (error: unknown) => void,
    begunMs = performance.now(),
  ) {
    this.#store = store;
    this.#post = post;
    this.#begun = begunMs;
    this.#done = begunMs;
    this.#onFailure = onFailure;
  }

  /** Write rows, before anything that is handed over after them. */
  write(rows: RowData): void {
    this.next(() => this.#store.write(rows));
  }

  /** Post an answer, not before the rows written so far; the newest answer always waits for one more, or for the end. */
  put(partial: Partial): void {
    if (this.#waiting.length > 0 && performance.now() - this.#sent >= answersMs) this.#flush();
    this.#waiting.push(partial);
    this.#done = performance.now();
  }

  /** Do something after everything handed over so far. */
  next(task: () => Promise<void>): void {
    this.#chain = this.#chain.then(task);
    // `empty` meets the rejection too, at the end of the evaluation; this one stops it early.
    this.#chain.catch(this.#onFailure);
  }

  /** Everything is written and posted; rejects with the first failure. */
  async empty(): Promise<void> {
    this.#flush();
    await this.#chain;
  }

  #flush(): void {
    const batch = this.#waiting;
    const tookMs = this.#done - this.#begun;
    this.#waiting = [];
    this.#sent = performance.now();
    this.#begun = this.#done;
    if (batch.length === 0) return;
    this.next(async () => this.#store.flush?.());
    this.next(() => this.#post(batch, tookMs));
  }
}
