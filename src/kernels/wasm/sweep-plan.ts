/**
 * What the host of an emitted program must know to run it: contexts, work areas and terms. Plain data, sent to threads.
 */
import type { ContextPlan } from './context.ts';
import type { Shapes } from './shapes.ts';

export interface SweepPlan {
  readonly shapes: Shapes;
  /** What the kernels read at `constants`. */
  readonly constants: Uint8Array<ArrayBuffer>;
  /** Null: no tracers. The context of the tracers' sweeps, terms and values. */
  readonly tracers: GroupPlan | null;
  /** Null: nothing of the sources evolves. */
  readonly sources: GroupPlan | null;
  /** Context of the scalar parts; null when no term has one. */
  readonly scalars: GroupPlan | null;
  /** Parallel to `program.terms`. */
  readonly terms: readonly TermPlan[];
  /** Planes of the values, in order; null when there are none. */
  readonly values: readonly { readonly name: string; readonly width: number }[] | null;
  /** Whether a backward sweep exists. */
  readonly backward: boolean;
}

export interface GroupPlan {
  readonly context: ContextPlan;
  /** Banks besides the stored states: byte offsets within the work area. */
  readonly work: WorkPlan;
  /** Whether its backward sweep writes Γ at every slot of every step, so that only Γ at t_T begins as zeros. */
  readonly writesGamma: boolean;
}

/** Named banks one after another, each a number of planes `stride` bytes apart or of 16-byte vectors. */
export interface WorkPlan {
  readonly bytes: number;
  readonly banks: Readonly<Record<string, WorkBank>>;
}

export interface WorkBank {
  readonly offset: number;
  readonly bytes: number;
  /** Planes; 0 for scratch vectors. */
  readonly components: number;
}

export interface TermPlan {
  readonly rows: {
    readonly linear: boolean;
    readonly by: readonly ('max' | 'min' | 'sum')[];
    readonly backward: boolean;
  } | null;
  readonly scalar: { readonly backward: boolean } | null;
  readonly moments: readonly string[];
}

/** A term's evaluation at one point, as the sweep reads it. */
export const termRecord = {
  /** i32: the grid point. */
  point: 0,
  /** i32: which slice of the sliced arrays. */
  slice: 4,
  /** i32: first index in S. */
  sum: 8,
  /** f64: what a value is multiplied by before it is added to S, or to the loss. */
  factor: 16,
  /** One entry a component from here on. */
  components: 24,
  entryBytes: 16,
  /** Within an entry: f64 cotangent; i32 winning global row, −1 for every row. */
  cotangent: 0,
  winner: 8,
} as const;

/** Bytes of a term's record. */
export function recordBytes(term: TermPlan): number {
  const components = Math.max(term.rows?.by.length ?? 0, 1);
  return Math.ceil((termRecord.components + components * termRecord.entryBytes) / 8) * 8;
}

/** What a visit or a term is asked to do; added. */
export const visitMode = { values: 1, seeds: 2 } as const;
