/**
 * The loops over vectors that sweeps are made of: sums over lanes and rows in a fixed order, fills, checks.
 *
 * Each is a function of the emitted module. The order of every sum is part of the numerics: it depends on counts alone.
 */
import type { Local } from './body.ts';
import {
  add,
  type Code,
  code,
  f64,
  get,
  i32,
  load,
  loopRange,
  loopWhile,
  plus,
  seq,
  set,
  shuffle,
  store,
  sub,
  when,
  zeroVector,
} from './code.ts';
import { type Lane, lanes, vectorBytes } from './frame.ts';
import type { FunctionRef, ModuleBuilder } from './module.ts';

/** The helper functions of a module. */
export interface VectorFunctions {
  /** (source, target, count): target[i] += Σ lanes of vector source[i], in f64; the source is zeroed. */
  readonly reduce: FunctionRef;
  /** (source, target, count): target[i] = Σ lanes of vector source[i], the same otherwise. */
  readonly reduceInto: FunctionRef;
  /** (target, source, count): target[i] += source[i] for f64s; count even. */
  readonly addDoubles: FunctionRef;
  /** (planes, stride, components, bytes) → 1 when every value is finite. */
  readonly finite: FunctionRef;
  /** (plane, rows) → f64: Σ over rows. */
  readonly sumRows: FunctionRef;
  /** (plane, rows, firstRow, sign, value, winner): keeps the smaller of sign · plane and sign · *value, and its row. */
  readonly extremum: FunctionRef;
  /** (plane, rows, bytes, value, row): value on every row (row < 0) or on that row alone, 0 elsewhere. */
  readonly fill: FunctionRef;
}

export function emitVectorFunctions(module: ModuleBuilder, lane: Lane): VectorFunctions {
  return {
    reduce: emitReduce(module, lane, 'add'),
    reduceInto: emitReduce(module, lane, 'write'),
    addDoubles: emitAddDoubles(module),
    finite: emitFinite(module, lane),
    sumRows: emitSumRows(module, lane),
    extremum: emitExtremum(module, lane),
    fill: emitFill(module, lane),
  };
}

/** Reads a scalar of the lane as f64. */
export function loadScalar(lane: Lane, address: Code, offset = 0): Code {
  return lane === 'f32x4'
    ? code('f64.promote_f32', load('f32.load', address, offset))
    : load('f64.load', address, offset);
}

/** Rounds an f64 to the lane's scalar. */
export const toScalar = (lane: Lane, value: Code): Code =>
  lane === 'f32x4' ? code('f32.demote_f64', value) : value;

/** Writes an f64 as a scalar of the lane. */
export const storeScalar = (lane: Lane, address: Code, value: Code, offset = 0): Code =>
  store(`${lanes[lane].scalar}.store`, address, toScalar(lane, value), offset);

const i32s = (...names: readonly string[]): readonly (readonly [string, 'i32'])[] =>
  names.map((name) => [name, 'i32'] as const);

/** target[at] += pair, both lanes. */
const addPair = (target: Local, offset: number, pair: Code): Code =>
  store('v128.store', get(target), code('f64x2.add', load('v128.load', get(target), offset), pair), offset);

/** What becomes of a sum: added to what is there, or written over it. */
type Landing = 'add' | 'write';

const landPair = (landing: Landing, target: Local, offset: number, pair: Code): Code =>
  landing === 'add' ? addPair(target, offset, pair) : store('v128.store', get(target), pair, offset);

const landDouble = (landing: Landing, target: Local, value: Code): Code =>
  store(
    'f64.store',
    get(target),
    landing === 'add' ? code('f64.add', load('f64.load', get(target)), value) : value,
  );

function emitReduce(module: ModuleBuilder, lane: Lane, landing: Landing): FunctionRef {
  const name = landing === 'add' ? 'reduce' : 'reduceInto';
  return lane === 'f32x4' ? emitReduceSingle(module, name, landing) : emitReduceDouble(module, name, landing);
}

/**
 * Lanes are added as (l₀ + l₂) + (l₁ + l₃), in f32; four vectors at a time are transposed on the way.
 */
function emitReduceSingle(module: ModuleBuilder, name: string, landing: Landing): FunctionRef {
  return module.define(
    name,
    { parameters: i32s('source', 'target', 'count'), results: [] },
    (b, source, target, count) => {
      const halves = [b.local('v128'), b.local('v128')] as const;
      const sums = b.local('v128');
      const vectorAt = (k: number): Code => load('v128.load', get(source), k * vectorBytes);
      const clear = (k: number): Code => store('v128.store', get(source), zeroVector, k * vectorBytes);
      const half = (k: number): Code =>
        code(
          'f32x4.add',
          shuffle(vectorAt(k), vectorAt(k + 1), 4, [0, 4, 1, 5]),
          shuffle(vectorAt(k), vectorAt(k + 1), 4, [2, 6, 3, 7]),
        );
      seq(
        loopWhile(
          code('i32.ge_s', get(count), i32(4)),
          set(halves[0], half(0)),
          set(halves[1], half(2)),
          clear(0),
          clear(1),
          clear(2),
          clear(3),
          set(
            sums,
            code(
              'f32x4.add',
              shuffle(get(halves[0]), get(halves[1]), 4, [0, 1, 4, 5]),
              shuffle(get(halves[0]), get(halves[1]), 4, [2, 3, 6, 7]),
            ),
          ),
          landPair(landing, target, 0, code('f64x2.promote_low_f32x4', get(sums))),
          landPair(
            landing,
            target,
            16,
            code('f64x2.promote_low_f32x4', shuffle(get(sums), get(sums), 4, [2, 3, 2, 3])),
          ),
          set(source, plus(get(source), 4 * vectorBytes)),
          set(target, plus(get(target), 32)),
          set(count, sub(get(count), i32(4))),
        ),
        loopWhile(
          get(count),
          // The same order with the vector alone: (l₀ + l₂), (l₁ + l₃), then their sum.
          set(halves[0], vectorAt(0)),
          set(
            halves[0],
            code('f32x4.add', get(halves[0]), shuffle(get(halves[0]), get(halves[0]), 4, [2, 3, 2, 3])),
          ),
          set(
            halves[0],
            code('f32x4.add', get(halves[0]), shuffle(get(halves[0]), get(halves[0]), 4, [1, 1, 1, 1])),
          ),
          clear(0),
          landDouble(landing, target, code('f64.promote_f32', lane0(get(halves[0]), 'f32x4'))),
          set(source, plus(get(source), vectorBytes)),
          set(target, plus(get(target), 8)),
          set(count, sub(get(count), i32(1))),
        ),
      )(b);
    },
    'internal',
  );
}

function emitReduceDouble(module: ModuleBuilder, name: string, landing: Landing): FunctionRef {
  return module.define(
    name,
    { parameters: i32s('source', 'target', 'count'), results: [] },
    (b, source, target, count) => {
      const value = b.local('v128');
      loopWhile(
        get(count),
        set(value, load('v128.load', get(source))),
        store('v128.store', get(source), zeroVector),
        landDouble(landing, target, code('f64.add', lane0(get(value), 'f64x2'), lane1(get(value)))),
        set(source, plus(get(source), vectorBytes)),
        set(target, plus(get(target), 8)),
        set(count, sub(get(count), i32(1))),
      )(b);
    },
    'internal',
  );
}

function emitAddDoubles(module: ModuleBuilder): FunctionRef {
  return module.define(
    'addDoubles',
    { parameters: i32s('target', 'source', 'count'), results: [] },
    (b, target, source, count) => {
      loopWhile(
        get(count),
        addPair(target, 0, load('v128.load', get(source))),
        set(source, plus(get(source), 16)),
        set(target, plus(get(target), 16)),
        set(count, sub(get(count), i32(2))),
      )(b);
    },
  );
}

/** Σ 0 · x is 0 exactly where every x is finite, and NaN otherwise. */
function emitFinite(module: ModuleBuilder, lane: Lane): FunctionRef {
  return module.define(
    'finite',
    { parameters: i32s('planes', 'stride', 'components', 'bytes'), results: ['i32'] },
    (b, planes, stride, components, bytes) => {
      const at = b.local('i32', 'at');
      const sum = b.local('v128', 'sum');
      seq(
        loopWhile(
          get(components),
          loopRange(
            at,
            i32(0),
            get(bytes),
            vectorBytes,
            set(
              sum,
              code(
                `${lane}.add`,
                get(sum),
                code(`${lane}.mul`, load('v128.load', add(get(planes), get(at))), zeroVector),
              ),
            ),
          ),
          set(planes, add(get(planes), get(stride))),
          set(components, sub(get(components), i32(1))),
        ),
        code('i32x4.all_true', code(`${lane}.eq`, get(sum), zeroVector)),
      )(b);
    },
  );
}

/** Whole vectors first, in two f64x2 sums (f32) or one (f64); then the rows that are left; then lane 0 + lane 1. */
function emitSumRows(module: ModuleBuilder, lane: Lane): FunctionRef {
  const { bytes, count } = lanes[lane];
  return module.define(
    'sumRows',
    { parameters: i32s('plane', 'rows'), results: ['f64'] },
    (b, plane, rows) => {
      const [low, high, value] = [b.local('v128'), b.local('v128'), b.local('v128')] as const;
      const rest = b.local('f64');
      const accumulate =
        lane === 'f32x4'
          ? [
              set(low, code('f64x2.add', get(low), code('f64x2.promote_low_f32x4', get(value)))),
              set(
                high,
                code(
                  'f64x2.add',
                  get(high),
                  code('f64x2.promote_low_f32x4', shuffle(get(value), get(value), 4, [2, 3, 2, 3])),
                ),
              ),
            ]
          : [set(low, code('f64x2.add', get(low), get(value)))];
      seq(
        loopWhile(
          code('i32.ge_s', get(rows), i32(count)),
          set(value, load('v128.load', get(plane))),
          ...accumulate,
          set(plane, plus(get(plane), vectorBytes)),
          set(rows, sub(get(rows), i32(count))),
        ),
        loopWhile(
          get(rows),
          set(rest, code('f64.add', get(rest), loadScalar(lane, get(plane)))),
          set(plane, plus(get(plane), bytes)),
          set(rows, sub(get(rows), i32(1))),
        ),
        set(low, code('f64x2.add', get(low), get(high))),
        code('f64.add', code('f64.add', lane0(get(low), 'f64x2'), lane1(get(low))), get(rest)),
      )(b);
    },
    'internal',
  );
}

/** The first row attaining the smallest sign · value; a NaN is kept once met, so that it is found at the end. */
function emitExtremum(module: ModuleBuilder, lane: Lane): FunctionRef {
  return module.define(
    'extremum',
    {
      parameters: [...i32s('plane', 'rows', 'firstRow'), ['sign', 'f64'], ...i32s('value', 'winner')],
      results: [],
    },
    (b, plane, rows, firstRow, sign, value, winner) => {
      const candidate = b.local('f64', 'candidate');
      const best = b.local('f64', 'best');
      const better = code(
        'i32.or',
        code(
          'i32.or',
          code('f64.lt', load('f64.load', get(winner)), f64(0)),
          code('f64.lt', code('f64.mul', get(sign), get(candidate)), code('f64.mul', get(sign), get(best))),
        ),
        code('i32.and', code('f64.ne', get(candidate), get(candidate)), code('f64.eq', get(best), get(best))),
      );
      seq(
        set(best, load('f64.load', get(value))),
        loopWhile(
          get(rows),
          set(candidate, loadScalar(lane, get(plane))),
          when(
            better,
            set(best, get(candidate)),
            store('f64.store', get(winner), code('f64.convert_i32_s', get(firstRow))),
          ),
          set(plane, plus(get(plane), lanes[lane].bytes)),
          set(firstRow, plus(get(firstRow), 1)),
          set(rows, sub(get(rows), i32(1))),
        ),
        store('f64.store', get(value), get(best)),
      )(b);
    },
    'internal',
  );
}

function emitFill(module: ModuleBuilder, lane: Lane): FunctionRef {
  const { bytes: size } = lanes[lane];
  return module.define(
    'fill',
    { parameters: [...i32s('plane', 'rows', 'bytes'), ['value', 'f64'], ...i32s('row')], results: [] },
    (b, plane, rows, bytes, value, row) => {
      const at = b.local('i32', 'at');
      const everyRow = loopRange(
        at,
        i32(0),
        code('i32.mul', get(rows), i32(size)),
        size,
        storeScalar(lane, add(get(plane), get(at)), get(value)),
      );
      const oneRow = when(
        code('i32.lt_s', get(row), get(rows)),
        storeScalar(lane, add(get(plane), code('i32.mul', get(row), i32(size))), get(value)),
      );
      seq(
        loopRange(
          at,
          i32(0),
          get(bytes),
          vectorBytes,
          store('v128.store', add(get(plane), get(at)), zeroVector),
        ),
        (body) => {
          code('i32.lt_s', get(row), i32(0))(body);
          body.if(
            () => everyRow(body),
            () => oneRow(body),
          );
        },
      )(b);
    },
    'internal',
  );
}

const lane0 =
  (vector: Code, lane: Lane): Code =>
  (b) => {
    vector(b);
    b.emit(`${lane}.extract_lane`, 0);
  };

const lane1 =
  (vector: Code): Code =>
  (b) => {
    vector(b);
    b.emit('f64x2.extract_lane', 1);
  };
