/**
 * From a row function to a kernel: vectors to scalars, scalars to cheaper scalars, scalars to steps and loops.
 */
import type { Kernel, Layout } from '../ir/kernel.ts';
import type { RowFunction } from '../ir/row-function.ts';
import { scalarise } from './scalarise.ts';
import { schedule } from './schedule.ts';
import { strengthReduce } from './strength.ts';

/**
 * Settles a row function for code generation.
 *
 * The kernel computes the same function up to rounding; every value stands in the outermost scope that knows its
 * operands, and reductions that can share a loop do. A function of (fn, layout) alone.
 */
export function lower(fn: RowFunction, layout: Layout): Kernel {
  return schedule(strengthReduce(scalarise(fn, layout)));
}
