/**
 * What was asked: a job file read, checked and completed. Frozen; the interior never sees `undefined`.
 */
import type { ArraySource } from '../arrays/source.ts';
import type { System } from '../kernels/system.ts';

/** A job: every formula checked, every width and row count settled, every default filled in. */
export interface Job {
  readonly name: string;
  /** SHA-256 of everything that reaches the numbers, canonical; hex. */
  readonly digest: string;
  readonly system: System;
  readonly integrate: Integrate | null;
  /** Where each named array of the job comes from (fields, pairs, params, `with` arrays). */
  readonly arrays: ReadonlyMap<string, ArraySource>;
  readonly optimize: Optimize | null;
  readonly output: Output;
  readonly shards: number;
  readonly precision: 'f32' | 'f64';
  /** Bytes the plan may use for states kept for the backward sweep (per thread); part of the job. */
  readonly memoryBytes: number;
  /** The document as given, after `--set`: what is written beside the results. */
  readonly source: JobSource;
}

interface JobSource {
  /** File the job came from; null for a job given as an object. */
  readonly path: string | null;
  /** Folder relative paths start at. */
  readonly folder: string;
  readonly text: string;
}

/** Equal steps, or steps the sources choose by a tolerance. */
export type Integrate =
  | { readonly kind: 'adaptive'; readonly abs: number; readonly rel: number }
  | { readonly kind: 'fixed'; readonly steps: number };

/** How the loss is minimised; `optimize` with its defaults. */
export interface Optimize {
  readonly over: readonly string[];
  readonly method: 'adam' | 'gd' | 'lbfgs';
  readonly iterations: number;
  readonly evaluations: number;
  readonly gradientTolerance: number;
  readonly decreaseTolerance: number;
  readonly rate: number;
  readonly memory: number;
  readonly bounds: ReadonlyMap<string, readonly [number, number]>;
  readonly fixed: ReadonlyMap<string, readonly number[]>;
}

/** What is saved beside the loss, the gradient and the values; `output` with its defaults. */
export interface Output {
  readonly final: boolean;
  readonly trajectory: boolean;
  readonly every: number;
  readonly format: 'npy' | 'zarr';
}
