/**
 * A small world that row functions can be evaluated in: own rows, sources, a set, weights, parameters.
 * `evaluateDirectly` walks the formulas, `interpret` walks a kernel; both in double precision, both plainly.
 */
import { type Expr, type Leaf, type Loop, loopKey } from '../../../src/kernels/ir/expr.ts';
import type { Kernel, Layout, LoopStep, Step } from '../../../src/kernels/ir/kernel.ts';
import type { RowFunction } from '../../../src/kernels/ir/row-function.ts';
import { evaluateOp } from '../../../src/kernels/lower/scalar.ts';

/** Where a field lives: `[store, first component, components of the store, width]`. */
type Place = readonly [string, number, number, number];

const own: Readonly<Record<string, Place>> = {
  x: ['state', 0, 4, 3],
  m: ['state', 3, 4, 1],
  g: ['constant', 0, 3, 3],
};
const bound: Readonly<Record<string, Readonly<Record<string, Place>>>> = {
  sources: { q: ['sources.state', 0, 6, 3], p: ['sources.state', 3, 6, 3], c: ['sources.constant', 0, 1, 1] },
  target: { z: ['target.constant', 0, 3, 3] },
};
const params: Readonly<Record<string, readonly [number, number]>> = { sigma: [0, 1], a: [1, 3] };
const paramCount = 4;
const pairs: Readonly<Record<string, number>> = { W: 2 };

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the world has no ${what}`);
  return value;
}

export const layout: Layout = {
  own: (field) => {
    const [bank, component, components] = found(own[field], field);
    return { bank, component, components };
  },
  row: (over, field) => {
    const [table, column, columns] = found(bound[over]?.[field], `${over}.${field}`);
    return { table, column, columns };
  },
  param: (field) => found(params[field], field)[0],
  pair: (field) => found(pairs[field], field),
  cotangent: (name) => ({ bank: `cotangent:${name}`, components: 3 }),
};

export interface World {
  readonly rows: number;
  readonly firstRow: number;
  readonly time: number;
  readonly params: readonly number[];
  readonly sums: readonly number[];
  /** Banks and tables by name, [row][component]. */
  readonly stores: ReadonlyMap<string, readonly (readonly number[])[]>;
  readonly setRows: ReadonlyMap<string, number>;
  /** [own][bound][component], own counted from row number 0. */
  readonly weights: ReadonlyMap<string, readonly number[]>;
}

/** Numbers in (0, 1) from a seed; mulberry32. */
export function random(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
}

export function world(seed: number, rows: number, sourceRows: number, targetRows = 3, firstRow = 0): World {
  const next = random(seed);
  const number = (): number => Math.fround(2 * next() - 1);
  const table = (count: number, components: number): number[][] =>
    Array.from({ length: count }, () => Array.from({ length: components }, number));
  return {
    rows,
    firstRow,
    time: 0.25,
    params: Array.from({ length: paramCount }, () => Math.fround(0.5 + next())),
    sums: Array.from({ length: 4 }, number),
    stores: new Map([
      ['state', table(rows, 4)],
      ['constant', table(rows, 3)],
      ['cotangent:f', table(rows, 3)],
      ['sources.state', table(sourceRows, 6)],
      ['sources.constant', table(sourceRows, 1)],
      ['target.constant', table(targetRows, 3)],
    ]),
    setRows: new Map([
      ['sources', sourceRows],
      ['target', targetRows],
    ]),
    weights: new Map([['W', Array.from({ length: (firstRow + rows) * sourceRows * 2 }, number)]]),
  };
}

/** Everything a row function leaves: planes [row][component], sums, scattered gradients. */
export interface Results {
  readonly planes: ReadonlyMap<string, readonly (readonly number[])[]>;
  /** By `params <component>` or `sums <index>`. */
  readonly rowSums: ReadonlyMap<string, number>;
  /** By `<table> <row> <column>` or `pair <field> <flat index>`. */
  readonly scatters: ReadonlyMap<string, number>;
}

const cell = (w: World, store: string, row: number, component: number): number =>
  found(found(w.stores.get(store), store)[row]?.[component], `${store}[${row}][${component}]`);

const weightIndex = (w: World, field: string, row: number, boundRow: number, c: number): number =>
  ((w.firstRow + row) * found(w.setRows.get('sources'), 'sources') + boundRow) * found(pairs[field], field) +
  c;

const accumulate = (into: Map<string, number>, key: string, value: number): void => {
  into.set(key, (into.get(key) ?? 0) + value);
};

/** What a reduction over no rows is. */
const empty = {
  sum: 0,
  min: Number.POSITIVE_INFINITY,
  max: Number.NEGATIVE_INFINITY,
  argmin: -1,
  argmax: -1,
} as const;

interface Winner {
  value: number;
  best: number;
}

/** One more row of a reduction; `best` is what arg-reductions compare. */
function reduceStep(by: keyof typeof empty, state: Winner, value: number, row: number): void {
  if (by === 'sum') state.value += value;
  else if (by === 'min') state.value = Math.min(state.value, value);
  else if (by === 'max') state.value = Math.max(state.value, value);
  else if (by === 'argmin' ? value < state.best : value > state.best) {
    state.best = value;
    state.value = row;
  }
}

const reduceStart = (by: keyof typeof empty): Winner => ({
  value: empty[by],
  best: by === 'argmin' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY,
});

// --- formulas -------------------------------------------------------------------------------------------------

type Rows = ReadonlyMap<string, number>;

function leafValue(w: World, leaf: Leaf, width: number, row: number, at: Rows): readonly number[] {
  const each = (f: (c: number) => number): readonly number[] => Array.from({ length: width }, (_, c) => f(c));
  const boundRow = (loop: Loop): number => found(at.get(loopKey(loop)), loopKey(loop));
  switch (leaf.role) {
    case 'cotangent':
      return each((c) => cell(w, `cotangent:${leaf.name}`, row, c));
    case 'index':
      return [leaf.loop === null ? w.firstRow + row : boundRow(leaf.loop)];
    case 'own': {
      const [bank, first] = found(own[leaf.field], leaf.field);
      return each((c) => cell(w, bank, row, first + c));
    }
    case 'pair': {
      const weights = found(w.weights.get(leaf.field), leaf.field);
      return each((c) => found(weights[weightIndex(w, leaf.field, row, boundRow(leaf.loop), c)], 'weight'));
    }
    case 'param':
      return each((c) => found(w.params[layout.param(leaf.field) + c], leaf.field));
    case 'row': {
      const [table, first] = found(bound[leaf.loop.over]?.[leaf.field], leaf.field);
      return each((c) => cell(w, table, boundRow(leaf.loop), first + c));
    }
    case 'sum':
      return each((c) => found(w.sums[leaf.index + c], 'sum'));
    case 'time':
      return [w.time];
  }
}

/** The value of a formula at one own row and the bound rows of the loops around it. */
function evaluate(w: World, root: Expr, row: number, at: Rows): readonly number[] {
  const known = new Map<Expr, readonly number[]>();
  const of = (e: Expr): readonly number[] => {
    const before = known.get(e);
    if (before !== undefined) return before;
    const value = compute(e);
    known.set(e, value);
    return value;
  };
  const compute = (e: Expr): readonly number[] => {
    switch (e.kind) {
      case 'apply': {
        const args = e.args.map(of);
        return Array.from({ length: e.width }, (_, c) =>
          evaluateOp(
            e.op,
            args.map((a) => found(a[a.length === 1 ? 0 : c], 'argument')),
          ),
        );
      }
      case 'concat':
        return e.args.flatMap(of);
      case 'constant':
        return [e.value];
      case 'input':
        return leafValue(w, e.leaf, e.width, row, at);
      case 'part':
        return of(e.arg).slice(e.start, e.start + e.width);
      case 'reduce': {
        const states = Array.from({ length: e.width }, () => reduceStart(e.by));
        const count = found(w.setRows.get(e.loop.over), e.loop.over);
        for (let l = 0; l < count; l++) {
          const inner = new Map([...at, [loopKey(e.loop), l]]);
          if (e.where !== null && evaluate(w, e.where, row, inner)[0] === 0) continue;
          const body = evaluate(w, e.body, row, inner);
          for (const [c, state] of states.entries()) reduceStep(e.by, state, found(body[c], 'component'), l);
        }
        return states.map((s) => s.value);
      }
      case 'total':
        return [of(e.arg).reduce((a, b) => a + b)];
    }
  };
  return of(root);
}

/** Every combination of bound rows of some loops. */
function combinations(w: World, loops: readonly Loop[]): readonly Rows[] {
  return loops.reduce<readonly Rows[]>(
    (all, loop) =>
      all.flatMap((at) =>
        Array.from(
          { length: found(w.setRows.get(loop.over), loop.over) },
          (_, l) => new Map([...at, [loopKey(loop), l]]),
        ),
      ),
    [new Map()],
  );
}

export function evaluateDirectly(fn: RowFunction, w: World): Results {
  const rowSums = new Map<string, number>();
  const scatters = new Map<string, number>();
  const each = Array.from({ length: w.rows }, (_, row) => row);
  const nowhere: Rows = new Map();
  for (const row of each) {
    for (const { target, value } of fn.rowSums) {
      const [kind, first] =
        target.role === 'param' ? ['params', layout.param(target.field)] : ['sums', target.index];
      for (const [c, v] of evaluate(w, value, row, nowhere).entries()) {
        accumulate(rowSums, `${kind} ${Number(first) + c}`, v);
      }
    }
    for (const { target, loops, where, value } of fn.scatters) {
      for (const at of combinations(w, loops)) {
        if (where !== null && evaluate(w, where, row, at)[0] === 0) continue;
        const boundRow = found(at.get(loopKey(target.loop)), 'bound row');
        for (const [c, v] of evaluate(w, value, row, at).entries()) {
          if (target.role === 'pair') {
            accumulate(scatters, `pair ${target.field} ${weightIndex(w, target.field, row, boundRow, c)}`, v);
            continue;
          }
          const { table, column } = layout.row(target.loop.over, target.field, target.at);
          accumulate(scatters, `${table} ${boundRow} ${column + c}`, v);
        }
      }
    }
  }
  const planes = new Map(
    fn.planes.map((p) => [p.name, each.map((row) => evaluate(w, p.value, row, nowhere))]),
  );
  return { planes, rowSums, scatters };
}

// --- kernels --------------------------------------------------------------------------------------------------

/** What a kernel leaves, value by value, row by row; `visit` sees every value computed. */
export function interpret(
  kernel: Kernel,
  w: World,
  visit: (id: number, value: number) => void = () => {},
): Results {
  const rowSums = new Map<string, number>();
  const scatters = new Map<string, number>();
  const planes = new Map<string, number[][]>(kernel.planes.map((p) => [p.bank, []]));

  for (let row = 0; row < w.rows; row++) {
    const values = new Map<number, number>();
    const at = new Map<number, number>();
    const value = (id: number): number => found(values.get(id), `value ${id} before its use`);
    const boundRow = (loop: number): number => found(at.get(loop), `loop ${loop}`);

    const compute = (id: number): number => {
      const v = found(kernel.values[id], `value ${id}`);
      switch (v.kind) {
        case 'accumulated':
          throw new Error('an accumulated value is left by its loop');
        case 'apply':
          return evaluateOp(v.op, v.args.map(value));
        case 'constant':
          return v.value;
        case 'index':
          return v.loop === null ? w.firstRow + row : boundRow(v.loop);
        case 'own':
          return cell(w, found(kernel.banks[v.bank], 'bank').name, row, v.component);
        case 'pair': {
          const { field } = found(kernel.pairs[v.pair], 'pair');
          return found(
            w.weights.get(field)?.[weightIndex(w, field, row, boundRow(v.loop), v.component)],
            field,
          );
        }
        case 'param':
          return found(w.params[v.component], 'param');
        case 'row':
          return cell(w, found(kernel.tables[v.table], 'table').name, boundRow(v.loop), v.column);
        case 'sum':
          return found(w.sums[v.index], 'sum');
        case 'time':
          return w.time;
      }
    };

    const runLoop = (step: LoopStep): void => {
      const states = step.accumulators.map((a) => reduceStart(a.by));
      const count = found(w.setRows.get(step.loop.over), step.loop.over);
      for (let l = 0; l < count; l++) {
        at.set(step.id, l);
        run(step.steps);
        for (const [n, a] of step.accumulators.entries()) {
          if (a.where !== null && value(a.where) === 0) continue;
          reduceStep(a.by, found(states[n], 'accumulator'), value(a.value), l);
        }
        for (const s of step.scatters) {
          if (s.where !== null && value(s.where) === 0) continue;
          const r = boundRow(s.target.loop);
          if (s.target.kind === 'pair') {
            const { field } = found(kernel.pairs[s.target.pair], 'pair');
            accumulate(
              scatters,
              `pair ${field} ${weightIndex(w, field, row, r, s.target.component)}`,
              value(s.value),
            );
          } else {
            const { name } = found(kernel.tables[s.target.table], 'table');
            accumulate(scatters, `${name} ${r} ${s.target.column}`, value(s.value));
          }
        }
      }
      for (const [id, v] of kernel.values.entries()) {
        if (v.kind === 'accumulated' && v.loop === step.id) {
          values.set(id, found(states[v.accumulator], 'accumulator').value);
        }
      }
    };

    const run = (steps: readonly Step[]): void => {
      for (const step of steps) {
        if (step.kind === 'loop') runLoop(step);
        else {
          const computed = compute(step.value);
          visit(step.value, computed);
          values.set(step.value, computed);
        }
      }
    };

    run(kernel.steps);
    for (const p of kernel.planes) planes.get(p.bank)?.push(p.values.map(value));
    for (const r of kernel.rowSums) accumulate(rowSums, `${r.target} ${r.component}`, value(r.value));
  }
  return { planes, rowSums, scatters };
}

/** The largest difference between two results, relative to 1 + the larger magnitude; ∞ where they differ in shape. */
export function difference(a: Results, b: Results): number {
  const flat = (r: Results): ReadonlyMap<string, number> =>
    new Map([
      ...[...r.planes].flatMap(([name, rows]) =>
        rows.flatMap((row, i) => row.map((v, c): [string, number] => [`${name} ${i} ${c}`, v])),
      ),
      ...[...r.rowSums].map(([k, v]): [string, number] => [`sum ${k}`, v]),
      ...[...r.scatters].map(([k, v]): [string, number] => [`scatter ${k}`, v]),
    ]);
  const [left, right] = [flat(a), flat(b)];
  const gap = (key: string): number => {
    const [x, y] = [left.get(key) ?? 0, right.get(key) ?? 0];
    if (Object.is(x, y) || x === y) return 0;
    const error = Math.abs(x - y) / (1 + Math.max(Math.abs(x), Math.abs(y)));
    return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
  };
  return Math.max(0, ...[...left.keys(), ...right.keys()].map(gap));
}
