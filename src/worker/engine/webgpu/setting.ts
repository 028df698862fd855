/** What is settled before an evaluation runs: steps held, points kept, and the words that all its dispatches share. */
import { SkewflowError } from '../../../errors.ts';
import type { JobWords } from '../../../kernels/wgsl/shader.ts';
import { gammaLength } from '../../../kernels/wgsl/shapes.ts';
import { outSums } from '../../../kernels/wgsl/term-rows.ts';
import type { Evaluation } from '../engine.ts';
import type { Buffers, Recorder } from './gpu.ts';
import type { Image } from './image.ts';
import type { Loaded } from './loaded.ts';
import type { Reports } from './reports.ts';
import type { Uploads } from './uploads.ts';
import { bitsOf, gridOffset, keptPoints } from './words.ts';

export interface EvaluationParts {
  readonly device: GPUDevice;
  readonly loaded: Loaded;
  readonly buffers: Buffers;
  readonly recorder: Recorder;
  readonly uploads: Uploads;
  readonly reports: Reports;
  readonly shards: ReadonlyMap<number, Image>;
  readonly segmentSteps: number;
  readonly budgetBytes: number;
  /** Image blocks that are on the device already, and where; empty when they do not fit. */
  readonly residents: ReadonlyMap<number, number>;
}

/** What is settled before anything runs. */
export interface Setting {
  readonly request: Evaluation;
  readonly gradient: boolean;
  readonly steps: number;
  /** Steps held at once. */
  readonly segment: number;
  readonly kept: readonly number[];
  readonly words: JobWords;
  /** Numbers of a partial, words a workgroup leaves. */
  readonly partial: number;
  readonly outWords: number;
}

export function settle({ loaded, segmentSteps }: EvaluationParts, request: Evaluation): Setting {
  const { program, emitted } = loaded;
  const { shapes } = emitted;
  const { grid } = request.inputs;
  const steps = grid.times.length - 1;
  const gradient = request.want === 'gradient' && program.wants.any;
  const segment = Math.max(1, Math.min(segmentSteps, steps));
  const starts =
    gradient && segment < steps
      ? Array.from({ length: Math.ceil(steps / segment) - 1 }, (_, n) => (n + 1) * segment)
      : [];
  const hasShards = request.leaves.some((l) => l !== 'sources');
  const kept = hasShards
    ? keptPoints(program, grid, [
        ...starts,
        ...request.rows.trajectory,
        ...(request.rows.final ? [steps] : []),
      ])
    : [];
  const gamma = gammaLength(shapes, steps);
  const partial = program.wants.any ? Math.max(1, gamma + shapes.tail.length) : 1;
  const outWords = outSums(shapes) + 2 * grid.sums;
  return {
    request,
    gradient,
    steps,
    segment,
    kept,
    partial,
    outWords,
    words: {
      points: kept.length,
      partial,
      tail: gamma,
      out_words: outWords,
      sums: grid.sums,
      params: shapes.paramComponents,
      stages: shapes.stages,
      grid: gridOffset(shapes, grid),
      steps,
      at_time: bitsOf(grid.times[steps] ?? 0),
    },
  };
}

export function imageOf({ shards }: EvaluationParts, leaf: number): Image {
  const image = shards.get(leaf);
  if (image === undefined) {
    throw new SkewflowError(
      'ProtocolError',
      `shard ${leaf} is not bound: it is bound before it is evaluated`,
    );
  }
  return image;
}
