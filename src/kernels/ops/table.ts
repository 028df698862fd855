/**
 * Which operations there are: the one list in the system. A new operation is a record in a file of this folder and
 * a name here; the checker, derivatives, every printer and the generic tests learn of it from the table.
 */
import { abs, add, div, mul, neg, sign, stop, sub } from './arithmetic.ts';
import { eq, ge, gt, le, lt, ne } from './comparison.ts';
import { erf, exp, exp2, log, log2, pow, rsqrt, sigmoid, sqrt, tanh } from './exponential.ts';
import type { AnyOp } from './op.ts';
import { floor, mod, round } from './rounding.ts';
import { clamp, max, min, relu, select, step } from './selection.ts';
import { acos, asin, atan, atan2, cos, sin, tan } from './trigonometric.ts';

export const ops = {
  abs,
  acos,
  add,
  asin,
  atan,
  atan2,
  clamp,
  cos,
  div,
  eq,
  erf,
  exp,
  exp2,
  floor,
  ge,
  gt,
  le,
  log,
  log2,
  lt,
  max,
  min,
  mod,
  mul,
  ne,
  neg,
  pow,
  relu,
  round,
  rsqrt,
  select,
  sigmoid,
  sign,
  sin,
  sqrt,
  step,
  stop,
  sub,
  tan,
  tanh,
} satisfies Record<string, AnyOp>;

/** Name of an operation. */
export type OpName = keyof typeof ops;

/** The names in alphabetical order. */
export const opNames = Object.keys(ops) as readonly OpName[];

/** The record of an operation, its arity forgotten: passes know node kinds and no op by name. */
export function opNamed(name: OpName): AnyOp {
  return ops[name];
}
