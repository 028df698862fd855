/**
 * Where every scalar is computed and which reductions share a loop.
 *
 * A scalar stands in the outermost scope that knows its bound rows: a loop instance, or the row itself. Within a scope:
 *
 *   phase of a reduction = 0, or 1 + the largest phase of a reduction of the same scope that its body needs
 *
 * Reductions and scatters over the same loop in the same phase share one loop. What a loop body computes is computed
 * again in every loop that needs it, never stored. At the row's level, reductions that are the same for all own rows
 * keep a loop of their own, so that it can run once a call.
 *
 * Hoisting needs no pass: a body asks for its operands, each is added to the scope it belongs to, and the loop step
 * itself is added to its scope last.
 */
import { invariant } from '../../errors.ts';
import { type Loop, loopKey } from '../ir/expr.ts';
import type {
  Accumulator,
  Bank,
  Kernel,
  KernelScatter,
  LoopStep,
  PairTable,
  Step,
  Table,
  Value,
  ValueId,
} from '../ir/kernel.ts';
import type { Scalar, ScalarLeaf } from './scalar.ts';
import type { ScalarFunction, ScalarScatter } from './scalarise.ts';
import { scalarOperands } from './strength.ts';

/** A place where values are computed: the row (parent null) or one loop instance. */
interface Scope {
  readonly parent: Scope | null;
  readonly loop: Loop | null;
  /** Number of the loop step, −1 for the row. */
  readonly loopId: number;
  readonly depth: number;
  /** Bit of this scope's own loop (0 for the row), and of all loops it stands in. */
  readonly bit: number;
  readonly mask: number;
  readonly known: Map<Scalar, ValueId>;
  readonly steps: Step[];
}

/** Reductions and scatters that share a loop. */
interface Group {
  readonly loop: Loop;
  readonly phase: number;
  readonly reductions: Extract<Scalar, { kind: 'reduce' }>[];
  readonly scatters: PendingScatter[];
}

/** A scatter on its way inwards: the loops it still has to enter. */
interface PendingScatter {
  readonly scatter: ScalarScatter;
  readonly loops: readonly Loop[];
}

type ValueBody = Value extends infer V ? (V extends Value ? Omit<V, 'depth' | 'varies'> : never) : never;

export function schedule(fn: ScalarFunction): Kernel {
  const { graph } = fn;
  const values: Value[] = [];
  const banks = registry<Bank>((b) => b.name);
  const tables = registry<Table>((t) => t.name);
  const pairs = registry<PairTable>((p) => p.field);
  let loopCount = 0;

  /** The scope of the chain where a scalar is computed. */
  const homeOf = (s: Scalar, scope: Scope): Scope => {
    let home = scope;
    while (home.parent !== null && (s.bound & home.bit) === 0) home = home.parent;
    return home;
  };

  const scopeOfLoop = (loop: Loop, scope: Scope): Scope => {
    let at: Scope | null = scope;
    while (at !== null && (at.loop === null || loopKey(at.loop) !== loopKey(loop))) at = at.parent;
    invariant(at !== null, 'a bound row is used inside its loop');
    return at;
  };

  const define = (scope: Scope, s: Scalar, body: ValueBody): ValueId => {
    const id = values.push({ depth: scope.depth, varies: s.varies, ...body } as Value) - 1;
    scope.known.set(s, id);
    return id;
  };

  const readLeaf = (leaf: ScalarLeaf, scope: Scope): ValueBody => {
    switch (leaf.role) {
      case 'index':
        return { kind: 'index', loop: leaf.loop === null ? null : scopeOfLoop(leaf.loop, scope).loopId };
      case 'own':
        return {
          kind: 'own',
          bank: banks.number({ name: leaf.bank, components: leaf.components }),
          component: leaf.component,
        };
      case 'pair':
        return {
          kind: 'pair',
          pair: pairs.number({ field: leaf.field, components: leaf.components }),
          component: leaf.component,
          loop: scopeOfLoop(leaf.loop, scope).loopId,
        };
      case 'param':
        return { kind: 'param', component: leaf.component };
      case 'row':
        return {
          kind: 'row',
          table: tables.number({ name: leaf.table, over: leaf.loop.over, columns: leaf.columns }),
          column: leaf.column,
          loop: scopeOfLoop(leaf.loop, scope).loopId,
        };
      case 'sum':
        return { kind: 'sum', index: leaf.index };
      case 'time':
        return { kind: 'time' };
    }
  };

  /** The value of a scalar as `scope` sees it; what is missing is computed where it belongs, operands first. */
  const demand = (root: Scalar, scope: Scope): ValueId => {
    const pending = [root];
    for (let s = pending.at(-1); s !== undefined; s = pending.at(-1)) {
      const home = homeOf(s, scope);
      if (home.known.has(s)) {
        pending.pop();
        continue;
      }
      invariant(s.kind !== 'reduce', 'a reduction is computed in an earlier phase than what needs it');
      const missing = scalarOperands(s).filter((o) => !homeOf(o, scope).known.has(o));
      if (missing.length > 0) {
        pending.push(...[...missing].reverse());
        continue;
      }
      const id = define(home, s, bodyOf(s, scope));
      home.steps.push({ kind: 'compute', value: id });
      pending.pop();
    }
    const id = homeOf(root, scope).known.get(root);
    invariant(id !== undefined, 'the root was just computed');
    return id;
  };

  const bodyOf = (s: Exclude<Scalar, { kind: 'reduce' }>, scope: Scope): ValueBody => {
    switch (s.kind) {
      case 'apply':
        return { kind: 'apply', op: s.op, args: s.args.map((a) => demand(a, scope)) };
      case 'constant':
        return { kind: 'constant', value: s.value };
      case 'leaf':
        return readLeaf(s.leaf, scope);
    }
  };

  /** Loops of a scope in the order they run; afterwards every reduction of the scope has its value. */
  const runLoops = (scope: Scope, roots: readonly Scalar[], scatters: readonly PendingScatter[]): void => {
    for (const group of groupsOf(scope, roots, scatters)) {
      const loopId = loopCount++;
      const bit = 1 << graph.bitOf(group.loop);
      const inner: Scope = {
        parent: scope,
        loop: group.loop,
        loopId,
        depth: scope.depth + 1,
        bit,
        mask: scope.mask | bit,
        known: new Map(),
        steps: [],
      };
      const here = group.scatters.filter((s) => s.loops.length === 0);
      const needed = [
        ...group.reductions.flatMap(scalarOperands),
        ...here.flatMap(({ scatter }) =>
          scatter.where === null ? [scatter.value] : [scatter.value, scatter.where],
        ),
      ];
      runLoops(
        inner,
        needed,
        group.scatters.filter((s) => s.loops.length > 0),
      );
      const accumulators = group.reductions.map(
        (r): Accumulator => ({
          by: r.by,
          value: demand(r.body, inner),
          where: r.where === null ? null : demand(r.where, inner),
        }),
      );
      const step: LoopStep = {
        kind: 'loop',
        id: loopId,
        loop: group.loop,
        steps: inner.steps,
        accumulators,
        scatters: here.map(({ scatter }) => settleScatter(scatter, inner)),
      };
      scope.steps.push(step);
      for (const [accumulator, r] of group.reductions.entries()) {
        define(scope, r, { kind: 'accumulated', loop: loopId, accumulator });
      }
    }
  };

  const settleScatter = (s: ScalarScatter, scope: Scope): KernelScatter => {
    const place = readLeaf(s.target, scope);
    invariant(place.kind === 'pair' || place.kind === 'row', 'only bound rows and pairs are scattered to');
    return {
      target: place,
      value: demand(s.value, scope),
      where: s.where === null ? null : demand(s.where, scope),
    };
  };

  const row: Scope = {
    parent: null,
    loop: null,
    loopId: -1,
    depth: 0,
    bit: 0,
    mask: 0,
    known: new Map(),
    steps: [],
  };
  const results = [...fn.planes.flatMap((p) => p.values), ...fn.rowSums.map((r) => r.value)];
  runLoops(
    row,
    results,
    fn.scatters.map((scatter) => ({ scatter, loops: scatter.loops })),
  );
  const planes = fn.planes.map((p) => ({ bank: p.bank, values: p.values.map((v) => demand(v, row)) }));
  const rowSums = fn.rowSums.map((r) => ({ ...r, value: demand(r.value, row) }));
  return {
    name: fn.name,
    banks: banks.items,
    tables: tables.items,
    pairs: pairs.items,
    values,
    steps: row.steps,
    planes,
    rowSums,
  };
}

/** Which loops a scope needs, phase after phase. */
function groupsOf(
  scope: Scope,
  roots: readonly Scalar[],
  scatters: readonly PendingScatter[],
): readonly Group[] {
  const level = levelsIn(scope);
  const groups = new Map<string, Group>();
  const groupFor = (loop: Loop, phase: number, once: boolean): Group => {
    const key = `${loopKey(loop)} ${phase} ${once}`;
    const known = groups.get(key);
    if (known !== undefined) return known;
    const fresh: Group = { loop, phase, reductions: [], scatters: [] };
    groups.set(key, fresh);
    return fresh;
  };

  const operandsOf = ({ scatter }: PendingScatter): readonly Scalar[] =>
    scatter.where === null ? [scatter.value] : [scatter.value, scatter.where];
  for (const r of reductionsOf(scope, [...roots, ...scatters.flatMap(operandsOf)])) {
    groupFor(r.loop, level(r) - 1, scope.parent === null && !r.varies).reductions.push(r);
  }
  for (const s of scatters) {
    const [next, ...rest] = s.loops;
    invariant(next !== undefined, 'a scatter that has entered all its loops is settled there');
    const phase = Math.max(0, ...operandsOf(s).map(level));
    groupFor(next, phase, false).scatters.push({ scatter: s.scatter, loops: rest });
  }
  return [...groups.values()].sort((a, b) => a.phase - b.phase);
}

/** Whether a reduction is computed in this very scope: it knows all bound rows, and none further in is needed. */
function belongs(r: Scalar, scope: Scope): boolean {
  return (r.bound & ~scope.mask) === 0 && (scope.parent === null || (r.bound & scope.bit) !== 0);
}

/** Whether a reduction belongs to a scope around this one, so that it has been computed before. */
function belongsOutside(r: Scalar, scope: Scope): boolean {
  return scope.parent !== null && (r.bound & ~scope.mask) === 0 && (r.bound & scope.bit) === 0;
}

/** The reductions of a scope that the roots need, in order of construction. */
function reductionsOf(
  scope: Scope,
  roots: readonly Scalar[],
): readonly Extract<Scalar, { kind: 'reduce' }>[] {
  const seen = new Set<Scalar>();
  const pending = [...roots];
  for (let s = pending.pop(); s !== undefined; s = pending.pop()) {
    if (seen.has(s) || (s.kind === 'reduce' && belongsOutside(s, scope))) continue;
    seen.add(s);
    pending.push(...scalarOperands(s));
  }
  return [...seen]
    .flatMap((s) => (s.kind === 'reduce' && belongs(s, scope) ? [s] : []))
    .sort((a, b) => a.id - b.id);
}

/** level(s): the number of phases of this scope that must have run before s is known. */
function levelsIn(scope: Scope): (s: Scalar) => number {
  const levels = new Map<Scalar, number>();
  return (root) => {
    const pending = [root];
    for (let s = pending.at(-1); s !== undefined; s = pending.at(-1)) {
      const outside = s.kind === 'reduce' && belongsOutside(s, scope);
      const inner = outside ? [] : scalarOperands(s);
      const missing = inner.filter((o) => !levels.has(o));
      if (missing.length > 0) {
        pending.push(...missing);
        continue;
      }
      const before = Math.max(0, ...inner.map((o) => levels.get(o) ?? 0));
      levels.set(s, s.kind === 'reduce' && !outside && belongs(s, scope) ? before + 1 : before);
      pending.pop();
    }
    return levels.get(root) ?? 0;
  };
}

/** Distinct things in the order they were first asked for, numbered. */
function registry<T>(key: (item: T) => string): {
  readonly items: readonly T[];
  readonly number: (item: T) => number;
} {
  const items: T[] = [];
  const numbers = new Map<string, number>();
  return {
    items,
    number: (item) => {
      const known = numbers.get(key(item));
      if (known !== undefined) return known;
      const fresh = items.push(item) - 1;
      numbers.set(key(item), fresh);
      return fresh;
    },
  };
}
