/** A program on the WebGPU engine: shards bound to it, resident on the device where they fit. */
import { blockRows } from '../../../kernels/block.ts';
import type { Evaluation, EvaluationPlan, EvaluationSink, Session } from '../engine.ts';
import { evaluate } from './evaluation.ts';
import { makeBindGroups, makeBuffers, makeRecorder, type Pace } from './gpu.ts';
import { type Image, makeImage } from './image.ts';
import type { Loaded } from './loaded.ts';
import type { Reports } from './reports.ts';
import { Uploads } from './uploads.ts';

export interface SessionParts {
  readonly device: GPUDevice;
  readonly loaded: Loaded;
  readonly plan: EvaluationPlan;
  /** What the session may take on the device. */
  readonly memoryBytes: number;
  /** Told of bytes taken on the device, or given back. */
  readonly allocated: (bytes: number) => void;
  /** Learnt from what the device has done. */
  readonly pace: Pace;
  readonly reports: Reports;
  /** Runs one piece of work of the engine after another. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
}

export function makeSession({
  device,
  loaded,
  plan,
  memoryBytes,
  allocated,
  pace,
  reports,
  inTurn,
}: SessionParts): Session {
  const buffers = makeBuffers(device, allocated);
  const groups = makeBindGroups(device);
  const uploads = new Uploads(device, buffers);
  const shards = new Map<number, Image>();
  /** First block of each shard in the image on the device; null: to be seen to. */
  let residents: ReadonlyMap<number, number> | null = null;

  const run = async (request: Evaluation, sink: EvaluationSink, signal?: AbortSignal): Promise<void> => {
    signal?.throwIfAborted();
    residents ??= settleImages();
    const recorder = makeRecorder(device, buffers, groups, pace, reports, () => {
      signal?.throwIfAborted();
      // A sweep of the sources counts no block, and is a sign of life all the same.
      sink.progress?.(0);
    });
    await evaluate(
      {
        device,
        loaded,
        buffers,
        recorder,
        uploads,
        reports,
        shards,
        segmentSteps: plan.segmentSteps,
        budgetBytes: memoryBytes,
        residents,
      },
      request,
      sink,
    );
    signal?.throwIfAborted();
  };

  /** Puts all images on the device, when they take at most half of what it may hold. */
  const settleImages = (): ReadonlyMap<number, number> => {
    const blockBytes = 4 * blockRows * loaded.emitted.shapes.imageComponents;
    const total = [...shards.values()].reduce((n, s) => n + s.blocks, 0) * blockBytes;
    const { maxStorageBufferBindingSize, maxBufferSize } = device.limits;
    if (total > Math.min(maxStorageBufferBindingSize, maxBufferSize, memoryBytes / 2)) return new Map();
    const places = new Map<number, number>();
    const image = buffers.reserve('image', total);
    let next = 0;
    for (const [shard, { blocks, data }] of shards) {
      places.set(shard, next);
      if (blockBytes > 0) device.queue.writeBuffer(image, next * blockBytes, data);
      next += blocks;
    }
    return places;
  };

  return {
    bind: async (range, rows) => {
      shards.set(range.index, makeImage(loaded.emitted.shapes, range, rows));
      residents = null;
    },
    release: async (shard) => {
      shards.delete(shard);
      residents = null;
    },
    evaluate: (request, sink, signal) => inTurn(() => run(request, sink, signal)),
    counters: loaded.counters,
    [Symbol.asyncDispose]: () =>
      inTurn(async () => {
        buffers.destroy();
        shards.clear();
      }),
  };
}
