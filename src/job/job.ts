/**
 * What was asked: a job file read, checked and completed. Frozen; the interior never sees `undefined`.
 */
import type { ArraySource } from '../arrays/source.ts';
import type { System } from '../kernels/system.ts';

/** A job: every formula checked, every width and row count settled, every default filled in. */
export interface Job {
  /** Names the output folder. */
  readonly name: string;
  /** SHA-256 of everything that reaches the numbers, canonical; hex. */
  readonly digest: string;
  /** Fields, flows and loss, as they are compiled. */
  readonly system: System;
  /** null: nothing evolves in time. */
  readonly integrate: Integrate | null;
  /** Where each named array of the job comes from (fields, pairs, params, `with` arrays). */
  readonly arrays: ReadonlyMap<string, ArraySource>;
  /** null: the loss is not minimised. */
  readonly optimize: Optimize | null;
  /** What is saved. */
  readonly output: Output;
  /** Parts that the tracers are cut into, as far as there are rows. */
  readonly shards: number;
  /** Of the states and the tracers’ arrays. */
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
  | {
      /** The sources choose the steps. */
      readonly kind: 'adaptive';
      /** Error of a step that is accepted, in the units of the state. */
      readonly abs: number;
      /** The same, relative to the state. */
      readonly rel: number;
    }
  | {
      /** Equal steps, cut at the times of the loss. */
      readonly kind: 'fixed';
      /** From `from` to `to`. */
      readonly steps: number;
    };

/** How the loss is minimised; `optimize` with its defaults. */
export interface Optimize {
  /** Fields of sources, sets, pairs or params. */
  readonly over: readonly string[];
  /** Its name in job files. */
  readonly method: 'adam' | 'gd' | 'lbfgs';
  /** Steps at most. */
  readonly iterations: number;
  /** Evaluations of the loss at most. */
  readonly evaluations: number;
  /** For ‖∇L‖∞. */
  readonly gradientTolerance: number;
  /** For the fall of the loss in a step, relative. */
  readonly decreaseTolerance: number;
  /** Step length of `adam` and `gd`. */
  readonly rate: number;
  /** Pairs of steps and gradient differences that `lbfgs` keeps. */
  readonly memory: number;
  /** By field: ±∞ where there is none. */
  readonly bounds: ReadonlyMap<string, readonly [number, number]>;
  /** By field: rows that do not move. */
  readonly fixed: ReadonlyMap<string, readonly number[]>;
}

/** What is saved beside the loss, the gradient and the values; `output` with its defaults. */
export interface Output {
  /** States at the end time. */
  readonly final: boolean;
  /** States at every so many steps. */
  readonly trajectory: boolean;
  /** Steps between two of them. */
  readonly every: number;
  /** Of the tracers’ arrays. */
  readonly format: 'npy' | 'zarr';
}
