/**
 * How one value of a kernel is put on the stack: read from memory, taken from its local, or computed in place.
 */
import { invariant } from '../../errors.ts';
import type { Kernel, Value, ValueId } from '../ir/kernel.ts';
import { type OpName, opNamed } from '../ops/table.ts';
import type { Body, Local } from './body.ts';
import type { PoolEntry } from './constant-pool.ts';
import { type FrameLayout, type Lane, lanes, vectorBytes } from './frame.ts';
import { expand, expandAbreast, type PreludeContext } from './prelude.ts';
import type { Sign } from './row-kernel-signs.ts';
import { chainOf, instructionOf, type Uses } from './row-kernel-uses.ts';

/** What a row kernel is being written with. */
export interface Writer {
  readonly kernel: Kernel;
  readonly uses: Uses;
  readonly signs: readonly Sign[];
  readonly lane: Lane;
  readonly fma: boolean;
  /** Bound rows a round, where a loop allows it. */
  readonly abreast: number;
  readonly frame: Local;
  readonly layout: FrameLayout;
  readonly body: Body;
  /** The local that holds a constant in every lane. */
  readonly constant: (entry: PoolEntry) => Local;
  /** i32 locals, filled at the start: plane addresses of own values `bank component`, table addresses, row counts. */
  readonly addresses: Addresses;
}

export interface Addresses {
  readonly own: (bank: number, component: number) => Local;
  readonly table: (table: number) => Local;
  readonly scatter: (table: number) => Local;
  readonly pair: (pair: number) => Local;
  readonly pairGradient: (pair: number) => Local;
  readonly rowsOf: (over: string) => Local;
}

/** The vectors of rows in flight, and what is known of them. */
export interface Pass {
  readonly vectors: number;
  /** i32: byte offset of the first vector within a plane; null before any row (what is computed once a call). */
  readonly row: Local | null;
  /** Locals of held values: one a vector, or one for all when the value does not vary. */
  readonly held: Map<ValueId, readonly Local[]>;
  /** Number of each row as lanes of integers, one local a vector; made where it is needed. */
  readonly rowNumbers: readonly Local[];
  /** Byte offset of each row's weights: [pair][vector][lane of i32]. */
  readonly weightRows: readonly (readonly (readonly Local[])[])[];
  readonly loops: ReadonlyMap<number, LoopLocals>;
}

/** Where a running loop stands. */
export interface LoopLocals {
  /** i32 pointers to the bound row: in its tables, in the gradients scattered to. */
  readonly tables: ReadonlyMap<number, Local>;
  readonly scatters: ReadonlyMap<number, Local>;
  /** i32: byte offset of the bound row within a row of weights. */
  readonly pairs: ReadonlyMap<number, Local>;
  /** The bound row's number in every lane. */
  readonly index: Local | null;
}

/** Comparisons leave masks of bits; everything else that selects is compared with 0. */
const comparisons: Partial<Record<OpName, 'eq' | 'ge' | 'gt' | 'le' | 'lt' | 'ne'>> = {
  eq: 'eq',
  ge: 'ge',
  gt: 'gt',
  le: 'le',
  lt: 'lt',
  ne: 'ne',
};

export function valueAt(w: Writer, id: ValueId): Value {
  const value = w.kernel.values[id];
  invariant(value !== undefined, 'steps name values of their kernel');
  return value;
}

/** A load of one scalar into every lane. */
function loadSplat(w: Writer, offset: number): void {
  w.body.emit(w.lane === 'f32x4' ? 'v128.load32_splat' : 'v128.load64_splat', offset);
}

/** Leaves the value of vector `v` on the stack. */
export function push(w: Writer, pass: Pass, id: ValueId, v: number): void {
  const value = valueAt(w, id);
  if (value.kind === 'constant') {
    w.body.get(w.constant({ kind: 'number', value: value.value }));
    return;
  }
  const held = pass.held.get(id);
  if (held === undefined) compute(w, pass, id, v);
  else w.body.get(localOf(held, v));
}

/** Leaves bits set in the lanes where a selection holds. */
export function pushMask(w: Writer, pass: Pass, id: ValueId, v: number): void {
  const held = pass.held.get(id);
  if (held !== undefined && w.uses.isMask(id)) {
    w.body.get(localOf(held, v));
    return;
  }
  if (held === undefined) {
    computeMask(w, pass, id, v);
    return;
  }
  push(w, pass, id, v);
  w.body.get(w.constant({ kind: 'number', value: 0 })).emit(`${w.lane}.ne`);
}

/**
 * Computes a held value of vector `v` (0 when it does not vary) for passes that differ in their bound rows alone, and
 * keeps it: a chain of steps step by step for all of them, so that they fill one another's waits. On a V8 that keeps
 * this order (13 and later) that is 1.20 × on the Gaussian sum, 1.15 × on a sigmoid network and 1.11 × on logsumexp
 * (bench/kernels/pairs.ts, Zen 4, Node 26); on an older one the machine code is the same.
 */
export function hold(w: Writer, passes: readonly Pass[], id: ValueId, v: number): void {
  const { body, uses } = w;
  const value = valueAt(w, id);
  const keep = (pass: Pass): void => {
    const local = body.borrow('v128');
    body.set(local);
    pass.held.set(id, [...(pass.held.get(id) ?? []), local]);
  };
  const chain = value.kind === 'apply' && !uses.isMask(id) ? chainOf(value.op) : null;
  if (value.kind === 'apply' && chain !== null) {
    const operands = passes.map((pass) => value.args.map((a) => operand(w, pass, a, v)));
    const locals = operands.map((args) => args.map((o) => o.local));
    expandAbreast(chain, contextOf(w, value.args), locals, (n) => keep(present(passes[n])));
    for (const { local, borrowed } of operands.flat()) if (borrowed) body.release(local);
    return;
  }
  for (const pass of passes) {
    if (uses.isMask(id)) computeMask(w, pass, id, v);
    else compute(w, pass, id, v);
    keep(pass);
  }
}

export function localOf(locals: readonly Local[], v: number): Local {
  const local = locals.length === 1 ? locals[0] : locals[v];
  invariant(local !== undefined, 'a held value has a local for every vector');
  return local;
}

function computeMask(w: Writer, pass: Pass, id: ValueId, v: number): void {
  const value = valueAt(w, id);
  if (value.kind === 'apply') {
    const [a, b] = value.args;
    const comparison = comparisons[value.op];
    if (a !== undefined && b !== undefined && comparison !== undefined) {
      push(w, pass, a, v);
      push(w, pass, b, v);
      w.body.emit(`${w.lane}.${comparison}`);
      return;
    }
    if (a !== undefined && b !== undefined && instructionOf(value.op) === 'mul') {
      pushMask(w, pass, a, v);
      pushMask(w, pass, b, v);
      w.body.emit('v128.and');
      return;
    }
  }
  if (value.kind === 'constant') push(w, pass, id, v);
  else compute(w, pass, id, v);
  w.body.get(w.constant({ kind: 'number', value: 0 })).emit(`${w.lane}.ne`);
}

function compute(w: Writer, pass: Pass, id: ValueId, v: number): void {
  const { body, addresses, lane } = w;
  const value = valueAt(w, id);
  switch (value.kind) {
    case 'accumulated':
      throw new Error('an accumulated value is held by its loop');
    case 'apply':
      apply(w, pass, id, value.op, value.args, v);
      break;
    case 'constant':
      body.get(w.constant({ kind: 'number', value: value.value }));
      break;
    case 'index':
      if (value.loop === null) pushRowNumber(w, pass, v);
      else body.get(present(pass.loops.get(value.loop)?.index));
      break;
    case 'own':
      body.get(addresses.own(value.bank, value.component)).get(present(pass.row));
      body.emit('i32.add').emit('v128.load', v * vectorBytes);
      break;
    case 'pair':
      pushWeight(w, pass, value, v);
      break;
    case 'param':
      body.get(w.frame).emit('i32.load', w.layout.params);
      loadSplat(w, value.component * lanes[lane].bytes);
      break;
    case 'row':
      body.get(present(pass.loops.get(value.loop)?.tables.get(value.table)));
      loadSplat(w, value.column * lanes[lane].bytes);
      break;
    case 'sum':
      body.get(w.frame).emit('i32.load', w.layout.sums);
      loadSplat(w, value.index * lanes[lane].bytes);
      break;
    case 'time':
      body.get(w.frame);
      loadSplat(w, w.layout.time);
      break;
  }
}

function apply(w: Writer, pass: Pass, id: ValueId, op: OpName, args: readonly ValueId[], v: number): void {
  const { body, lane, uses } = w;
  const { wasm } = opNamed(op);
  if (wasm.kind === 'instruction') {
    const n = uses.fusedOperand(id);
    const [addend, product] = n === 0 ? [args[1], args[0]] : [args[0], args[1]];
    if (n === null || addend === undefined || product === undefined) {
      for (const a of args) push(w, pass, a, v);
      body.emit(`${lane}.${wasm.name}`);
      return;
    }
    pushFactors(w, pass, product, v);
    push(w, pass, addend, v);
    body.emit(wasm.name === 'sub' ? `${lane}.relaxed_nmadd` : `${lane}.relaxed_madd`);
    return;
  }
  const [condition, chosen, otherwise] = args;
  if (op === 'select' && condition !== undefined && chosen !== undefined && otherwise !== undefined) {
    pushSelected(w, pass, condition, chosen, otherwise, v);
    return;
  }
  const operands = args.map((a) => operand(w, pass, a, v));
  expand(
    wasm.name,
    contextOf(w, args),
    operands.map((o) => o.local),
  );
  for (const { local, borrowed } of operands) if (borrowed) body.release(local);
}

/** Where an expansion of these arguments is written. */
function contextOf({ body, lane, fma, constant, signs }: Writer, args: readonly ValueId[]): PreludeContext {
  const [first] = args;
  return {
    body,
    lane,
    fma,
    constant: (entry) => {
      body.get(constant(entry));
    },
    nonPositive: first !== undefined && signs[first] === -1,
  };
}

/** `chosen` where the condition holds: conditions are masks here, never numbers. */
function pushSelected(
  w: Writer,
  pass: Pass,
  condition: ValueId,
  chosen: ValueId,
  otherwise: ValueId,
  v: number,
): void {
  const other = valueAt(w, otherwise);
  push(w, pass, chosen, v);
  if (other.kind === 'constant' && other.value === 0) {
    pushMask(w, pass, condition, v);
    w.body.emit('v128.and');
    return;
  }
  push(w, pass, otherwise, v);
  pushMask(w, pass, condition, v);
  w.body.emit('v128.bitselect');
}

/** Leaves both factors of a multiplication that its user carries out. */
export function pushFactors(w: Writer, pass: Pass, id: ValueId, v: number): void {
  const value = valueAt(w, id);
  invariant(value.kind === 'apply' && value.args.length === 2, 'only multiplications are absorbed');
  for (const a of value.args) push(w, pass, a, v);
}

/** A value in a local: its own, a constant's, or one borrowed for it. */
function operand(
  w: Writer,
  pass: Pass,
  id: ValueId,
  v: number,
): { readonly local: Local; readonly borrowed: boolean } {
  const value = valueAt(w, id);
  if (value.kind === 'constant') {
    return { local: w.constant({ kind: 'number', value: value.value }), borrowed: false };
  }
  const held = pass.held.get(id);
  if (held !== undefined) return { local: localOf(held, v), borrowed: false };
  compute(w, pass, id, v);
  const local = w.body.borrow('v128');
  w.body.set(local);
  return { local, borrowed: true };
}

/** The numbers of a vector's rows as lane scalars. */
function pushRowNumber(w: Writer, pass: Pass, v: number): void {
  w.body.get(localOf(pass.rowNumbers, v));
  w.body.emit(w.lane === 'f32x4' ? 'f32x4.convert_i32x4_s' : 'f64x2.convert_low_i32x4_s');
}

/** A weight for each lane: the rows of a vector lie M weights apart. */
function pushWeight(w: Writer, pass: Pass, value: Extract<Value, { kind: 'pair' }>, v: number): void {
  const { body } = w;
  const rows = pass.weightRows[value.pair]?.[v] ?? [];
  const offset = value.component * lanes[w.lane].bytes;
  body.get(w.constant({ kind: 'number', value: 0 }));
  body.withLocals(['v128'], (vector) => {
    body.set(present(vector));
    for (const [lane, row] of rows.entries()) {
      pushWeightAddress(w, pass, value, row, w.addresses.pair(value.pair));
      body.get(present(vector));
      body
        .emit(w.lane === 'f32x4' ? 'v128.load32_lane' : 'v128.load64_lane', offset, lane)
        .set(present(vector));
    }
    body.get(present(vector));
  });
}

/** base + (own row's offset) + (bound row's offset). */
export function pushWeightAddress(
  w: Writer,
  pass: Pass,
  at: { readonly pair: number; readonly loop: number },
  row: Local,
  base: Local,
): void {
  w.body.get(base).get(row).emit('i32.add');
  w.body.get(present(pass.loops.get(at.loop)?.pairs.get(at.pair))).emit('i32.add');
}

/** For what was made before it is asked for. */
export function present<T>(local: T | null | undefined): T {
  invariant(local !== null && local !== undefined, 'a pass and its loops have what the kernel reads');
  return local;
}
