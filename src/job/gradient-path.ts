/** Along which fields does the gradient of a loss flow? Asked of the derivatives themselves, with nothing evaluated. */
import { vjp } from '../kernels/autodiff/vjp.ts';
import { type Expr, input } from '../kernels/ir/expr.ts';
import type { System } from '../kernels/system.ts';

type Known = System['terms'][number]['value'];

/**
 * Fields whose gradient is not identically zero, as far as algebra can tell: a search through the adjoints of the loss,
 * of the sums it is made of and of the flows, along the cotangents that do not cancel (`0 * q`, `q - q`).
 */
export function gradientPaths(system: Pick<System, 'flow' | 'terms'>): ReadonlySet<string> {
  const found = new Set<string>();
  const pending: string[] = [];
  const follow = (value: Known, sums: readonly { readonly body: Expr }[]): void => {
    const cotangent = input({ role: 'cotangent', name: 'slope' }, value.width);
    const { own, rowSums, scatters } = vjp([{ value, cotangent }], () => true);
    const live = [
      ...[...own.values()].map(({ leaf, value: adjoint }) => ({ target: leaf, value: adjoint })),
      ...rowSums,
      ...scatters,
    ].filter(({ value: adjoint }) => adjoint.kind !== 'constant' || adjoint.value !== 0);
    for (const { target } of live) {
      if (target.role === 'sum') follow(sums[target.index]!.body, []);
      else if ('field' in target) pending.push(target.field);
    }
  };
  for (const { value, sums } of system.terms) follow(value, sums);
  for (let field = pending.pop(); field !== undefined; field = pending.pop()) {
    if (found.has(field)) continue;
    found.add(field);
    const flow = system.flow.get(field);
    if (flow !== undefined) follow(flow, []);
  }
  return found;
}
