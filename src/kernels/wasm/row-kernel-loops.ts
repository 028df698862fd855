/**
 * How the steps of a kernel are written: computations for all vectors in flight, loops over bound rows, what they add up.
 */
import { invariant } from '../../errors.ts';
import type { Accumulator, KernelScatter, LoopStep, Step, ValueId } from '../ir/kernel.ts';
import type { Local } from './body.ts';
import { lanes, vectorBytes } from './frame.ts';
import { writeRounds } from './row-kernel-rounds.ts';
import { sinkVaries } from './row-kernel-uses.ts';
import {
  hold,
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

/** What ends the steps of one bound row: written vector by vector, when the vector's values are at hand. */
type Finish = (pass: Pass, v: number) => void;

/** Writes steps for passes that differ in their bound rows alone: several only where no loop stands inside. */
export function writeSteps(
  w: Writer,
  passes: readonly Pass[],
  steps: readonly Step[],
  finish: Finish = () => {},
): void {
  let batch: ValueId[] = [];
  for (const step of steps) {
    if (step.kind === 'compute') {
      batch.push(step.value);
      continue;
    }
    writeBatch(w, passes, batch, () => {});
    batch = [];
    for (const pass of passes) writeLoop(w, pass, step);
  }
  writeBatch(w, passes, batch, finish);
}

/**
 * Values of one stretch: what is common to all vectors first, then one vector after another, value by value for all
 * bound rows, whose sums come in the order of the rows.
 */
function writeBatch(w: Writer, passes: readonly Pass[], batch: readonly ValueId[], finish: Finish): void {
  const held = batch.filter((id) => {
    const { kind } = valueAt(w, id);
    return kind !== 'constant' && kind !== 'accumulated' && w.uses.styleOf(id) === 'held';
  });
  const [common, varying] = [
    held.filter((id) => !valueAt(w, id).varies),
    held.filter((id) => valueAt(w, id).varies),
  ];
  for (const pass of passes) for (const id of common) hold(w, [pass], id, 0);
  const vectors = passes[0]?.vectors ?? 0;
  for (let v = 0; v < vectors; v++) {
    for (const id of varying) hold(w, passes, id, v);
    for (const pass of passes) finish(pass, v);
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

  writeRounds(w, step, abreastOf(w, step), (rows) => {
    const passes = rows.map(
      (at): Pass => ({ ...pass, held: new Map(pass.held), loops: new Map(pass.loops).set(step.id, at) }),
    );
    writeRound(w, passes, step, accumulations);
    for (const { held } of passes) {
      for (const [id, locals] of held) if (!pass.held.has(id)) body.release(...locals);
    }
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

/** Bound rows a round: one where loops stand inside, or where what one row adds another may be adding to. */
function abreastOf(w: Writer, step: LoopStep): number {
  const alone =
    step.steps.some((s) => s.kind === 'loop') || step.scatters.some((s) => s.target.loop !== step.id);
  return alone ? 1 : w.abreast;
}

function writeRound(
  w: Writer,
  passes: readonly Pass[],
  step: LoopStep,
  accumulations: readonly Accumulation[],
): void {
  const sums = new Map(passes.map((pass) => [pass, scatterSums(w, pass, step)]));
  writeSteps(w, passes, step.steps, (pass, v) => {
    for (const a of accumulations) {
      if (a.values.length === pass.vectors || v === 0) accumulate(w, pass, a, step.id, v);
    }
    const own = present(sums.get(pass));
    // Opened only now: the loops inside may have added to the same rows.
    if (v === 0) for (const sum of own.values()) sum.open();
    for (const s of step.scatters) {
      const sum = own.get(scatterKey(s));
      if (sum === undefined) scatterWeights(w, pass, s, v);
      else addTerms(w, pass, s, sum.local, v);
    }
  });
  for (const own of sums.values()) for (const sum of own.values()) sum.close();
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

function accumulate(w: Writer, pass: Pass, a: Accumulation, loop: number, v: number): void {
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
    body
      .get(present(pass.loops.get(loop)?.index))
      .get(local)
      .get(wins)
      .emit('v128.bitselect')
      .set(local);
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
