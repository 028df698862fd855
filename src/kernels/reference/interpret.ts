/**
 * What a row function computes, done literally: the oracle that every engine is held against.
 *
 * Every node of the graph has a register of doubles. For one row, nodes are computed operands first; a reduction
 * visits its rows one after another and computes what depends on the bound row for each. Nothing is fused,
 * rearranged or shared with the code generators, and every operation is its record's `evaluate`.
 */
import { invariant } from '../../errors.ts';
import { type Expr, type Leaf, type Loop, loopKey, operands, type Reduce } from '../ir/expr.ts';
import type { Layout } from '../ir/kernel.ts';
import type { RowFunction, Scatter } from '../ir/row-function.ts';
import { freeLoops, postorder } from '../ir/walk.ts';
import { opNamed } from '../ops/table.ts';
import type { RowInputs, RowResults } from './memory.ts';

/** A row function ready to run. */
export type Interpreted = (inputs: RowInputs) => RowResults;

/** What the instructions of one call see. */
interface State {
  readonly inputs: RowInputs;
  /** The own row, counted from 0. */
  row: number;
  /** The bound row of each loop, by number. */
  readonly bound: Int32Array;
  readonly registers: Float64Array;
  readonly results: Mutable;
}

interface Mutable {
  readonly planes: Map<string, Float64Array>;
  readonly params: Float64Array;
  readonly sums: Float64Array;
  readonly tables: Map<string, Float64Array>;
  readonly pairs: Map<string, Float64Array>;
  visits: number;
}

type Instruction = (s: State) => void;

/** Settles a row function once; the result may be called for any rows. */
export function interpret(fn: RowFunction, layout: Layout): Interpreted {
  const registerOf = new Map<Expr, number>();
  let registerCount = 0;
  const loops = new Map<string, number>();

  const register = (e: Expr): number => {
    const known = registerOf.get(e);
    if (known !== undefined) return known;
    const fresh = registerCount;
    registerCount += e.width;
    registerOf.set(e, fresh);
    return fresh;
  };
  const loopNumber = (loop: Loop): number => {
    const key = loopKey(loop);
    const known = loops.get(key);
    if (known !== undefined) return known;
    loops.set(key, loops.size);
    return loops.size - 1;
  };

  /**
   * Instructions that compute the roots inside the loops `chain`: all nodes whose bound rows are known here and that
   * depend on the innermost of them. What depends on fewer has been computed further out.
   */
  const block = (roots: readonly Expr[], chain: readonly string[]): readonly Instruction[] => {
    const innermost = chain.at(-1);
    return postorder(...roots)
      .filter((e) => {
        const free = freeLoops(e);
        return (
          [...free].every((key) => chain.includes(key)) && (innermost === undefined || free.has(innermost))
        );
      })
      .map((e) => instruction(e, chain));
  };

  const instruction = (e: Expr, chain: readonly string[]): Instruction => {
    const to = register(e);
    switch (e.kind) {
      case 'apply':
        return applyInstruction(e, to, register);
      case 'concat': {
        const from = e.args.map((a) => ({ start: register(a), width: a.width }));
        return ({ registers }) => {
          let at = to;
          for (const { start, width } of from) {
            for (let c = 0; c < width; c++) registers[at++] = registers[start + c]!;
          }
        };
      }
      case 'constant': {
        const { value } = e;
        return ({ registers }) => {
          registers[to] = value;
        };
      }
      case 'input': {
        const read = reader(e.leaf, layout, loopNumber);
        const { width } = e;
        return (s) => {
          for (let c = 0; c < width; c++) s.registers[to + c] = read(s, c);
        };
      }
      case 'part': {
        const from = register(e.arg) + e.start;
        const { width } = e;
        return ({ registers }) => {
          for (let c = 0; c < width; c++) registers[to + c] = registers[from + c]!;
        };
      }
      case 'reduce':
        return reduceInstruction(e, to, chain);
      case 'total': {
        const from = register(e.arg);
        const { width } = e.arg;
        return ({ registers }) => {
          let sum = 0;
          for (let c = 0; c < width; c++) sum += registers[from + c]!;
          registers[to] = sum;
        };
      }
    }
  };

  const reduceInstruction = (e: Reduce, to: number, chain: readonly string[]): Instruction => {
    const { loop, by, width } = e;
    const inner = block(operands(e), [...chain, loopKey(loop)]);
    const number = loopNumber(loop);
    const body = register(e.body);
    const where = e.where === null ? null : register(e.where);
    const { start, better } = reducers[by];
    const isArg = by === 'argmax' || by === 'argmin';
    const best = new Float64Array(width);
    return (s) => {
      const { registers, bound } = s;
      const count = s.inputs.count(loop.over);
      registers.fill(start, to, to + width);
      for (let l = 0; l < count; l++) {
        bound[number] = l;
        s.results.visits++;
        for (const run of inner) run(s);
        if (where !== null && registers[where] === 0) continue;
        for (let c = 0; c < width; c++) {
          const value = registers[body + c]!;
          const held = registers[to + c]!;
          if (better === null) {
            registers[to + c] = held + value;
          } else if (isArg) {
            if (held === -1 || better(value, best[c]!)) {
              registers[to + c] = l;
              best[c] = value;
            }
          } else if (better(value, held)) {
            registers[to + c] = value;
          }
        }
      }
    };
  };

  /** Runs the loops of a scatter from the outermost in and adds its value at the innermost. */
  const scatterInstruction = (s: Scatter): { readonly outer: readonly Expr[]; readonly run: Instruction } => {
    const roots = s.where === null ? [s.value] : [s.value, s.where];
    const add = scatterAdd(s, layout, register(s.value), loopNumber);
    const where = s.where === null ? null : register(s.where);
    const nest = (depth: number, chain: readonly string[]): Instruction => {
      const loop = s.loops[depth];
      if (loop === undefined) {
        return (state) => {
          if (where === null || state.registers[where] !== 0) add(state);
        };
      }
      const inside = [...chain, loopKey(loop)];
      const inner = block(roots, inside);
      const deeper = nest(depth + 1, inside);
      const number = loopNumber(loop);
      return (state) => {
        const count = state.inputs.count(loop.over);
        for (let l = 0; l < count; l++) {
          state.bound[number] = l;
          state.results.visits++;
          for (const run of inner) run(state);
          deeper(state);
        }
      };
    };
    return { outer: roots, run: nest(0, []) };
  };

  const scatters = fn.scatters.map(scatterInstruction);
  const top = block(
    [
      ...fn.planes.map((p) => p.value),
      ...fn.rowSums.map((r) => r.value),
      ...scatters.flatMap((s) => s.outer),
    ],
    [],
  );
  const stores = fn.planes.map((p) => storePlane(p.name, register(p.value), p.value.width));
  const sums = fn.rowSums.map(({ target, value }): Instruction => {
    const from = register(value);
    const { width } = value;
    const start = target.role === 'param' ? layout.param(target.field) : target.index;
    return ({ registers, results }) => {
      const into = target.role === 'param' ? results.params : results.sums;
      for (let c = 0; c < width; c++) into[start + c]! += registers[from + c]!;
    };
  });
  const instructions = [...top, ...stores, ...sums, ...scatters.map((s) => s.run)];

  return (inputs) => {
    const results: Mutable = {
      planes: new Map(fn.planes.map((p) => [p.name, new Float64Array(inputs.rows * p.value.width)])),
      params: new Float64Array(inputs.params.length),
      sums: new Float64Array(inputs.sums.length),
      tables: new Map(),
      pairs: new Map(),
      visits: 0,
    };
    for (const { target } of fn.scatters) prepare(target, layout, inputs, results);
    const state: State = {
      inputs,
      row: 0,
      bound: new Int32Array(Math.max(1, loops.size)),
      registers: new Float64Array(registerCount),
      results,
    };
    for (let row = 0; row < inputs.rows; row++) {
      state.row = row;
      for (const run of instructions) run(state);
    }
    return results;
  };
}

/** What a reduction starts from, and when a new value takes the place of the one held; null: values are added. */
const reducers: Readonly<
  Record<
    Reduce['by'],
    { readonly start: number; readonly better: ((value: number, held: number) => boolean) | null }
  >
> = {
  argmax: { start: -1, better: (value, held) => value > held },
  argmin: { start: -1, better: (value, held) => value < held },
  // A value that is not a number is kept, so that it is seen.
  max: { start: -Infinity, better: (value, held) => value > held || Number.isNaN(value) },
  min: { start: Infinity, better: (value, held) => value < held || Number.isNaN(value) },
  sum: { start: 0, better: null },
};

function applyInstruction(
  e: Extract<Expr, { kind: 'apply' }>,
  to: number,
  register: (e: Expr) => number,
): Instruction {
  const { evaluate } = opNamed(e.op);
  // An argument of width 1 meets every component.
  const args = e.args.map((a) => ({ start: register(a), stride: a.width === 1 ? 0 : 1 }));
  const [a, b, c] = args;
  const { width } = e;
  invariant(a !== undefined, 'every operation has an argument');
  if (b === undefined) {
    return ({ registers: r }) => {
      for (let i = 0; i < width; i++) r[to + i] = evaluate(r[a.start + i * a.stride]!);
    };
  }
  if (c === undefined) {
    return ({ registers: r }) => {
      for (let i = 0; i < width; i++) {
        r[to + i] = evaluate(r[a.start + i * a.stride]!, r[b.start + i * b.stride]!);
      }
    };
  }
  return ({ registers: r }) => {
    for (let i = 0; i < width; i++) {
      r[to + i] = evaluate(
        r[a.start + i * a.stride]!,
        r[b.start + i * b.stride]!,
        r[c.start + i * c.stride]!,
      );
    }
  };
}

/** Component c of a leaf. */
function reader(
  leaf: Leaf,
  layout: Layout,
  loopNumber: (loop: Loop) => number,
): (s: State, c: number) => number {
  switch (leaf.role) {
    case 'cotangent': {
      const { bank } = layout.cotangent(leaf.name);
      return (s, c) => ownValue(s, bank, c);
    }
    case 'index': {
      if (leaf.loop === null) return (s) => s.inputs.firstRow + s.row;
      const number = loopNumber(leaf.loop);
      return (s) => s.bound[number]!;
    }
    case 'own': {
      const { bank, component } = layout.own(leaf.field, leaf.at);
      return (s, c) => ownValue(s, bank, component + c);
    }
    case 'pair': {
      const { field } = leaf;
      const width = layout.pair(field);
      const number = loopNumber(leaf.loop);
      return (s, c) => {
        const weights = s.inputs.pairs.get(field);
        invariant(weights !== undefined, `weights \`${field}\` are given`);
        return weights[(s.row * s.inputs.count('sources') + s.bound[number]!) * width + c]!;
      };
    }
    case 'param': {
      const start = layout.param(leaf.field);
      return (s, c) => s.inputs.params[start + c]!;
    }
    case 'row': {
      const { table, column, columns } = layout.row(leaf.loop.over, leaf.field, leaf.at);
      const number = loopNumber(leaf.loop);
      return (s, c) => {
        const rows = s.inputs.tables.get(table);
        invariant(rows !== undefined, `table \`${table}\` is given`);
        return rows[s.bound[number]! * columns + column + c]!;
      };
    }
    case 'sum':
      return (s, c) => s.inputs.sums[leaf.index + c]!;
    case 'time':
      return (s) => s.inputs.time;
  }
}

function ownValue(s: State, bank: string, component: number): number {
  const values = s.inputs.banks.get(bank);
  invariant(values !== undefined, `bank \`${bank}\` is given`);
  // A bank may have more components than the layout names (never fewer): its row length is its own.
  return values[s.row * (values.length / s.inputs.rows) + component]!;
}

function storePlane(name: string, from: number, width: number): Instruction {
  return ({ registers, row, results }) => {
    results.planes.get(name)?.set(registers.subarray(from, from + width), row * width);
  };
}

/** Zeros for what a scatter adds to. */
function prepare(target: Scatter['target'], layout: Layout, inputs: RowInputs, results: Mutable): void {
  if (target.role === 'pair') {
    const size = inputs.count('sources') ** 2 * layout.pair(target.field);
    if (!results.pairs.has(target.field)) results.pairs.set(target.field, new Float64Array(size));
    return;
  }
  const { table, columns } = layout.row(target.loop.over, target.field, target.at);
  if (!results.tables.has(table)) {
    results.tables.set(table, new Float64Array(inputs.count(target.loop.over) * columns));
  }
}

function scatterAdd(
  { target, value }: Scatter,
  layout: Layout,
  from: number,
  loopNumber: (loop: Loop) => number,
): Instruction {
  const number = loopNumber(target.loop);
  const { width } = value;
  if (target.role === 'pair') {
    const components = layout.pair(target.field);
    return (s) => {
      const into = s.results.pairs.get(target.field)!;
      const at = (s.row * s.inputs.count('sources') + s.bound[number]!) * components;
      for (let c = 0; c < width; c++) into[at + c]! += s.registers[from + c]!;
    };
  }
  const { table, column, columns } = layout.row(target.loop.over, target.field, target.at);
  return (s) => {
    const into = s.results.tables.get(table)!;
    const at = s.bound[number]! * columns + column;
    for (let c = 0; c < width; c++) into[at + c]! += s.registers[from + c]!;
  };
}
