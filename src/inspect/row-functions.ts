/** Which row functions does a program have? */
import type { RowFunction } from '../kernels/ir/row-function.ts';
import type { Program } from '../kernels/sweep/program.ts';

/** A row function, and whose rows it runs over. */
export interface Owned {
  readonly fn: RowFunction;
  readonly own: 'scalar' | 'sources' | 'tracers';
}

/** Every row function of a program, in the order they run. */
export function rowFunctions(program: Program): readonly Owned[] {
  const of = (own: Owned['own'], ...fns: readonly (RowFunction | null | undefined)[]): Owned[] =>
    fns.flatMap((fn) => (fn === null || fn === undefined ? [] : [{ fn, own }]));
  return [
    ...of('sources', program.sources?.flow, program.sources?.flowVjp),
    ...of('tracers', program.tracers?.flow, program.tracers?.flowVjp),
    ...program.terms.flatMap((t) => [
      ...of('tracers', t.rows?.value, t.rows?.vjp),
      ...of('scalar', t.scalar?.value, t.scalar?.vjp),
    ]),
    ...of('tracers', program.values),
  ];
}
