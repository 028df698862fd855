/**
 * What the directional derivative of a formula is: forward mode, the oracle of reverse mode and the rows of a Jacobian.
 *
 *   ė = Σᵢ (∂f/∂uᵢ)(u) · u̇ᵢ   for e = f(u₁, …, uₙ)
 *
 * Griewank & Walther, _Evaluating Derivatives_, 2nd ed., SIAM 2008, §3.1.
 */
import { apply, concat, type Expr, input, type Leaf, part, reduce, total } from '../ir/expr.ts';
import { withoutStops } from '../ir/substitute.ts';
import { memoised } from '../ir/walk.ts';
import { opNamed } from '../ops/table.ts';
import { simplify } from '../simplify/simplify.ts';
import { widen, zeros } from '../simplify/structure.ts';

/**
 * The tangent of `output`, of its width, simplified.
 *
 * @param tangent - the tangent of a leaf, of its width; null for a leaf that does not move. The tangent of a bound row's
 *   value is a leaf (or formula) of that bound row.
 */
export function jvp(output: Expr, tangent: (leaf: Leaf, width: number) => Expr | null): Expr {
  const tangentOf = memoised<Expr | null>((e, of) => {
    switch (e.kind) {
      case 'apply': {
        const partials = opNamed(e.op).derivative(...e.args);
        const terms = e.args.flatMap((arg, n) => {
          const [moved, partial] = [of(arg), partials[n] ?? null];
          return moved === null || partial === null ? [] : [widen(apply('mul', moved, partial), e.width)];
        });
        return terms.length === 0 ? null : terms.reduce((a, b) => apply('add', a, b));
      }
      case 'concat': {
        const moved = e.args.map(of);
        if (moved.every((m) => m === null)) return null;
        return concat(...e.args.map((arg, n) => moved[n] ?? zeros(arg.width)));
      }
      case 'constant':
        return null;
      case 'input':
        return tangent(e.leaf, e.width);
      case 'part': {
        const moved = of(e.arg);
        return moved === null ? null : part(moved, e.start, e.width);
      }
      case 'reduce': {
        const moved = of(e.body);
        if (moved === null || e.by === 'argmax' || e.by === 'argmin') return null;
        if (e.by === 'sum') return reduce('sum', e.loop, moved, e.where);
        // The first winner moves the minimum, component by component.
        const winner = reduce(e.by === 'min' ? 'argmin' : 'argmax', e.loop, e.body, e.where);
        const won = apply('eq', input({ role: 'index', loop: e.loop }, 1), winner);
        return reduce('sum', e.loop, apply('mul', moved, won), e.where);
      }
      case 'total': {
        const moved = of(e.arg);
        return moved === null ? null : total(moved);
      }
    }
  });
  return simplify(withoutStops(tangentOf(output) ?? zeros(output.width)));
}
