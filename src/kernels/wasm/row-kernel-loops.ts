/**
 * How the steps of a kernel are written: computations for all vectors in flight, loops over bound rows, what they add up.
 */
import { invariant } from '../../errors.ts';
import type { Accumulator, KernelScatter, LoopStep, Step, ValueId } from '../ir/kernel.ts';
import type { Local } from './body.ts';
import { lanes, loopsOf, vectorBytes } from './frame.ts';
import { sinkVaries } from './row-kernel-uses.ts';
import {
  hold,
  type LoopLocals,
  localOf,
  type Pass,
  present,
  push,
  pushFactors,
  pushMask,
  pushWeightAddress,
  valueAt,
  type Writer,
} from './row-kernel-values.ts';

/** Writes steps; `finish` writes what ends them, vector by vector, while the vector's values are at hand. */
export function writeSteps(
  w: Writer,
  pass: Pass,
  steps: readonly Step[],
  finish: (v: number) => void = () => {},
): void {
  let batch: ValueId[] = [];
  for (const step of steps) {
    if (step.kind === 'compute') {
      batch.push(step.value);
      continue;
    }
    writeBatch(w, pass, batch, () => {});
    batch = [];
    writeLoop(w, pass, step);
  }
  writeBatch(w, pass, batch, finish);
}

/** Values of one stretch: what is common to all vectors first, then one vector after another. */
function writeBatch(w: Writer, pass: Pass, batch: readonly ValueId[], finish: (v: number) => void): void {
  const held = batch.filter((id) => {
    const { kind } = valueAt(w, id);
    return kind !== 'constant' && kind !== 'accumulated' && w.uses.styleOf(id) === 'held';
  });
  for (const id of held) if (!valueAt(w, id).varies) hold(w, pass, id, 0);
  for (let v = 0; v < pass.vectors; v++) {
    for (const id of held) if (valueAt(w, id).varies) hold(w, pass, id, v);
    finish(v);
  }
}

/** One accumulator's locals: one a vector, or one for all. Arg-reductions also keep the best value so far. */
interface Accumulation {
  readonly accumulator: Accumulator;
  readonly values: readonly Local[];
  readonly best: readonly Local[];
}

const startOf = {
  sum: 0,
  min: Number.POSITIVE_INFINITY,
  max: Number.NEGATIVE_INFINITY,
  argmin: -1,
  argmax: -1,
} as const;

function writeLoop(w: Writer, pass: Pass, step: LoopStep): void {
  const { body } = w;
  const accumulations = step.accumulators.map((a) => startAccumulation(w, pass, a));
  for (const [id, value] of w.kernel.values.entries()) {
    if (value.kind !== 'accumulated' || value.loop !== step.id) continue;
    const accumulation = accumulations[value.accumulator];
    invariant(accumulation !== undefined, 'an accumulated value names an accumulator of its loop');
    pass.held.set(id, accumulation.values);
  }

  const count = w.addresses.rowsOf(step.loop.over);
  body.get(count).if(() => {
    const bound = startLoop(w, step);
    pass.loops.set(step.id, bound.locals);
    body.loop((again) => {
      const before = new Set(pass.held.keys());
      writeBody(w, pass, step, accumulations);
      for (const [id, locals] of pass.held) {
        if (before.has(id) || valueAt(w, id).kind === 'accumulated') continue;
        pass.held.delete(id);
        body.release(...locals);
      }
      bound.advance();
      body.branchIf(again);
    });
    bound.release();
    pass.loops.delete(step.id);
  });
  for (const { best } of accumulations) body.release(...best);
}

function startAccumulation(w: Writer, pass: Pass, accumulator: Accumulator): Accumulation {
  const { body } = w;
  const count = sinkVaries(w.kernel, accumulator) ? pass.vectors : 1;
  const locals = (value: number): readonly Local[] =>
    Array.from({ length: count }, () => {
      const local = body.borrow('v128');
      body.get(w.constant({ kind: 'number', value })).set(local);
      return local;
    });
  const { by } = accumulator;
  const arg = by === 'argmin' || by === 'argmax';
  return {
    accumulator,
    values: locals(startOf[by]),
    best: arg ? locals(by === 'argmin' ? startOf.min : startOf.max) : [],
  };
}

/** Sets a loop's locals to the first bound row. */
function startLoop(
  w: Writer,
  step: LoopStep,
): { readonly locals: LoopLocals; readonly advance: () => void; readonly release: () => void } {
  const { body, kernel } = w;
  const { bytes } = lanes[w.lane];
  const scattered = loopsOf([step]).flatMap((l) => l.scatters.map((s) => s.target));
  const read = kernel.values.flatMap((v) => ('loop' in v && v.loop === step.id ? [v] : []));
  const targets = scattered.filter((t) => t.loop === step.id);
  const numbers = <T>(items: readonly T[], pick: (item: T) => number | null): readonly number[] => [
    ...new Set(items.flatMap((i) => pick(i) ?? [])),
  ];
  const columnsOf = (table: number): number => present(kernel.tables[table]).columns;
  const componentsOf = (pair: number): number => present(kernel.pairs[pair]).components;

  const moving: { readonly local: Local; readonly by: number }[] = [];
  const pointer = (start: Local | null, by: number): Local => {
    const local = body.borrow('i32');
    if (start === null) body.i32(0);
    else body.get(start);
    body.set(local);
    moving.push({ local, by });
    return local;
  };
  const pointers = (
    items: readonly number[],
    start: (n: number) => Local | null,
    by: (n: number) => number,
  ): ReadonlyMap<number, Local> => new Map(items.map((n) => [n, pointer(start(n), by(n))]));

  const tables = pointers(
    numbers(read, (v) => (v.kind === 'row' ? v.table : null)),
    w.addresses.table,
    (t) => columnsOf(t) * bytes,
  );
  const scatters = pointers(
    numbers(targets, (t) => (t.kind === 'row' ? t.table : null)),
    w.addresses.scatter,
    (t) => columnsOf(t) * vectorBytes,
  );
  const pairs = pointers(
    [
      ...new Set([
        ...numbers(read, (v) => (v.kind === 'pair' ? v.pair : null)),
        ...numbers(targets, (t) => (t.kind === 'pair' ? t.pair : null)),
      ]),
    ],
    () => null,
    (p) => componentsOf(p) * bytes,
  );
  const counts =
    read.some((v) => v.kind === 'index') || step.accumulators.some((a) => a.by.startsWith('arg'));
  const index = counts ? body.borrow('v128') : null;
  if (index !== null) body.get(w.constant({ kind: 'number', value: 0 })).set(index);

  // The loop ends when its first pointer has passed all rows: no counter of its own.
  if (moving.length === 0) pointer(null, 1);
  const first = present(moving[0]);
  const end = body.borrow('i32');
  body.get(first.local).get(w.addresses.rowsOf(step.loop.over)).i32(first.by);
  body.emit('i32.mul').emit('i32.add').set(end);

  return {
    locals: { tables, scatters, pairs, index },
    advance: () => {
      if (index !== null) {
        body
          .get(index)
          .get(w.constant({ kind: 'number', value: 1 }))
          .emit(`${w.lane}.add`)
          .set(index);
      }
      for (const { local, by } of moving.slice(1)) body.increment(local, by);
      body.get(first.local).i32(first.by).emit('i32.add').tee(first.local);
      body.get(end).emit('i32.lt_u');
    },
    release: () => {
      body.release(end, ...moving.map((m) => m.local), ...(index === null ? [] : [index]));
    },
  };
}

function writeBody(w: Writer, pass: Pass, step: LoopStep, accumulations: readonly Accumulation[]): void {
  const loop = present(pass.loops.get(step.id));
  const sums = scatterSums(w, pass, step);
  writeSteps(w, pass, step.steps, (v) => {
    for (const a of accumulations) {
      if (a.values.length === pass.vectors || v === 0) accumulate(w, pass, a, loop, v);
    }
    // Opened only now: the loops inside may have added to the same rows.
    if (v === 0) for (const sum of sums.values()) sum.open();
    for (const s of step.scatters) {
      const sum = sums.get(scatterKey(s));
      if (sum === undefined) scatterWeights(w, pass, s, v);
      else addTerms(w, pass, s, sum.local, v);
    }
  });
  for (const sum of sums.values()) sum.close();
}

const scatterKey = ({ target }: KernelScatter): string =>
  target.kind === 'row' ? `${target.loop} ${target.table} ${target.column}` : '';

/** What all vectors in flight add to one column of the bound row, on its way to memory. */
interface ScatterSum {
  readonly local: Local;
  readonly open: () => void;
  readonly close: () => void;
}

/**
 * A register for every column scattered to, loaded before the first vector adds to it and stored after the last.
 * Where two loops of one table are scattered to at once, their rows may be the same row: then the registers start from 0
 * and are added to memory one after the other.
 */
function scatterSums(w: Writer, pass: Pass, step: LoopStep): ReadonlyMap<string, ScatterSum> {
  const { body, lane } = w;
  const targets = step.scatters.flatMap(({ target }) => (target.kind === 'row' ? [target] : []));
  const sums = new Map<string, ScatterSum>();
  for (const s of step.scatters) {
    const { target } = s;
    if (target.kind !== 'row' || sums.has(scatterKey(s))) continue;
    const pointer = present(pass.loops.get(target.loop)?.scatters.get(target.table));
    const offset = target.column * vectorBytes;
    const local = body.borrow('v128');
    const mayMeet = targets.some((t) => t.table === target.table && t.loop !== target.loop);
    sums.set(scatterKey(s), {
      local,
      open: () => {
        if (mayMeet) body.get(w.constant({ kind: 'number', value: 0 })).set(local);
        else body.get(pointer).emit('v128.load', offset).set(local);
      },
      close: () => {
        body.get(pointer).get(local);
        if (mayMeet) body.get(pointer).emit('v128.load', offset).emit(`${lane}.add`);
        body.emit('v128.store', offset);
        body.release(local);
      },
    });
  }
  return sums;
}

function accumulate(w: Writer, pass: Pass, a: Accumulation, loop: LoopLocals, v: number): void {
  const { body, lane } = w;
  const { accumulator } = a;
  const { by, value, where } = accumulator;
  const local = localOf(a.values, v);
  if (by === 'sum') {
    addTerms(w, pass, accumulator, local, v);
    return;
  }
  if (by === 'min' || by === 'max') {
    // min and max of the instruction set keep NaN, pmin and pmax would lose it.
    body.get(local);
    push(w, pass, value, v);
    if (where !== null) {
      body.get(w.constant({ kind: 'number', value: startOf[by] }));
      pushMask(w, pass, where, v);
      body.emit('v128.bitselect');
    }
    body.emit(`${lane}.${by}`).set(local);
    return;
  }
  const best = localOf(a.best, v);
  body.withLocals(['v128', 'v128'], (candidate, wins) => {
    invariant(candidate !== undefined && wins !== undefined, 'two locals were asked for');
    push(w, pass, value, v);
    body
      .tee(candidate)
      .get(best)
      .emit(by === 'argmin' ? `${lane}.lt` : `${lane}.gt`);
    if (where !== null) {
      pushMask(w, pass, where, v);
      body.emit('v128.and');
    }
    body.set(wins);
    body.get(candidate).get(best).get(wins).emit('v128.bitselect').set(best);
    body.get(present(loop.index)).get(local).get(wins).emit('v128.bitselect').set(local);
  });
}

/** sum ← sum ± terms, products by madd and nmadd; where selected away, nothing is added. */
function addTerms(w: Writer, pass: Pass, sink: Accumulator | KernelScatter, sum: Local, v: number): void {
  const { body, lane, uses } = w;
  for (const { value, negative } of uses.termsOf(sink)) {
    if (uses.styleOf(value) === 'absorbed') {
      pushFactors(w, pass, value, v);
      body
        .get(sum)
        .emit(negative ? `${lane}.relaxed_nmadd` : `${lane}.relaxed_madd`)
        .set(sum);
      continue;
    }
    body.get(sum);
    push(w, pass, value, v);
    if (sink.where !== null) {
      pushMask(w, pass, sink.where, v);
      body.emit('v128.and');
    }
    body.emit(negative ? `${lane}.sub` : `${lane}.add`).set(sum);
  }
}

/** Adds each lane's value to its own weight's gradient. */
function scatterWeights(w: Writer, pass: Pass, s: KernelScatter, v: number): void {
  const { body } = w;
  const { target } = s;
  invariant(target.kind === 'pair', 'what is no weight has its sum in a local');
  const { scalar, bytes } = lanes[w.lane];
  const offset = target.component * bytes;
  const rows = pass.weightRows[target.pair]?.[v] ?? [];
  body.withLocals(['v128', 'i32'], (vector, address) => {
    invariant(vector !== undefined && address !== undefined, 'two locals were asked for');
    push(w, pass, s.value, v);
    if (s.where !== null) {
      pushMask(w, pass, s.where, v);
      body.emit('v128.and');
    }
    body.set(vector);
    for (const [lane, row] of rows.entries()) {
      pushWeightAddress(w, pass, target, row, w.addresses.pairGradient(target.pair));
      body.tee(address).get(address).emit(`${scalar}.load`, offset);
      body
        .get(vector)
        .emit(`${w.lane}.extract_lane`, lane)
        .emit(`${scalar}.add`)
        .emit(`${scalar}.store`, offset);
    }
  });
}
