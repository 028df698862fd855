/**
 * Which runs did we promise to carry? Each accepted order under the root, on the disk before anybody is told `accepted`, so
 * that neither a coordinator nor a Redis that forgets everything can lose it.
 */

import { z } from 'zod';
import { SkewflowError } from '../errors.ts';
import { RunOrder, type RunStanding, runIdOf } from '../exchange/register.ts';
import { ErrorReport, type RunId } from '../protocol.ts';
import { unpackInputs } from '../storage/inputs.ts';
import { runKeys } from '../storage/keys.ts';
import type { Root } from '../storage/root.ts';

/** How a run ended, beside its results. */
export const EndFile = z.strictObject({
  state: z.enum(['done', 'failed', 'cancelled']),
  error: ErrorReport.nullable(),
  /** Wall time, milliseconds since 1970. */
  endedAt: z.int(),
});
export type EndFile = z.infer<typeof EndFile>;

export class Spool {
  readonly #root: Root;

  constructor(root: Root) {
    this.#root = root;
  }

  /**
   * Keep an order with the arrays that came with it. What an attempt that failed or was cancelled left is removed; what one
   * that goes on left stays.
   *
   * @param inputs - as they were sent; null: none were, or they lie in the root already
   * @returns how the run ended before, if it did: `done`, and there is nothing to do
   * @throws ProtocolError for an id that is not that of the job; InputError for damaged inputs; OutOfReachError
   */
  async accept(order: RunOrder, inputs: Uint8Array | null): Promise<EndFile | null> {
    if (order.run !== runIdOf(order.jobDigest, order.key))
      throw new SkewflowError('ProtocolError', `run ${order.run}: the id is not that of its job and key`);
    const keys = runKeys(order.run);
    const end = await this.end(order.run);
    if (end?.state === 'done' && (await this.#root.has(keys.resultFile))) return end;
    if (end !== null) await this.#root.remove(keys.all);
    for (const [key, bytes] of inputs === null ? [] : unpackInputs(inputs)) {
      if (!(await this.#root.has(key))) await this.#root.write(key, bytes);
    }
    await this.#root.write(keys.order, JSON.stringify(order));
    await this.#root.write(keys.spool, '');
    return null;
  }

  /** The run is over: it is remembered how, and what only its going on needed is removed. */
  async close(
    run: RunId,
    state: Extract<RunStanding, EndFile['state']>,
    error: ErrorReport | null,
  ): Promise<void> {
    const keys = runKeys(run);
    const end: EndFile = { state, error, endedAt: Date.now() };
    await this.#root.write(keys.end, JSON.stringify(end));
    for (const key of [keys.checkpoints, keys.rows, keys.rowsRead]) await this.#root.remove(key);
  }

  /** Whoever wanted the run has been told how it ended: nothing is promised any more. */
  async forget(run: RunId): Promise<void> {
    await this.#root.remove(runKeys(run).spool);
  }

  /** Orders of runs that were accepted, and whose end nobody was told yet. */
  async open(): Promise<readonly RunOrder[]> {
    const orders: RunOrder[] = [];
    for (const run of await this.#root.names('spool')) {
      const order = await this.order(run as RunId);
      if (order !== null) orders.push(order);
    }
    return orders;
  }

  /** An order that was accepted; null where there is none, or none that can be read. */
  async order(run: RunId): Promise<RunOrder | null> {
    return this.#parsed(runKeys(run).order, RunOrder);
  }

  async end(run: RunId): Promise<EndFile | null> {
    return this.#parsed(runKeys(run).end, EndFile);
  }

  async #parsed<S extends z.ZodType>(key: string, schema: S): Promise<z.infer<S> | null> {
    const bytes = await this.#root.read(key);
    if (bytes === null) return null;
    try {
      return schema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    } catch {
      return null;
    }
  }
}
