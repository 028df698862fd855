/**
 * What the sources' sweep does besides the steps themselves: it shows states to every row, meets the other threads,
 * and gathers what rows have added to one another.
 *
 * Sources are worked on in blocks of rows, each with f64 sums of its own ([row][component] cotangents, then the tail),
 * so that the order of every sum is that of the blocks, whichever thread did which.
 */

import { blockRows } from '../block.ts';
import type { Local } from './body.ts';
import {
  add,
  type Code,
  call,
  code,
  f64,
  get,
  i32,
  load,
  loopRange,
  loopWhile,
  mul,
  plus,
  seq,
  set,
  store,
  when,
} from './code.ts';
import type { ContextBuilder } from './context.ts';
import { lanes } from './frame.ts';
import type { Destinations } from './kernel-call.ts';
import type { FunctionRef, ModuleBuilder } from './module.ts';
import { barrierName } from './names.ts';
import { accumulatorLength, type Shapes, sourceBlocks, tailOffset } from './shapes.ts';
import { loadScalar, storeScalar } from './vectors.ts';

export interface SourceFunctions {
  /** Copies own rows of planes to the table number `index` and waits until every thread has. */
  readonly publish: (context: Local, planes: Code, index: Code) => Code;
  /** planes += Σ over blocks of what rows added to own rows (zeroed), + Γ when its address is given. */
  readonly gather: (context: Local, planes: Code, gamma: Code | null) => Code;
  /** planes += Γ, for own rows. */
  readonly seed: (context: Local, planes: Code, gamma: Code) => Code;
  /** Sums of the block that is `shift` bytes into the planes. */
  readonly destinations: (context: Local, shift: Code) => Destinations;
}

/** `scatters`: whether rows add to one another at all. */
export function emitSourceFunctions(
  module: ModuleBuilder,
  shapes: Shapes,
  context: ContextBuilder,
  scatters: boolean,
): SourceFunctions {
  const barrier = emitBarrier(module, context);
  const publishRows = emitPublish(module, shapes);
  const gatherRows = emitGather(module, shapes, scatters);
  const { rows, stateComponents: columns } = shapes.sources;
  const field = (c: Local, name: string): Code => load('i32.load', get(c), context.field(name));
  const ownRow = (c: Local, bytes: number): Code => mul(field(c, 'firstRow'), i32(columns * bytes));
  const accumulatorBytes = accumulatorLength(shapes) * 8;
  const tailStart = accumulatorBytes - shapes.tail.length * 8;
  return {
    publish: (c, planes, index) =>
      seq(
        call(
          publishRows,
          planes,
          field(c, 'rows'),
          add(
            add(field(c, 'table'), mul(index, i32(rows * columns * shapes.scalar))),
            ownRow(c, shapes.scalar),
          ),
        ),
        call(barrier, get(c)),
      ),
    gather: (c, planes, gamma) => {
      if (!scatters && gamma === null) return seq();
      const gathering = call(
        gatherRows,
        planes,
        field(c, 'rows'),
        gamma === null ? i32(0) : add(gamma, ownRow(c, 8)),
        scatters ? add(field(c, 'accumulators'), ownRow(c, 8)) : i32(0),
      );
      return scatters ? seq(call(barrier, get(c)), gathering, call(barrier, get(c))) : gathering;
    },
    seed: (c, planes, gamma) => call(gatherRows, planes, field(c, 'rows'), add(gamma, ownRow(c, 8)), i32(0)),
    destinations: (c, shift) => {
      const block = code(
        'i32.div_u',
        add(mul(field(c, 'firstRow'), i32(shapes.scalar)), shift),
        i32(blockRows * shapes.scalar),
      );
      const base = add(field(c, 'accumulators'), mul(block, i32(accumulatorBytes)));
      return {
        table: (name) => (name === 'sources.state' ? base : plus(base, tailStart + tailOffset(shapes, name))),
        written: () => false,
        params: plus(base, tailStart + shapes.tail.params * 8),
        sums: null,
      };
    },
  };
}

/** (planes, rows, target): target[row][component] = plane `component` at `row`. */
function emitPublish(module: ModuleBuilder, shapes: Shapes): FunctionRef {
  const { lane, scalar, sources } = shapes;
  const kind = lanes[lane].scalar;
  return module.define(
    'publish',
    {
      parameters: [
        ['planes', 'i32'],
        ['rows', 'i32'],
        ['target', 'i32'],
      ],
      results: [],
    },
    (b, planes, rows, target) => {
      loopWhile(
        get(rows),
        ...Array.from({ length: sources.stateComponents }, (_, c) =>
          store(
            `${kind}.store`,
            get(target),
            load(`${kind}.load`, get(planes), c * sources.stride),
            c * scalar,
          ),
        ),
        set(planes, plus(get(planes), scalar)),
        set(target, plus(get(target), sources.stateComponents * scalar)),
        set(rows, plus(get(rows), -1)),
      )(b);
    },
    'internal',
  );
}

/**
 * (planes, rows, gamma, sums): plane value += Γ + Σ_blocks sums, added in that order in f64 and rounded once; sums are
 * zeroed. Either address may be 0: nothing to add from there.
 */
function emitGather(module: ModuleBuilder, shapes: Shapes, scatters: boolean): FunctionRef {
  const { lane, scalar, sources } = shapes;
  const { stateComponents: columns, stride } = sources;
  const accumulatorBytes = accumulatorLength(shapes) * 8;
  return module.define(
    'gather',
    {
      parameters: [
        ['planes', 'i32'],
        ['rows', 'i32'],
        ['gamma', 'i32'],
        ['sums', 'i32'],
      ],
      results: [],
    },
    (b, planes, rows, gamma, sums) => {
      const total = b.local('f64', 'total');
      const block = b.local('i32', 'block');
      const component = (c: number): Code =>
        seq(
          set(total, f64(0)),
          when(get(gamma), set(total, load('f64.load', get(gamma), c * 8))),
          ...(scatters
            ? [
                when(
                  get(sums),
                  loopRange(
                    block,
                    i32(0),
                    i32(sourceBlocks(shapes) * accumulatorBytes),
                    accumulatorBytes,
                    set(
                      total,
                      code('f64.add', get(total), load('f64.load', add(get(sums), get(block)), c * 8)),
                    ),
                    store('f64.store', add(get(sums), get(block)), f64(0), c * 8),
                  ),
                ),
              ]
            : []),
          storeScalar(
            lane,
            get(planes),
            code('f64.add', loadScalar(lane, get(planes), c * stride), get(total)),
            c * stride,
          ),
        );
      loopWhile(
        get(rows),
        ...Array.from({ length: columns }, (_, c) => component(c)),
        set(planes, plus(get(planes), scalar)),
        when(get(gamma), set(gamma, plus(get(gamma), columns * 8))),
        when(get(sums), set(sums, plus(get(sums), columns * 8))),
        set(rows, plus(get(rows), -1)),
      )(b);
    },
    'internal',
  );
}

/** Turns a thread looks before it sleeps: about 20 µs on the machine of kernels.md. */
const spins = 4000;

/**
 * (context): waits until `threads` threads have come. Fields `threads`, `barrier` (arrivals, then the round's number).
 * It orders memory: what was written before is seen after.
 */
function emitBarrier(module: ModuleBuilder, context: ContextBuilder): FunctionRef {
  return module.define(barrierName, { parameters: [['context', 'i32']], results: [] }, (b, c) => {
    const [at, round, left] = [
      b.local('i32', 'at'),
      b.local('i32', 'round'),
      b.local('i32', 'left'),
    ] as const;
    const threads = load('i32.load', get(c), context.field('threads'));
    const arrive = code('i32.eq', plus(atomicAdd(get(at), 0), 1), threads);
    const sameRound = code('i32.eq', atomicLoad(get(at), 4), get(round));
    when(
      code('i32.gt_s', threads, i32(1)),
      set(at, load('i32.load', get(c), context.field('barrier'))),
      set(round, atomicLoad(get(at), 4)),
      (body) => {
        arrive(body);
        body.if(
          () => {
            seq(
              atomicStore(get(at), i32(0), 0),
              (x) => {
                atomicAdd(get(at), 4)(x);
                x.emit('drop');
              },
              (x) => {
                get(at)(x);
                x.i32(0x7fff_ffff).emit('memory.atomic.notify', 4).emit('drop');
              },
            )(body);
          },
          () => {
            seq(
              set(left, i32(spins)),
              loopWhile(
                code('i32.and', sameRound, code('i32.gt_s', get(left), i32(0))),
                set(left, plus(get(left), -1)),
              ),
              loopWhile(sameRound, (x) => {
                get(at)(x);
                get(round)(x);
                x.emit('i64.const', -1n).emit('memory.atomic.wait32', 4).emit('drop');
              }),
            )(body);
          },
        );
      },
    )(b);
  });
}

const atomicAdd =
  (address: Code, offset: number): Code =>
  (b) => {
    address(b);
    b.i32(1).emit('i32.atomic.rmw.add', offset);
  };

const atomicLoad =
  (address: Code, offset: number): Code =>
  (b) => {
    address(b);
    b.emit('i32.atomic.load', offset);
  };

const atomicStore =
  (address: Code, value: Code, offset: number): Code =>
  (b) => {
    address(b);
    value(b);
    b.emit('i32.atomic.store', offset);
  };
