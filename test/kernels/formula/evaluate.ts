/** What a graph is worth on given rows: recursion in double precision, the oracle of this folder's tests. */
import { type Expr, type Leaf, loopKey } from '../../../src/kernels/ir/expr.ts';
import { opNamed } from '../../../src/kernels/ops/table.ts';

/** Rows of a group or set: field ↦ row ↦ components. A moment's values are under `field@moment`. */
export type Table = Readonly<Record<string, readonly (readonly number[])[]>>;

export interface Data {
  /** 'sources', 'tracers' and every set. */
  readonly tables: Readonly<Record<string, Table>>;
  readonly rowCounts: Readonly<Record<string, number>>;
  /** field ↦ own row ↦ bound row ↦ components. */
  readonly pairs: Readonly<Record<string, readonly (readonly (readonly number[])[])[]>>;
  readonly params: Readonly<Record<string, readonly number[]>>;
  readonly time: number;
}

/** The row bare names are of, the rows bound by loops, the values of sums over tracers. */
export interface At {
  readonly own: { readonly over: string; readonly row: number } | null;
  readonly bound: ReadonlyMap<string, number>;
  readonly sums: readonly (readonly number[])[];
}

const reducers = {
  max: { identity: -Infinity, combine: (a: number, b: number) => Math.max(a, b) },
  min: { identity: Infinity, combine: (a: number, b: number) => Math.min(a, b) },
  sum: { identity: 0, combine: (a: number, b: number) => a + b },
};

export function evaluate(e: Expr, data: Data, at: At): readonly number[] {
  return valueIn(e, data, at, new Map());
}

/** `known` holds the values of shared nodes, for this row and these bound rows. */
function valueIn(e: Expr, data: Data, at: At, known: Map<Expr, readonly number[]>): readonly number[] {
  const before = known.get(e);
  if (before !== undefined) return before;
  const value = freshValue(e, data, at, (operand) => valueIn(operand, data, at, known));
  known.set(e, value);
  return value;
}

function freshValue(
  e: Expr,
  data: Data,
  at: At,
  of: (operand: Expr) => readonly number[],
): readonly number[] {
  switch (e.kind) {
    case 'apply': {
      const args = e.args.map(of);
      const { evaluate: compute } = opNamed(e.op);
      return Array.from({ length: e.width }, (_, n) =>
        compute(...args.map((a) => (a.length === 1 ? a[0]! : a[n]!))),
      );
    }
    case 'concat':
      return e.args.flatMap(of);
    case 'constant':
      return [e.value];
    case 'input':
      return leafValue(e.leaf, data, at);
    case 'part':
      return of(e.arg).slice(e.start, e.start + e.width);
    case 'reduce': {
      if (e.by === 'argmin' || e.by === 'argmax') throw new Error('no formula makes an arg-reduction yet');
      const { identity, combine } = reducers[e.by];
      let result: readonly number[] = Array.from({ length: e.width }, () => identity);
      for (let row = 0; row < data.rowCounts[e.loop.over]!; row++) {
        const inside: At = { ...at, bound: new Map([...at.bound, [loopKey(e.loop), row]]) };
        if (e.where !== null && evaluate(e.where, data, inside)[0] === 0) continue;
        const body = evaluate(e.body, data, inside);
        result = result.map((r, n) => combine(r, body[n]!));
      }
      return result;
    }
    case 'total':
      return [of(e.arg).reduce((a, b) => a + b)];
  }
}

function leafValue(leaf: Leaf, data: Data, at: At): readonly number[] {
  const field = (over: string, name: string, moment: string, row: number): readonly number[] => {
    const label = moment === 'now' ? name : `${name}@${moment}`;
    const value = data.tables[over]?.[label]?.[row];
    if (value === undefined) throw new Error(`no ${label} in row ${row} of ${over}`);
    return value;
  };
  const boundRow = (loop: { over: string; depth: number }): number => {
    const row = at.bound.get(loopKey(loop));
    if (row === undefined) throw new Error(`${loopKey(loop)} is not bound`);
    return row;
  };
  const own = (): { over: string; row: number } => {
    if (at.own === null) throw new Error('there is no own row here');
    return at.own;
  };
  switch (leaf.role) {
    case 'cotangent':
      throw new Error('formulas have no cotangents');
    case 'index':
      return [leaf.loop === null ? own().row : boundRow(leaf.loop)];
    case 'own':
      return field(own().over, leaf.field, leaf.at, own().row);
    case 'pair':
      return data.pairs[leaf.field]![own().row]![boundRow(leaf.loop)]!;
    case 'param':
      return data.params[leaf.field]!;
    case 'row':
      return field(leaf.loop.over, leaf.field, leaf.at, boundRow(leaf.loop));
    case 'sum':
      return at.sums[leaf.index]!;
    case 'time':
      return [data.time];
  }
}
