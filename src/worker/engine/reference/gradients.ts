/**
 * What rows leave for the sources, the sets and the parameters, on the way to the gradient of a leaf.
 */
import { invariant } from '../../../errors.ts';
import type { RowResults } from '../../../kernels/reference/memory.ts';
import type { Grid, Program } from '../../../kernels/sweep/program.ts';
import { addTo } from './arrays.ts';

/** Sums over rows. Two of them are added entry by entry; what is absent is 0. */
export interface Cotangents {
  /** By name: `flow <step> <slot>` and `point <k>` for the state of the sources, else the name of a table or pair field. */
  readonly arrays: Map<string, Float64Array>;
  readonly params: Float64Array;
}

export function noCotangents(params: number): Cotangents {
  return { arrays: new Map(), params: new Float64Array(params) };
}

/** Cotangent of the sources' state at a stage, and at a grid point. */
export const atStage = (step: number, slot: number): string => `flow ${step} ${slot}`;
export const atPoint = (point: number): string => `point ${point}`;

export function contribute(to: Cotangents, name: string, values: Float64Array): void {
  const known = to.arrays.get(name);
  if (known === undefined) to.arrays.set(name, Float64Array.from(values));
  else addTo(known, values);
}

/**
 * What a row function left, taken over: `stateName` is where the cotangent of `sources.state` belongs; that of
 * `sources.state@<moment>` belongs to the moment's grid point.
 */
export function takeOver(to: Cotangents, results: RowResults, grid: Grid, stateName: string): void {
  addTo(to.params, results.params);
  for (const [table, values] of results.tables) contribute(to, placeOf(table, grid, stateName), values);
  for (const [field, values] of results.pairs) contribute(to, field, values);
}

function placeOf(table: string, grid: Grid, stateName: string): string {
  const [name, moment] = table.split('@');
  if (name !== 'sources.state') return table;
  if (moment === undefined) return stateName;
  const point = grid.moments.get(moment);
  invariant(point !== undefined, `the moment ${moment} is on the grid`);
  return atPoint(point);
}

/** left + right, entry by entry. */
export function addCotangents(left: Cotangents, right: Cotangents): Cotangents {
  const sum: Cotangents = { arrays: new Map(), params: Float64Array.from(left.params) };
  for (const [name, values] of left.arrays) contribute(sum, name, values);
  for (const [name, values] of right.arrays) contribute(sum, name, values);
  addTo(sum.params, right.params);
  return sum;
}

/** The gradient of a leaf in the order of the program's layout, from dL/d(sources' state at t_0) and the rest. */
export function gradientOf(program: Program, μ: Float64Array, cotangents: Cotangents): Float64Array {
  const out = new Float64Array(program.layout.gradientLength);
  const { system, layout } = program;
  const own = layout.of('sources');
  for (const slot of layout.gradient) {
    const size = slot.rows * slot.width;
    const into = out.subarray(slot.offset, slot.offset + size);
    switch (slot.kind) {
      case 'pairs': {
        const values = cotangents.arrays.get(slot.field);
        if (values !== undefined) into.set(values);
        break;
      }
      case 'params': {
        const start = own.param(slot.field);
        into.set(cotangents.params.subarray(start, start + size));
        break;
      }
      case 'sets':
      case 'sources': {
        const over = slot.kind === 'sets' ? slot.set : 'sources';
        const { table, column, columns } = own.row(over, slot.field, 'now');
        const evolves =
          slot.kind === 'sources' && system.sources?.evolving.some((f) => f.name === slot.field);
        const rows = evolves ? μ : cotangents.arrays.get(table);
        if (rows === undefined) break;
        for (let r = 0; r < slot.rows; r++) {
          for (let c = 0; c < slot.width; c++) into[r * slot.width + c] = rows[r * columns + column + c]!;
        }
        break;
      }
    }
  }
  return out;
}
