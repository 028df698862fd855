/**
 * A compiled job: everything that runs on a device, as data. Engines print it or interpret it; none adds to it.
 *
 * One step of a scheme is a straight line of statements over banks (planes of own values), derived from the
 * scheme's record; the backward step is its exact transpose, derived mechanically (`transpose.ts`).
 * The engine owns the loop over time:
 *
 *   forward    for k = 0 … T−1:  terms at t_k;  step.forward(k)        then terms at t_T
 *   backward   seeds at t_T;  for k = T−1 … 0:  step.backward(k);  seeds at t_k
 */

import type { Expr } from '../ir/expr.ts';
import type { Layout } from '../ir/kernel.ts';
import type { RowFunction } from '../ir/row-function.ts';
import type { System } from '../system.ts';

export interface Program {
  readonly system: System;
  readonly layout: ProgramLayout;
  /** Source states a step shows to the tracers (the same number for both groups); 1 when nothing evolves. */
  readonly slots: number;
  readonly sources: GroupProgram | null;
  readonly tracers: GroupProgram | null;
  readonly terms: readonly TermProgram[];
  /** Tracer outputs at the end time, planes named after the values; null when there are none. */
  readonly values: RowFunction | null;
  /** 1: every term is linear in its sums over tracers. 2: sums first, then h and ∂h/∂S, then the backward sweep. */
  readonly phases: 1 | 2;
  /** What the backward sweep must leave. */
  readonly wants: {
    readonly sources: boolean;
    readonly params: boolean;
    readonly tracers: boolean;
    readonly any: boolean;
  };
}

/** What of a program is no formula: plain data, and all that is needed of it to add what leaves answer, and to name it. */
export interface ProgramOutline extends Pick<Program, 'phases' | 'wants'> {
  readonly layout: Pick<ProgramLayout, 'gradient'>;
  readonly sources: Pick<GroupProgram, 'stateComponents'> | null;
  readonly terms: readonly {
    readonly rows: Pick<TermRows, 'by' | 'linear'> | null;
    readonly scalar: object | null;
  }[];
}

/** The flow of one group and its transpose. */
export interface GroupProgram {
  /** One step for this group; null: nothing of it evolves. */
  readonly step: StepProgram | null;
  /**
   * Plane `slope`: d/dt of all evolving components, in state order. Reads bank `state` (the stage state), `constant` and,
   * for an integral of the loss, `with:<field>` of arrays that are the same at all times.
   */
  readonly flow: RowFunction | null;
  /**
   * Reads bank `state` (the stage state) and `cotangent:slope` (κ). Leaves plane `state` (ζ = F_xᵀκ), plane
   * `constant` where a constant field's gradient is wanted, row sums θ̄ and scatters Γ. null when no gradient is wanted.
   */
  readonly flowVjp: RowFunction | null;
  /** Evolving components a row (e), constant components a row. */
  readonly stateComponents: number;
  /**
   * The last of the state components: running integrals, one for each integral of the loss that has a part in this
   * group. They start at 0, have no name in `system` and are part of no output and of no error estimate.
   */
  readonly integralComponents: number;
  readonly constantComponents: number;
}

/**
 * Where everything lives.
 *
 * Banks of a group: `state` (evolving components, field after field), `constant`, `state@<moment>`, `with:<field>`
 * (one slice), `cotangent:<plane>`. Tables: `sources.state`, `sources.state@<moment>`, `sources.constant`, `<set>.constant`,
 * `sources.with:<field>`.
 */
export interface ProgramLayout {
  /** For row functions whose own rows are the tracers, the sources, or nobody (`scalar`: h, one row without fields). */
  readonly of: (own: 'scalar' | 'sources' | 'tracers') => Layout;
  /**
   * The gradient a leaf of the tree returns, one Float64Array: fields one after another in this order:
   * sources (evolving, then constant), sets, pairs, params. Rows in order, components fastest.
   */
  readonly gradient: readonly GradientSlot[];
  readonly gradientLength: number;
}

export interface GradientSlot {
  readonly kind: 'pairs' | 'params' | 'sets' | 'sources';
  /** Name of the set for kind `sets`, otherwise ''. */
  readonly set: string;
  readonly field: string;
  readonly offset: number;
  readonly rows: number;
  readonly width: number;
}

// --- one step ---------------------------------------------------------------------------------------------

/**
 * One step of a scheme for any group, and its transpose.
 *
 * Banks: `z` (state in), `z'` (state out), `slot<s>` (what the flow number s reads; slot 0 is always the state at
 * the grid point itself and all slots are kept for the backward sweep), `slope<s>`; backward `λ` (in and out),
 * `κ<s>`, `ζ<s>` and `<bank>~` for other cotangents. All have the state's components. h of step k is t_{k+1} − t_k.
 */
export interface StepProgram {
  /** State slots kept a step: the number of distinct source states a step shows to the tracers. */
  readonly slots: number;
  readonly forward: readonly Statement[];
  readonly backward: readonly Statement[];
}

export type Statement = CombineStatement | FlowStatement | FlowVjpStatement;

/**
 * target[range] = Σ coefficient · h^power · bank[range at `start`]; ranges have the target's width. Without terms: 0.
 * A target that is also read is read at the same components (λ = λ + …).
 */
export interface CombineStatement {
  readonly kind: 'combine';
  readonly target: Range;
  readonly terms: readonly {
    readonly coefficient: number;
    readonly power: 0 | 1;
    readonly bank: string;
    /** First component read. */
    readonly start: number;
  }[];
}

/** Components [start, start + width) of a bank. */
export interface Range {
  readonly bank: string;
  readonly start: number;
  readonly width: number;
}

/** slope = flow(state in `slot<slot>`, sources' table of the same slot, t_k + fraction · h). */
export interface FlowStatement {
  readonly kind: 'flow';
  readonly slot: number;
  readonly fraction: number;
  readonly slope: string;
}

/** ζ = vjp at the same slot and time with κ, all components; scatters add to Γ of that slot. */
export interface FlowVjpStatement {
  readonly kind: 'flow-vjp';
  readonly slot: number;
  readonly fraction: number;
  readonly cotangent: string;
  readonly result: string;
}

// --- loss -------------------------------------------------------------------------------------------------

/**
 * One term. Integrals have been turned into a constant-zero evolving field that is summed at the end (or, with
 * leapfrog, into a term at every grid point with trapezoid weights).
 */
export interface TermProgram {
  /** Index in `system.terms`. */
  readonly term: number;
  readonly at:
    | { readonly kind: 'every-step' }
    | { readonly kind: 'times'; readonly times: readonly number[] };
  readonly weights: 'one' | 'trapezoid';
  /** Moments read besides `now`: the term is evaluated once all of them have been passed. */
  readonly moments: readonly string[];
  /** With fields whose slice changes from time to time. */
  readonly sliced: readonly string[];
  /** The part with tracers; null when the term has no sum over tracers. */
  readonly rows: TermRows | null;
  /** The part without; null when it is identically zero. h(S; Y, θ, t) in a two-phase term. */
  readonly scalar: TermScalar | null;
}

export interface TermRows {
  /** linear: one sum, the term's own contribution. Otherwise one sum for each of the term's `sums`, for each time. */
  readonly linear: boolean;
  readonly by: readonly ('max' | 'min' | 'sum')[];
  /** Plane `terms`: as many components as `by`. */
  readonly value: RowFunction;
  /**
   * Reads `cotangent:terms`: on every real row the point's weight (linear), else the seed ∂L/∂S, which has the weight in it,
   * for min and max only at the winner.
   * Planes `state`, `state@<moment>`, `constant`; row sums; scatters (to sources at the term's time, sets).
   */
  readonly vjp: RowFunction | null;
}

/** One row without fields: own kind `scalar`. */
export interface TermScalar {
  readonly expr: Expr;
  /** Plane `h`, width 1. */
  readonly value: RowFunction;
  /** Reads `cotangent:h`, the point's weight; row sums over params and over `sum` leaves (∂h/∂S); scatters to sources and sets. */
  readonly vjp: RowFunction | null;
}

// --- the grid ---------------------------------------------------------------------------------------------

/** Where in time everything happens: a function of the job (and, with `tolerance`, of the accepted steps). */
export interface Grid {
  /** t_0 … t_T. */
  readonly times: Float64Array;
  /** For each term of the program: the grid points it is evaluated at and its weight there. */
  readonly terms: readonly (readonly TermPoint[])[];
  /** Moment label ↦ grid point. */
  readonly moments: ReadonlyMap<string, number>;
  /** Length of the vector of sums S. */
  readonly sums: number;
}

export interface TermPoint {
  /** Grid index whose state the bare names mean. */
  readonly point: number;
  readonly weight: number;
  /** Which slice of sliced `with` fields. */
  readonly slice: number;
  /** First index of this (term, time) in the vector of sums S; a linear term shares one over its times; −1: no sums. */
  readonly sum: number;
}
