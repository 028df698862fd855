/**
 * What of an evaluation's numbers lies on the device from the one before? A run asks again and again for the same shards on the
 * same grid, and what it asks with differs in few fields or, when only the loss is wanted once more, in none.
 *
 * Fields and grids are known again by being the same object: an engine's arrays are not written to while its session lives
 * (`Inputs`). A process that has the device gets every field that changed as a new array.
 */
import type { Shapes } from '../../../kernels/wgsl/shapes.ts';
import type { Evaluation } from '../engine.ts';
import type { Buffers } from './gpu.ts';
import type { Image } from './image.ts';
import type { Tile } from './tiles.ts';
import { givenNumbers, type PlanWords } from './words.ts';

/** What the plan of a tile depends on; where its images lie, too. */
export interface PlanOf {
  readonly request: Evaluation;
  readonly kept: readonly number[];
  readonly shards: readonly Image[];
  readonly tile: Tile;
  /** Where the sum of each run of the tile goes. */
  readonly totals: readonly number[];
  readonly residents: ReadonlyMap<number, number>;
}

export class Uploads {
  readonly #device: GPUDevice;
  readonly #buffers: Buffers;
  #given: { readonly buffer: GPUBuffer; readonly request: Evaluation } | null = null;
  #plan: { readonly buffer: GPUBuffer; readonly of: PlanOf; readonly words: PlanWords } | null = null;

  constructor(device: GPUDevice, buffers: Buffers) {
    this.#device = device;
    this.#buffers = buffers;
  }

  /** Puts into `given` what a request brings, unless it lies there. */
  given(shapes: Shapes, request: Evaluation): void {
    const there = this.#given;
    if (there !== null && there.buffer === this.#buffers.find('given') && asksAlike(there.request, request))
      return;
    const numbers = givenNumbers(shapes, request);
    const buffer = this.#buffers.reserve('given', numbers.byteLength);
    this.#device.queue.writeBuffer(buffer, 0, numbers);
    this.#given = { buffer, request };
  }

  /** The plan of a tile, which lies in `plan` from here on: made, unless the last one was of the same. */
  plan(of: PlanOf, make: () => PlanWords): PlanWords {
    const there = this.#plan;
    if (there !== null && there.buffer === this.#buffers.find('plan') && samePlan(there.of, of)) {
      return there.words;
    }
    const words = make();
    this.forgetPlan();
    const buffer = this.#buffers.reserve('plan', words.words.byteLength);
    this.#device.queue.writeBuffer(buffer, 0, words.words);
    this.#plan = { buffer, of, words };
    return words;
  }

  /** Something else is written into `plan`. */
  forgetPlan(): void {
    this.#plan = null;
  }
}

/** Whether `given` is the same for both. */
function asksAlike(a: Evaluation, b: Evaluation): boolean {
  const [before, now] = [a.inputs, b.inputs];
  if (before.grid !== now.grid || a.sums !== null || b.sums !== null) return false;
  if (before.fields.size !== now.fields.size) return false;
  return [...now.fields].every(([name, values]) => before.fields.get(name) === values);
}

/** Whether the words of both plans are the same, and lie with the same images. Seeds are other numbers each time. */
function samePlan(a: PlanOf, b: PlanOf): boolean {
  if (a.request.inputs.grid !== b.request.inputs.grid || a.request.seeds !== null || b.request.seeds !== null)
    return false;
  // Images that do not stay on the device are written for each tile.
  if (a.residents !== b.residents || b.residents.size === 0) return false;
  const items = [
    [a.kept, b.kept],
    [a.shards, b.shards],
    [a.totals, b.totals],
  ] as const;
  return items.every(([x, y]) => sameItems(x, y)) && sameTile(a.tile, b.tile);
}

const sameItems = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((item, n) => item === b[n]);

const sameTile = (a: Tile, b: Tile): boolean =>
  a.length === b.length &&
  a.every((run, n) => {
    const other = b[n];
    return run.shard === other?.shard && run.first === other.first && run.count === other.count;
  });
