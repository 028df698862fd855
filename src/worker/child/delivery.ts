/**
 * What has an evaluation brought so far, and what is still to be asked? Every leaf reaches the receiver once, its rows with it,
 * however many children it took.
 */
import type { Evaluation, EvaluationSink, LeafId, RowData } from '../engine/engine.ts';
import { partialOf, rowsOf } from './evaluation.ts';
import type { Message } from './frames.ts';
import type { FromChild } from './messages.ts';

export class Delivery {
  readonly #left: Set<LeafId>;
  readonly #blocksOf: (leaf: number) => number;
  readonly #sink: EvaluationSink;
  #rows = new Map<number, RowData[]>();
  /** Blocks told in all; of those, what answered leaves account for; those of a lost child that are not told twice. */
  #told = 0;
  #answered = 0;
  #twice = 0;

  constructor(leaves: readonly LeafId[], blocksOf: (leaf: number) => number, sink: EvaluationSink) {
    this.#left = new Set(leaves);
    this.#blocksOf = blocksOf;
    this.#sink = sink;
  }

  get isComplete(): boolean {
    return this.#left.size === 0;
  }

  /** The question for what has no answer yet, to a child that has done nothing of it. */
  rest(request: Evaluation): Evaluation {
    this.#rows = new Map();
    this.#twice = Math.max(0, this.#told - this.#answered);
    return { ...request, leaves: [...this.#left] };
  }

  hear({ header, arrays }: Message<FromChild>): void {
    switch (header.kind) {
      case 'rows': {
        const rows = rowsOf({ header, arrays });
        this.#rows.set(rows.shard.index, [...(this.#rows.get(rows.shard.index) ?? []), rows]);
        break;
      }
      case 'fault':
      case 'partial': {
        const partial = partialOf({ header, arrays });
        if (!this.#left.delete(partial.leaf)) break;
        if (partial.leaf !== 'sources') this.#finish(partial.leaf);
        this.#sink.partial(partial);
        break;
      }
      case 'evaluated':
      case 'progress': {
        const fresh = Math.max(0, header.blocks - this.#twice);
        this.#twice -= header.blocks - fresh;
        this.#told += fresh;
        if (fresh > 0) this.#sink.progress?.(fresh);
        break;
      }
      case 'aborted':
      case 'done':
      case 'failed':
      case 'lost':
      case 'opened':
        break;
    }
  }

  #finish(leaf: number): void {
    for (const rows of this.#rows.get(leaf) ?? []) this.#sink.rows?.(rows);
    this.#rows.delete(leaf);
    this.#answered += this.#blocksOf(leaf);
  }
}
