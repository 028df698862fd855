/**
 * How a kernel becomes a WASM function: rows in vectors, several vectors a pass, loops over bound rows innermost.
 *
 *   once a call   constants, parameters, what no own row changes
 *   passes        V vectors of rows at a time, then the rest one by one:
 *     own values, loops over bound rows, planes stored, row sums added
 *
 * Every value of a pass lives in a local; a bound row is read once for all V vectors, and the bound rows of a round
 * interleave, so that one's latency is the other's work (`row-kernel-rounds.ts`).
 */
import type { Kernel, Step } from '../ir/kernel.ts';
import { Body, type Local } from './body.ts';
import { type ConstantPool, constantPool, type PoolEntry } from './constant-pool.ts';
import { frameLayout, type Lane, lanes, loopsOf, vectorBytes } from './frame.ts';
import { type FunctionRef, type MemoryImport, ModuleBuilder } from './module.ts';
import { writeSteps } from './row-kernel-loops.ts';
import { signsOf } from './row-kernel-signs.ts';
import { sinkVaries, usesOf } from './row-kernel-uses.ts';
import { type Addresses, type Pass, present, push, type Writer } from './row-kernel-values.ts';

export interface RowKernelOptions {
  readonly lane: Lane;
  /** Multiply-adds by relaxed madd and nmadd. Whether they fuse is the machine's choice (numerics class). */
  readonly fma: boolean;
  /** Shared by the kernels of a module. */
  readonly constants: ConstantPool;
  /** Vectors a pass; by default `vectorsOf(kernel)`. A function of the kernel alone: it decides the order of sums. */
  readonly vectors?: number;
  /** Bound rows a round of a loop; by default `rowsAbreastOf(kernel)`. No bit depends on it. */
  readonly abreast?: number;
}

/** Defines the function `(frame: i32)` of a kernel. Its frame is `frameLayout(kernel, lane)`. */
export function defineRowKernel(
  module: ModuleBuilder,
  kernel: Kernel,
  options: RowKernelOptions,
): FunctionRef {
  return module.define(kernel.name, { parameters: [['frame', 'i32']], results: [] }, (body) => {
    // Constants are found while the kernel is written, and loaded before it starts: it is written twice.
    const rehearsal = writeRowKernel(
      new Body(body.parameters.map((p) => [p.name, p.type])),
      kernel,
      options,
      [],
    );
    writeRowKernel(body, kernel, options, rehearsal);
  });
}

/** A module of one kernel, exported under its name, with the pool it reads: for tests and benches. */
export function emitKernelModule(
  kernel: Kernel,
  options: Omit<RowKernelOptions, 'constants'>,
  memory: MemoryImport,
): {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly constants: Uint8Array<ArrayBuffer>;
  readonly listing: string;
} {
  const constants = constantPool(options.lane);
  const module = new ModuleBuilder(memory);
  defineRowKernel(module, kernel, { ...options, constants });
  return { bytes: module.bytes(), constants: constants.image(), listing: module.listing() };
}

/** Operations that differ between rows in one loop, above which two vectors a pass are faster than four. */
const wideBodyOps = 24;

/**
 * Vectors of rows a pass.
 *
 * Four share what is read of a bound row; a long loop body keeps more values alive than there are registers, and two
 * are then faster; weights are gathered lane by lane, one vector at a time. Chosen on a Zen 4 core under V8 11.3 with
 * bench/kernels/pairs.ts, together with the bound rows a round.
 */
export function vectorsOf(kernel: Kernel): number {
  if (loopsOf(kernel.steps).length === 0 || kernel.pairs.length > 0) return 1;
  return longestBody(kernel) > wideBodyOps ? 2 : 4;
}

/** Operations that differ between rows in the longest loop body. */
function longestBody(kernel: Kernel): number {
  const work = loopsOf(kernel.steps).map(
    (l) =>
      l.steps.filter((s) => {
        const value = s.kind === 'compute' ? kernel.values[s.value] : undefined;
        return value?.kind === 'apply' && value.varies;
      }).length,
  );
  return Math.max(0, ...work);
}

/** Operations above which two bound rows a round are faster than four. */
const longBodyOps = 48;

/**
 * Bound rows a round. One vector against one row is a chain of some twenty instructions, each waiting for the last;
 * a core looks ahead over three such chains and is done with none in time. Four rows interleave: 1.38 instead of 1.02
 * billion pairs a second on the Gaussian sum, 1.02 to 1.37 × forward and 0.93 to 1.24 × backward on the formulas of
 * bench/kernels/pairs.ts. A body of 70 operations spills too much of four rows: two then gain 1.5 × (waves with cross
 * products, bench/jobs.ts).
 */
export function rowsAbreastOf(kernel: Kernel): number {
  return longestBody(kernel) > longBodyOps ? 2 : 4;
}

const entryKey = (e: PoolEntry): string => `${e.kind} ${Object.is(e.value, -0) ? '-0' : e.value}`;

/** Writes the function with `known` constants loaded at its start; returns all constants it came to use. */
function writeRowKernel(
  body: Body,
  kernel: Kernel,
  options: RowKernelOptions,
  known: readonly PoolEntry[],
): readonly PoolEntry[] {
  const { lane, fma } = options;
  const frame = body.parameter(0);
  const layout = frameLayout(kernel, lane);
  const constants = new Map<string, { readonly entry: PoolEntry; readonly local: Local }>();
  const constant = (entry: PoolEntry): Local => {
    const before = constants.get(entryKey(entry));
    if (before !== undefined) return before.local;
    const local = body.local('v128', `c${entry.value}`);
    constants.set(entryKey(entry), { entry, local });
    return local;
  };
  for (const entry of known) {
    body.get(frame).emit('i32.load', layout.constants);
    body.emit(
      lane === 'f32x4' ? 'v128.load32_splat' : 'v128.load64_splat',
      options.constants.offsetOf(entry),
    );
    body.set(constant(entry));
  }

  const w: Writer = {
    kernel,
    uses: usesOf(kernel, fma),
    signs: signsOf(kernel),
    lane,
    fma,
    abreast: options.abreast ?? rowsAbreastOf(kernel),
    frame,
    layout,
    body,
    constant,
    addresses: readAddresses(body, frame, kernel, lane),
  };
  const call: Pass = {
    vectors: 1,
    row: null,
    held: new Map(),
    rowNumbers: [],
    weightRows: [],
    loops: new Map(),
  };
  writeSteps(
    w,
    [call],
    kernel.steps.filter((s) => isOnce(kernel, s)),
  );
  writePasses(w, call, options.vectors ?? vectorsOf(kernel));
  return [...constants.values()].map((c) => c.entry);
}

/** Whether a step of the row's level is the same for all rows, so that it runs once a call. */
function isOnce(kernel: Kernel, step: Step): boolean {
  if (step.kind === 'compute') return kernel.values[step.value]?.varies === false;
  return (
    step.scatters.length === 0 &&
    step.accumulators.every((a) => !sinkVaries(kernel, a)) &&
    step.steps.every((s) => isOnce(kernel, s))
  );
}

/** Passes over all rows, V vectors at a time while they last, then one at a time. */
function writePasses(w: Writer, call: Pass, vectors: number): void {
  const { body } = w;
  const row = body.local('i32', 'row');
  const end = body.local('i32', 'end');
  const last = body.local('i32', 'last');
  body.get(w.frame).emit('i32.load', w.layout.rows);
  body
    .i32(lanes[w.lane].bytes)
    .emit('i32.mul')
    .i32(vectorBytes - 1)
    .emit('i32.add');
  body.i32(-vectorBytes).emit('i32.and').set(end);
  body.i32(0).set(row);
  const passes = (count: number): void => {
    const bytes = count * vectorBytes;
    // The last row at which `count` vectors still fit; rows and offsets stay far below 2³¹.
    body.get(end).i32(bytes).emit('i32.sub').set(last);
    body
      .get(row)
      .get(last)
      .emit('i32.le_s')
      .if(() => {
        body.loop((again) => {
          writePass(w, call, row, count);
          body.get(row).i32(bytes).emit('i32.add').tee(row).get(last).emit('i32.le_s').branchIf(again);
        });
      });
  };
  passes(vectors);
  if (vectors > 1) passes(1);
}

function writePass(w: Writer, call: Pass, row: Local, vectors: number): void {
  const { body, kernel } = w;
  const rowNumbers = numbersRows(kernel) ? rowNumbersOf(w, row, vectors) : [];
  const pass: Pass = {
    vectors,
    row,
    held: new Map(call.held),
    rowNumbers,
    weightRows: kernel.pairs.map((p) => rowNumbers.map((numbers) => weightRowsOf(w, numbers, p.components))),
    loops: new Map(),
  };
  writeSteps(
    w,
    [pass],
    kernel.steps.filter((s) => !isOnce(kernel, s)),
  );
  writePlanes(w, pass, row);
  writeRowSums(w, pass);
  for (const [id, locals] of pass.held) if (!call.held.has(id)) body.release(...locals);
  body.release(...rowNumbers, ...pass.weightRows.flat(2));
}

/** Every output is known before the first is stored: a plane may lie over the bank it was computed from. */
function writePlanes(w: Writer, pass: Pass, row: Local): void {
  const { body, kernel } = w;
  for (const [n, plane] of kernel.planes.entries()) {
    const { address, stride } = present(w.layout.planes[n]);
    for (const [c, value] of plane.values.entries()) {
      for (let v = 0; v < pass.vectors; v++) {
        body.get(w.frame).emit('i32.load', address).get(row).emit('i32.add');
        if (c > 0) body.get(w.frame).emit('i32.load', stride).i32(c).emit('i32.mul').emit('i32.add');
        push(w, pass, value, v);
        body.emit('v128.store', v * vectorBytes);
      }
    }
  }
}

function writeRowSums(w: Writer, pass: Pass): void {
  const { body, kernel } = w;
  for (const [n, { value }] of kernel.rowSums.entries()) {
    body.get(w.frame).emit('i32.load', w.layout.rowSums);
    body
      .get(w.frame)
      .emit('i32.load', w.layout.rowSums)
      .emit('v128.load', n * vectorBytes);
    for (let v = 0; v < pass.vectors; v++) {
      push(w, pass, value, v);
      body.emit(`${w.lane}.add`);
    }
    body.emit('v128.store', n * vectorBytes);
  }
}

/** Whether the numbers of the own rows are needed: as values, or to find weights. */
function numbersRows(kernel: Kernel): boolean {
  return kernel.pairs.length > 0 || kernel.values.some((v) => v.kind === 'index' && v.loop === null);
}

/** firstRow + min(row + lane, rows − 1), for each vector, as integers. */
function rowNumbersOf(w: Writer, row: Local, vectors: number): readonly Local[] {
  const { body } = w;
  const { count, bytes } = lanes[w.lane];
  return Array.from({ length: vectors }, (_, v) => {
    const local = body.borrow('v128');
    body.get(row).i32(Math.log2(bytes)).emit('i32.shr_u').emit('i32x4.splat');
    body
      .emit(
        'v128.const',
        [0, 1, 2, 3].flatMap((l) => [v * count + (l % count), 0, 0, 0]),
      )
      .emit('i32x4.add');
    body
      .get(w.frame)
      .emit('i32.load', w.layout.rows)
      .i32(1)
      .emit('i32.sub')
      .emit('i32x4.splat')
      .emit('i32x4.min_s');
    body.get(w.frame).emit('i32.load', w.layout.firstRow).emit('i32x4.splat').emit('i32x4.add').set(local);
    return local;
  });
}

/** The byte offset of each row's weights: row · M · components. */
function weightRowsOf(w: Writer, numbers: Local, components: number): readonly Local[] {
  const { body } = w;
  const { count, bytes } = lanes[w.lane];
  return Array.from({ length: count }, (_, l) => {
    const local = body.borrow('i32');
    body.get(numbers).emit('i32x4.extract_lane', l).get(w.addresses.rowsOf('sources'));
    body
      .emit('i32.mul')
      .i32(components * bytes)
      .emit('i32.mul')
      .set(local);
    return local;
  });
}

/** Reads every address of the frame into locals, once. */
function readAddresses(body: Body, frame: Local, kernel: Kernel, lane: Lane): Addresses {
  const layout = frameLayout(kernel, lane);
  const read = (offset: number): Local => {
    const local = body.local('i32');
    body.get(frame).emit('i32.load', offset).set(local);
    return local;
  };
  const readAll = (entries: readonly { readonly address: number }[]): readonly Local[] =>
    entries.map((e) => read(e.address));
  const planes = new Map<string, Local>();
  for (const v of kernel.values) {
    if (v.kind !== 'own' || planes.has(`${v.bank} ${v.component}`)) continue;
    const { address, stride } = present(layout.banks[v.bank]);
    const local = body.local('i32');
    body.get(frame).emit('i32.load', address);
    body.get(frame).emit('i32.load', stride).i32(v.component).emit('i32.mul').emit('i32.add').set(local);
    planes.set(`${v.bank} ${v.component}`, local);
  }
  const tables = readAll(layout.tables);
  const pairs = readAll(layout.pairs);
  const scatters = new Map(layout.scatters.map((s) => [s.table, read(s.address)]));
  const pairGradients = new Map(layout.pairGradients.map((p) => [p.field, read(p.address)]));
  const sets = new Map(layout.sets.map((s) => [s.over, read(s.rows)]));
  return {
    own: (bank, component) => present(planes.get(`${bank} ${component}`)),
    table: (n) => present(tables[n]),
    scatter: (n) => present(scatters.get(present(kernel.tables[n]).name)),
    pair: (n) => present(pairs[n]),
    pairGradient: (n) => present(pairGradients.get(present(kernel.pairs[n]).field)),
    rowsOf: (over) => present(sets.get(over)),
  };
}
