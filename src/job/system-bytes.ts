/**
 * How does a checked problem reach another process? As bytes of plain data; the program is compiled again from it.
 *
 * Not the program itself: it holds functions and is many times larger, while equal systems compile to equal programs.
 * Structured clone (`node:v8`) keeps maps and every double, the negative zero too.
 */
import { deserialize, serialize } from 'node:v8';
import { invariant } from '../errors.ts';
import type { Expr } from '../kernels/ir/expr.ts';
import { type FlatNode, flatten, unflatten } from '../kernels/ir/flat-graph.ts';
import type { LossTerm, System, TracerSum } from '../kernels/system.ts';

/** A system whose formulas are places in a list of nodes. */
interface FlatSystem {
  readonly nodes: readonly FlatNode[];
  readonly system: Omit<System, 'flow' | 'terms' | 'values'>;
  readonly flow: readonly (readonly [string, number])[];
  readonly values: readonly (readonly [string, number])[];
  readonly terms: readonly (Omit<LossTerm, 'sums' | 'value'> & {
    readonly value: number;
    readonly sums: readonly (Omit<TracerSum, 'body'> & { readonly body: number })[];
  })[];
}

export function systemToBytes({ flow, values, terms, ...system }: System): Uint8Array {
  const { nodes, placeOf } = flatten([
    ...flow.values(),
    ...values.values(),
    ...terms.flatMap((t) => [t.value, ...t.sums.map((s) => s.body)]),
  ]);
  const flat: FlatSystem = {
    nodes,
    system,
    flow: [...flow].map(([name, e]) => [name, placeOf(e)]),
    values: [...values].map(([name, e]) => [name, placeOf(e)]),
    terms: terms.map((t) => ({
      ...t,
      value: placeOf(t.value),
      sums: t.sums.map((s) => ({ ...s, body: placeOf(s.body) })),
    })),
  };
  return serialize(flat);
}

export function systemFromBytes(bytes: Uint8Array): System {
  const { nodes, system, flow, values, terms } = deserialize(bytes) as FlatSystem;
  const made = unflatten(nodes);
  const at = (place: number): Expr => {
    const node = made[place];
    invariant(node !== undefined, 'a formula is among the nodes sent with it');
    return node;
  };
  return {
    ...system,
    flow: new Map(flow.map(([name, place]) => [name, at(place)])),
    values: new Map(values.map(([name, place]) => [name, at(place)])),
    terms: terms.map((t) => ({
      ...t,
      value: at(t.value),
      sums: t.sums.map((s) => ({ ...s, body: at(s.body) })),
    })),
  };
}
