/**
 * What an operation is: one record holds everything the system knows about it.
 *
 * Each record is annotated (`: Op<1>`). Without the annotation the type of the table would depend on the records'
 * bodies, which mention op names, and TypeScript reports TS7022.
 */
import type { Expr } from '../ir/expr.ts';
import type { PreludeName } from '../wasm/prelude.ts';

export type Arity = 1 | 2 | 3;

/** A tuple of one T an argument. */
export type Args<A extends Arity, T> = A extends 1
  ? readonly [T]
  : A extends 2
    ? readonly [T, T]
    : readonly [T, T, T];

/** A closed interval of one argument on which the op is tested and its tolerance holds. */
export type Domain = readonly [low: number, high: number];

/** How far a backend's value may lie from `evaluate` on the domain, per unit roundoff of the backend. */
export type Tolerance =
  | { readonly kind: 'absolute'; readonly error: number }
  | { readonly kind: 'exact' }
  | { readonly kind: 'ulp'; readonly count: number };

/** A lane-wise instruction, the same for f32x4 and f64x2: `mul` is `f32x4.mul` or `f64x2.mul`. */
export type LaneInstruction =
  | 'abs'
  | 'add'
  | 'ceil'
  | 'div'
  | 'floor'
  | 'mul'
  | 'neg'
  | 'sqrt'
  | 'sub'
  | 'trunc';

/** How the op is written in WASM: one instruction, or an expansion of the prelude (`wasm/prelude.ts`), inlined. */
export type WasmCode =
  | { readonly kind: 'instruction'; readonly name: LaneInstruction }
  | { readonly kind: 'prelude'; readonly name: PreludeName };

/** How an op is written in a formula; binding strengths are those of job-file.md, see `ir/print.ts`. */
export type Notation =
  /** `name(a, b)` */
  | { readonly kind: 'call' }
  /** `a sign b`, left-associative except `power`, which is right-associative. */
  | {
      readonly kind: 'infix';
      readonly sign: string;
      readonly binds: 'comparison' | 'power' | 'product' | 'sum';
    }
  /** `sign a` */
  | { readonly kind: 'prefix'; readonly sign: string };

/** Everything the system knows about one elementary operation of `A` scalar arguments. */
export interface Op<A extends Arity> {
  readonly arity: A;
  readonly notation: Notation;
  /** Where each argument is tested. Kinks and poles lie on the boundary or outside, or are tested by name. */
  readonly domain: Args<A, Domain>;
  /** Reference value in IEEE-754 double precision; the oracle for every backend. */
  readonly evaluate: (...x: Args<A, number>) => number;
  /** Partial derivatives ∂f/∂xᵢ, one per argument; `null` where the op is flat. */
  readonly derivative: (...x: Args<A, Expr>) => Args<A, Expr | null>;
  /** WGSL text of the op applied to already-printed operands. */
  readonly wgsl: (...x: Args<A, string>) => string;
  readonly wasm: WasmCode;
  /** Tolerance of a backend working in its own precision. */
  readonly tolerance: Tolerance;
  /** The same for the WGSL text, where WGSL bounds what it is made of more loosely ("Accuracy of builtins"). */
  readonly wgslTolerance?: Tolerance;
  /** Floating-point operations counted for one application. */
  readonly flops: number;
}

/** An op whose arity is forgotten: what passes see, which know node kinds and never op names. */
export interface AnyOp {
  readonly arity: Arity;
  readonly notation: Notation;
  readonly domain: readonly Domain[];
  readonly evaluate: (...x: readonly number[]) => number;
  readonly derivative: (...x: readonly Expr[]) => readonly (Expr | null)[];
  readonly wgsl: (...x: readonly string[]) => string;
  readonly wasm: WasmCode;
  readonly tolerance: Tolerance;
  readonly wgslTolerance?: Tolerance;
  readonly flops: number;
}

/** A single lane instruction. */
export function instruction(name: LaneInstruction): WasmCode {
  return { kind: 'instruction', name };
}

/** An expansion of the prelude. */
export function prelude(name: PreludeName): WasmCode {
  return { kind: 'prelude', name };
}

/** Printed as `name(…)`. */
export const call: Notation = { kind: 'call' };
export const exact: Tolerance = { kind: 'exact' };

/** At most so many unit roundoffs u of the backend, 2⁻²⁴ or 2⁻⁵³. */
export function absolute(error: number): Tolerance {
  return { kind: 'absolute', error };
}

/** At most so many units in the last place. */
export function ulp(count: number): Tolerance {
  return { kind: 'ulp', count };
}
