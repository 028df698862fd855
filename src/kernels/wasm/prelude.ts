/** How operations that are no single lane instruction are written in WASM: one expansion an operation, inlined. */
import type { Local } from './body.ts';
import * as exponential from './prelude/exponential.ts';
import { type Lanes, lanesIn, type PreludeContext, type Value } from './prelude/lanes.ts';
import * as selection from './prelude/selection.ts';
import * as trigonometric from './prelude/trigonometric.ts';

export type { PreludeContext } from './prelude/lanes.ts';

/** Name ↦ expansion; the names are those of the operations (`ops/table.ts`). */
const prelude = { ...exponential, ...selection, ...trigonometric };

export type PreludeName = keyof typeof prelude;

/**
 * Whether the operation is a chain of steps that wait for one another, and not one expression: it gains from standing
 * abreast with others.
 */
export const isChain = (name: PreludeName): boolean => !(name in selection) && name !== 'rsqrt';

/**
 * Write the operation applied to the operands; its value is left on the stack. Operands are read more than once and
 * never written. Scratch locals go back to the body.
 *
 *   expand('exp2', { body, lane: 'f32x4', fma: true, constant }, [x]);
 */
export function expand(name: PreludeName, context: PreludeContext, operands: readonly Local[]): void {
  expandAbreast(name, context, [operands], () => {});
}

/**
 * Write the operation applied to several lists of operands, step by step for all of them; `use` is called with each value
 * on the stack.
 */
export function expandAbreast(
  name: PreludeName,
  context: PreludeContext,
  operands: readonly (readonly Local[])[],
  use: (n: number) => void,
): void {
  const { lanes, each, release } = lanesIn(context, operands.length);
  // Arity is the op record's; here it is forgotten.
  const write = prelude[name] as (e: Lanes, ...operands: readonly Value[]) => Value;
  const arity = operands[0]?.length ?? 0;
  const values = Array.from({ length: arity }, (_, n) => lanes.local(operands.flatMap((o) => o[n] ?? [])));
  each(write(lanes, ...values), use);
  release();
}
