/** Which moments besides the present a formula reads fields at. */
import { type Expr, type Moment, now } from '../ir/expr.ts';
import { postorder } from '../ir/walk.ts';

/** Labels of moments besides `now`, in the order they are met. */
export function momentsOf(roots: readonly Expr[]): readonly Moment[] {
  const labels = postorder(...roots).flatMap((e) =>
    e.kind === 'input' && (e.leaf.role === 'own' || e.leaf.role === 'row') && e.leaf.at !== now
      ? [e.leaf.at]
      : [],
  );
  return [...new Set(labels)];
}
