/**
 * The row functions of a program and their transposes, in the planes that engines expect.
 */
import { type Seed, vjp } from '../autodiff/vjp.ts';
import { apply, concat, type Expr, type Moment, now } from '../ir/expr.ts';
import type { Plane, RowFunction } from '../ir/row-function.ts';
import { withoutStops } from '../ir/substitute.ts';
import { simplify } from '../simplify/simplify.ts';
import { zeros } from '../simplify/structure.ts';
import type { Field } from '../system.ts';
import type { Own, Reach } from './reach.ts';

/** A row function that leaves planes only. */
export function forwardRows(name: string, planes: ReadonlyMap<string, Expr>): RowFunction {
  return {
    name,
    planes: [...planes].map(([plane, value]) => ({ name: plane, value: simplify(withoutStops(value)) })),
    rowSums: [],
    scatters: [],
  };
}

/** The own fields whose cotangents become planes. */
export interface OwnFields {
  readonly state: readonly Field[];
  readonly constant: readonly Field[];
}

/**
 * The transpose of some outputs, pruned to what is needed: planes `state`, `state@<moment>` and `constant`, each with
 * all components of its bank (0 for those that receive nothing) and left out when none receives anything.
 */
export function transposedRows(
  name: string,
  seeds: readonly Seed[],
  own: Own,
  fields: OwnFields,
  reach: Reach,
): RowFunction {
  const { own: cotangents, rowSums, scatters } = vjp(seeds, reach.wants(own));
  const received = new Map<string, Expr>();
  const add = (key: string, value: Expr): void => {
    const before = received.get(key);
    received.set(key, before === undefined ? value : simplify(apply('add', before, value)));
  };
  const states = new Set(fields.state.map((f) => f.name));
  const moments = new Set<Moment>([now]);
  for (const { leaf, value } of cotangents.values()) {
    if (leaf.role !== 'own') continue;
    if (states.has(leaf.field)) {
      moments.add(leaf.at);
      add(`${leaf.field}@${leaf.at}`, value);
    } else {
      // A constant field is the same at every moment.
      add(leaf.field, value);
    }
  }
  const plane = (
    planeName: string,
    all: readonly Field[],
    key: (field: string) => string,
  ): readonly Plane[] =>
    all.some((f) => received.has(key(f.name)))
      ? [
          {
            name: planeName,
            value: simplify(concat(...all.map((f) => received.get(key(f.name)) ?? zeros(f.width)))),
          },
        ]
      : [];
  return {
    name,
    planes: [
      ...[...moments].flatMap((at) =>
        plane(at === now ? 'state' : `state@${at}`, fields.state, (f) => `${f}@${at}`),
      ),
      ...plane('constant', fields.constant, (f) => f),
    ],
    rowSums,
    scatters,
  };
}

/** Whether a row function leaves anything. */
export function leavesSomething(f: RowFunction): boolean {
  return f.planes.length + f.rowSums.length + f.scatters.length > 0;
}
