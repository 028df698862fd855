/**
 * What the main thread and the computing threads say to each other. Everything large lies in shared memory.
 */
import type { MemoryMap } from '../../../kernels/wasm/memory-map.ts';
import type { SweepPlan } from '../../../kernels/wasm/sweep-plan.ts';
import type { ShardRange } from '../../../partition/plan.ts';
import type { LeafId, NonFinite, Partial } from '../engine.ts';

export type ToThread =
  | { readonly kind: 'evaluate'; readonly session: number; readonly task: Task }
  | {
      readonly kind: 'load';
      readonly session: number;
      readonly module: WebAssembly.Module;
      readonly plan: SweepPlan;
    }
  /** The memory of the evaluations to come. */
  | { readonly kind: 'memory'; readonly session: number; readonly memory: WebAssembly.Memory }
  | { readonly kind: 'unload'; readonly session: number };

export type FromThread =
  | { readonly kind: 'done'; readonly visited: readonly Visited[] }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'leaf'; readonly leaf: number; readonly partial: Partial }
  | { readonly kind: 'progress'; readonly blocks: number };

/** Rows visited by a row function in one evaluation. */
export interface Visited {
  readonly name: string;
  readonly rows: number;
}

/** One evaluation, as a thread is told it. */
export interface Task {
  readonly map: MemoryMap;
  /** Which of the threads this is, and how many there are. */
  readonly thread: number;
  readonly threads: number;
  readonly control: SharedArrayBuffer;
  readonly steps: number;
  readonly segmentSteps: number;
  readonly want: 'gradient' | 'sums';
  readonly phases: 1 | 2;
  readonly leaves: readonly LeafTask[];
  /** Triples (leaf, first block, blocks): the units, in the order they are taken. */
  readonly units: Int32Array;
  /** How each entry of S is reduced: 0 by sum, 1 by min, 2 by max. */
  readonly reductions: Uint8Array;
  /** Grid points of each term, in the order of their records. */
  readonly points: readonly Int32Array[];
  /** Entries of S of each term. */
  readonly sumsOf: readonly Int32Array[];
  /** Whether threads share the sweeps over the sources. */
  readonly together: boolean;
  /** Whether every leaf keeps its partial until the shared backward sweeps. */
  readonly keepsPartials: boolean;
  /** Whether partials hold Γ and gradients. */
  readonly backward: boolean;
  /** Moment label ↦ grid point. */
  readonly moments: Readonly<Record<string, number>>;
  /** Grid points whose states are kept for terms with moments, ascending. */
  readonly kept: Int32Array;
  /** Grid points whose states are wanted as output, ascending. */
  readonly trajectory: Int32Array;
  readonly gradient: readonly GradientPiece[];
  readonly gradientLength: number;
  readonly wantsFinal: boolean;
}

export interface LeafTask {
  readonly id: LeafId;
  /** Its partial in `map.units` where sweeps are shared; −1: none of its own. */
  readonly partial: number;
  /** null: the sources leaf. */
  readonly shard: ShardTask | null;
}

export interface ShardTask {
  readonly range: ShardRange;
  /** Blocks of rows as planes, in the lane's scalar: [block][component][256]. */
  readonly image: SharedArrayBuffer;
  readonly blocks: number;
  readonly units: number;
  /** First of the shard's partials in `map.units`, the root's at last; −1: one unit, which stays with its thread. */
  readonly firstPartial: number;
  /** First of its counters in the control record (one a pair of nodes, level after level). */
  readonly firstCounter: number;
  /** Place of its failure record. */
  readonly failure: number;
  readonly outputs: readonly OutputTask[];
}

/** N-sized output of a shard: rows × width in the lane's scalar (a trajectory: times × rows × width). */
export interface OutputTask {
  readonly kind: 'final' | 'gradient' | 'trajectory' | 'values';
  readonly field: string;
  readonly width: number;
  /** Where the values come from: first component of the state, the constants or a value's bank. */
  readonly from: 'constant' | 'state' | 'value';
  readonly offset: number;
  readonly data: SharedArrayBuffer;
}

/** Where a slot of the gradient comes from. */
export interface GradientPiece {
  readonly kind: 'constant' | 'pairs' | 'params' | 'set' | 'state';
  readonly offset: number;
  readonly rows: number;
  readonly width: number;
  /** First component within the row; for pairs the number of the field. */
  readonly from: number;
  /** For a set: f64 offset within the tail. */
  readonly start: number;
  /** Components of a row where the values come from. */
  readonly columns: number;
}

/** i32s at the head of the control record. */
export const controlWords = {
  nextUnit: 0,
  aborted: 1,
  sources: 2,
  lock: 3,
  /** Threads that found no more units; whether the shared sweeps follow. */
  idle: 4,
  sweeps: 5,
  counters: 16,
} as const;

/** States of the shared sweeps. */
export const sweepsState = { undecided: 0, follow: 1, dropped: 2 } as const;

/** States of the sources' forward sweep. */
export const sourcesState = { waiting: 0, running: 1, done: 2, failed: 3 } as const;

/** f64s of a failure record: whether there is one, what (index), step, row. */
export const failureDoubles = 4;
export const failureKinds = ['state', 'loss', 'gradient'] as const satisfies readonly NonFinite['what'][];
