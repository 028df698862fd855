/**
 * What an engine is: a device that holds shards' rows and answers evaluations of a program. One interface for the
 * reference evaluator, WASM and WebGPU; one conformance suite runs against all of them.
 *
 * A partial is a pure function of (program, shard, inputs, seeds): evaluating again gives the same bits, whatever
 * the thread count, the tile or what else the engine holds.
 */
import type { Grid, Program } from '../../kernels/sweep/program.ts';
import type { ShardRange } from '../../partition/plan.ts';

/** What can compute. */
export type EngineName = 'reference' | 'wasm' | 'webgpu';
/** IEEE 754 binary32 or binary64. */
export type Precision = 'f32' | 'f64';
export type Reals = Float32Array | Float64Array;

export interface Engine extends AsyncDisposable {
  readonly name: EngineName;
  readonly precision: Precision;
  /** Engines with equal numerics classes give equal bits for equal jobs, e.g. `wasm/f32/fma`. */
  readonly numerics: string;
  /** Compile a program for this device. `bytesMax` is the plan's memory budget. */
  readonly load: (program: Program, plan: EvaluationPlan) => Promise<Session>;
}

/** What the job decides about evaluation and no device may: these choices reach the bits. */
export interface EvaluationPlan {
  readonly precision: Precision;
  /** Steps whose stage states are held at once in the backward sweep; ≥ T: everything is held, nothing recomputed. */
  readonly segmentSteps: number;
  /** Worker threads; never reaches the bits. */
  readonly threads: number;
}

/** A program on a device, with the shards bound to it. */
export interface Session extends AsyncDisposable {
  /**
   * Make the rows of a shard resident: every tracer field (and tracer `with` array) by name, row-major, rows [begin, end).
   * A sliced `with` array is slice after slice, each of these rows; the same holds for source `with` arrays in `Inputs`.
   */
  readonly bind: (shard: ShardRange, rows: ReadonlyMap<string, Reals>) => Promise<void>;
  readonly release: (shard: number) => Promise<void>;
  /** Evaluate leaves of the tree; results come in any order, each exactly once. Rejects with EngineError only. */
  readonly evaluate: (request: Evaluation, sink: EvaluationSink, signal?: AbortSignal) => Promise<void>;
  readonly counters: () => Counters;
}

/** A leaf of the tree: a shard, or the coordinator's own (sources and direct seeds, no tracers). */
export type LeafId = number | 'sources';

export interface Evaluation {
  readonly inputs: Inputs;
  readonly leaves: readonly LeafId[];
  /**
   * sums      forward only: the vector S (and, when nothing else follows, the loss)
   * gradient  forward and backward; in a two-phase program `seeds` (and, for the sources leaf, `sums`) must be given
   *
   * A two-phase run asks three times: `sums` of the shards; `sums` of the sources leaf with `sums` given, which answers
   * the loss and the seeds; `gradient` of shards and sources leaf with both given.
   */
  readonly want: 'gradient' | 'sums';
  /**
   * ∂h/∂S, one number for each entry of S (1 for linear terms), and for entries reduced by min or max the winning
   * global row. null: a one-phase program.
   */
  readonly seeds: { readonly values: Float64Array; readonly winners: Float64Array } | null;
  /** The vector S itself: needed by the `sources` leaf of a two-phase program. */
  readonly sums: Float64Array | null;
  /** N-sized results wanted from shards. */
  readonly rows: RowOutputs;
}

export interface RowOutputs {
  /** dL/d(field) for these tracer fields. */
  readonly gradient: readonly string[];
  readonly final: boolean;
  /** Grid points whose states are wanted, ascending; empty: no trajectory. */
  readonly trajectory: readonly number[];
  readonly values: boolean;
}

/**
 * What every leaf is given: O(M) numbers. Fields by name, row-major; θ, Y0, sets, pairs, source `with` arrays. Nobody writes to an
 * array that a session has been given: an engine may know it again.
 */
export interface Inputs {
  readonly grid: Grid;
  readonly fields: ReadonlyMap<string, Float64Array>;
}

export interface EvaluationSink {
  readonly partial: (partial: Partial) => void;
  /** N-sized output, all of a shard's before its partial; the array is the receiver's to keep: `kind` as in the output folder; for a trajectory `data` is times × rows × width. */
  readonly rows?: (output: RowData) => void;
  /** Blocks done since the last call, for progress. */
  readonly progress?: (blocks: number) => void;
}

export interface RowData {
  readonly kind: 'final' | 'gradient' | 'trajectory' | 'values';
  readonly field: string;
  readonly shard: ShardRange;
  readonly width: number;
  readonly data: Reals;
}

export type Partial =
  | {
      readonly kind: 'partial';
      readonly leaf: LeafId;
      /** S of this leaf. Linear entries are losses already; the sources leaf puts the scalar parts in `loss`. */
      readonly sums: Float64Array;
      /** For entries reduced by min or max: the lowest global row attaining it; −1 elsewhere. */
      readonly winners: Float64Array;
      /** What this leaf adds to L outside S (scalar parts); 0 for a shard. */
      readonly loss: number;
      /** In the order of `program.layout.gradient`; empty when only sums were wanted. */
      readonly gradient: Float64Array;
      /** For the sources leaf of a two-phase program in phase `sums`: empty; seeds come from `seeds` below. */
      readonly seeds: Float64Array | null;
      /**
       * Sources leaf only, when `rows.final` or `rows.trajectory` ask for states: one M × e block (row-major, evolving
       * fields in state order) at the end time, then one at each of `rows.trajectory`. Otherwise null.
       */
      readonly sourceStates: Float64Array | null;
    }
  | NonFinite;

/** The first place where a trajectory, a term or a gradient stopped being finite. */
export interface NonFinite {
  readonly kind: 'non-finite';
  readonly leaf: LeafId;
  readonly group: 'sources' | 'tracers';
  readonly what: 'gradient' | 'loss' | 'state';
  /** Global row, grid step. */
  readonly row: number;
  readonly step: number;
}

/** Work done since the session began; `explain` predicts these numbers. */
export interface Counters {
  /** Own row × bound row visits, by row function name. */
  readonly pairs: ReadonlyMap<string, number>;
  /** Rows visited, by row function name. */
  readonly rows: ReadonlyMap<string, number>;
}
