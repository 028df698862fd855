/**
 * A row function settled for code generation: scalars in static single assignment, loops in order.
 *
 * Everything is decided here and printed later: which reductions share a loop, which value is computed where,
 * what is read from which bank or table and what is added to which. `wasm/` and `wgsl/` only print.
 *
 * Memory as every kernel sees it:
 *   bank    own values, one plane a component:     value c of row r at bank[c · stride + r]
 *   table   rows of the sources or a set:          value c of row l at table[l · columns + c]
 *   pairs   M × M × d weights, row-major:          component c of W[own, bound] at pairs[(own · M + bound) · d + c]
 *   params  one scalar a component, in the order of `Layout.params`
 */
import type { OpName } from '../ops/table.ts';
import type { Leaf, Loop, Moment, ReduceBy } from './expr.ts';

/** Index into `Kernel.values`; an operand's index is always below its user's. */
export type ValueId = number;

export interface Kernel {
  readonly name: string;
  /** Banks read, by name (own `state`, `constant`, `state@start`, `cotangent:…`), each with its component count. */
  readonly banks: readonly Bank[];
  /** Tables read. */
  readonly tables: readonly Table[];
  /** Pair fields read. */
  readonly pairs: readonly PairTable[];
  readonly values: readonly Value[];
  /** What is done for each row, in order. */
  readonly steps: readonly Step[];
  /** Values stored to planes at the end of a row: outputs[b].values[c] goes to plane c of that bank. */
  readonly planes: readonly { readonly bank: string; readonly values: readonly ValueId[] }[];
  /** Values added over the rows of a block, by component of `params` or of the sums. */
  readonly rowSums: readonly {
    readonly target: 'params' | 'sums';
    readonly component: number;
    readonly value: ValueId;
  }[];
}

export interface Bank {
  readonly name: string;
  readonly components: number;
}

export interface Table {
  readonly name: string;
  /** 'sources' or a set: whose rows these are. */
  readonly over: string;
  readonly columns: number;
}

export interface PairTable {
  readonly field: string;
  readonly components: number;
}

export type Value = {
  /** Number of loops this value stands inside: 0 at the row's top level. */
  readonly depth: number;
  /** Whether it differs between own rows. A value that does not is computed once for all lanes (and, at depth 0, once a call). */
  readonly varies: boolean;
} & (
  | { readonly kind: 'accumulated'; readonly loop: number; readonly accumulator: number }
  | { readonly kind: 'apply'; readonly op: OpName; readonly args: readonly ValueId[] }
  | { readonly kind: 'constant'; readonly value: number }
  /** The own row's number (loop null) or the bound row's. */
  | { readonly kind: 'index'; readonly loop: number | null }
  | { readonly kind: 'own'; readonly bank: number; readonly component: number }
  | { readonly kind: 'pair'; readonly pair: number; readonly component: number; readonly loop: number }
  | { readonly kind: 'param'; readonly component: number }
  | { readonly kind: 'row'; readonly table: number; readonly column: number; readonly loop: number }
  | { readonly kind: 'sum'; readonly index: number }
  | { readonly kind: 'time' }
);

export type Step = ComputeStep | LoopStep;

/** Compute one value (constants, params and time included, so that a printer meets every value once). */
export interface ComputeStep {
  readonly kind: 'compute';
  readonly value: ValueId;
}

export interface LoopStep {
  readonly kind: 'loop';
  /** Number of this loop in the kernel; `accumulated`, `row` and `index` values name it. */
  readonly id: number;
  readonly loop: Loop;
  readonly steps: readonly Step[];
  readonly accumulators: readonly Accumulator[];
  readonly scatters: readonly KernelScatter[];
}

export interface Accumulator {
  readonly by: ReduceBy;
  readonly value: ValueId;
  /** Counted only where this value ≠ 0. */
  readonly where: ValueId | null;
}

/** `value` is added to column `column` of the row of loop `loop` in the gradient of that table, or to W̄[own, bound]. */
export interface KernelScatter {
  readonly target:
    | { readonly kind: 'pair'; readonly pair: number; readonly component: number; readonly loop: number }
    | { readonly kind: 'row'; readonly table: number; readonly column: number; readonly loop: number };
  readonly value: ValueId;
  readonly where: ValueId | null;
}

/** Where each leaf lives: what lowering a row function to a kernel needs to know of the program. */
export interface Layout {
  /** The own row's field: its bank and first component. */
  readonly own: (
    field: string,
    at: Moment,
  ) => { readonly bank: string; readonly component: number; readonly components: number };
  /** A bound row's field: its table, first column and the table's column count. */
  readonly row: (
    over: string,
    field: string,
    at: Moment,
  ) => { readonly table: string; readonly column: number; readonly columns: number };
  /** First component of a parameter in `params`. */
  readonly param: (field: string) => number;
  /** Component count of a pair field. */
  readonly pair: (field: string) => number;
  /** The bank and component count of a cotangent. */
  readonly cotangent: (name: string) => { readonly bank: string; readonly components: number };
}

export type LeafOf<R extends Leaf['role']> = Extract<Leaf, { role: R }>;
