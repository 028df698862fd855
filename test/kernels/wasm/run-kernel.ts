/** One kernel, compiled and called: memory laid out as `frame.ts` says, results as `world.ts` compares them. */
import type { Kernel } from '../../../src/kernels/ir/kernel.ts';
import { frameLayout, type Lane, lanes, vectorBytes } from '../../../src/kernels/wasm/frame.ts';
import { emitKernelModule } from '../../../src/kernels/wasm/row-kernel.ts';
import { relaxedMadd } from '../../../src/worker/engine/wasm/relaxed.ts';
import type { Results, World } from '../lower/world.ts';

// Node 20 has relaxed SIMD behind a flag, which this sets.
relaxedMadd();

export interface RunOptions {
  readonly lane: Lane;
  readonly fma: boolean;
  readonly vectors?: number;
  readonly abreast?: number;
}

export interface CompiledKernel {
  readonly run: (frame: number) => void;
  readonly memory: WebAssembly.Memory;
  readonly constants: Uint8Array;
  readonly listing: string;
}

export function compileKernel(kernel: Kernel, options: RunOptions, pages = 64): CompiledKernel {
  const memory = new WebAssembly.Memory({ initial: pages });
  const { module, constants, listing } = moduleOf(kernel, options);
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  const run = instance.exports[kernel.name];
  if (typeof run !== 'function') throw new Error('the kernel is exported under its name');
  return { run: (frame) => run(frame), memory, constants, listing };
}

type Emitted = Omit<CompiledKernel, 'memory' | 'run'> & { readonly module: WebAssembly.Module };

/** By options: a kernel is run in many worlds, each with a memory of its own. */
const emitted = new WeakMap<Kernel, Map<string, Emitted>>();

function moduleOf(kernel: Kernel, options: RunOptions): Emitted {
  const ofKernel = emitted.get(kernel) ?? new Map<string, Emitted>();
  emitted.set(kernel, ofKernel);
  const { lane, fma, vectors, abreast } = options;
  const key = `${lane} ${fma} ${vectors} ${abreast}`;
  const known = ofKernel.get(key) ?? emit(kernel, options);
  ofKernel.set(key, known);
  return known;
}

function emit(kernel: Kernel, options: RunOptions): Emitted {
  const { bytes, constants, listing } = emitKernelModule(kernel, options, {
    module: 'env',
    name: 'memory',
    pagesMin: 1,
    pagesMax: null,
    shared: false,
  });
  return { module: new WebAssembly.Module(bytes), constants, listing };
}

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`no ${what}`);
  return value;
}

/** A world in memory, with a frame that points at it. */
export interface Prepared {
  readonly frame: number;
  readonly read: () => Results;
}

/** Lays a world out for a kernel. Accumulators start at 0, so that reading gives what one call added. */
export function prepare(kernel: Kernel, lane: Lane, compiled: CompiledKernel, w: World): Prepared {
  const { buffer } = compiled.memory;
  const { bytes, count } = lanes[lane];
  const reals = (address: number, length: number): Float32Array | Float64Array =>
    lane === 'f32x4' ? new Float32Array(buffer, address, length) : new Float64Array(buffer, address, length);
  const i32 = new Int32Array(buffer);
  let next = 1024;
  const take = (size: number): number => {
    const at = next;
    next = Math.ceil((next + size) / 64) * 64;
    if (next > buffer.byteLength) throw new Error('the world does not fit into the memory');
    return at;
  };
  const put = (values: readonly number[]): number => {
    const at = take(values.length * bytes);
    reals(at, values.length).set(values);
    return at;
  };
  const padded = Math.ceil(w.rows / count) * count;
  const stride = padded * bytes;

  const layout = frameLayout(kernel, lane);
  const frame = take(layout.bytes);
  const field = (offset: number, value: number): void => {
    i32[(frame + offset) / 4] = value;
  };
  const constants = take(compiled.constants.byteLength);
  new Uint8Array(buffer).set(compiled.constants, constants);
  field(layout.rows, w.rows);
  field(layout.firstRow, w.firstRow);
  reals(frame + layout.time, 1)[0] = w.time;
  field(layout.params, put(w.params));
  field(layout.sums, put(w.sums));
  field(layout.constants, constants);
  const rowSums = take(kernel.rowSums.length * vectorBytes);
  field(layout.rowSums, rowSums);

  for (const bank of layout.banks) {
    const rows = found(w.stores.get(bank.name), bank.name);
    const at = take(stride * bank.components);
    for (let c = 0; c < bank.components; c++) {
      for (let r = 0; r < padded; r++) {
        const pad = bank.name.startsWith('cotangent:') && r >= w.rows;
        const value = pad ? 0 : found(rows[Math.min(r, w.rows - 1)]?.[c], 'component');
        reals(at + c * stride + r * bytes, 1)[0] = value;
      }
    }
    field(bank.address, at);
    field(bank.stride, stride);
  }
  for (const table of layout.tables) {
    field(table.address, put(found(w.stores.get(table.name), table.name).flatMap((row) => [...row])));
  }
  const setRows = (over: string): number => found(w.setRows.get(over), over);
  for (const set of layout.sets) field(set.rows, setRows(set.over));
  for (const pair of layout.pairs) field(pair.address, put(found(w.weights.get(pair.field), pair.field)));
  const planes = layout.planes.map((plane) => {
    const at = take(stride * plane.components);
    field(plane.address, at);
    field(plane.stride, stride);
    return { ...plane, at };
  });
  const scatters = layout.scatters.map((s) => {
    const table = found(
      layout.tables.find((t) => t.name === s.table),
      s.table,
    );
    const length = setRows(table.over) * s.columns;
    const at = take(length * vectorBytes);
    field(s.address, at);
    return { ...s, at, length };
  });
  const pairGradients = layout.pairGradients.map((p) => {
    const { length } = found(w.weights.get(p.field), p.field);
    const at = take(length * bytes);
    field(p.address, at);
    return { ...p, at, length };
  });

  const lanesAt = (address: number): number => [...reals(address, count)].reduce((a, b) => a + b, 0);
  const read = (): Results => ({
    planes: new Map(
      planes.map((p) => [
        p.bank,
        Array.from({ length: w.rows }, (_, r) =>
          Array.from({ length: p.components }, (_unused, c) =>
            found(reals(p.at + c * stride + r * bytes, 1)[0], 'value'),
          ),
        ),
      ]),
    ),
    rowSums: new Map(
      kernel.rowSums.map((s, n) => [`${s.target} ${s.component}`, lanesAt(rowSums + n * vectorBytes)]),
    ),
    scatters: new Map([
      ...scatters.flatMap((s) =>
        Array.from({ length: s.length }, (_, n): [string, number] => [
          `${s.table} ${Math.floor(n / s.columns)} ${n % s.columns}`,
          lanesAt(s.at + n * vectorBytes),
        ]),
      ),
      ...pairGradients.flatMap((p) =>
        Array.from({ length: p.length }, (_, n): [string, number] => [
          `pair ${p.field} ${n}`,
          found(reals(p.at, p.length)[n], 'weight'),
        ]),
      ),
    ]),
  });
  return { frame, read };
}

/** Compiles a kernel, calls it once on a world and reads what it left. */
export function runKernel(kernel: Kernel, options: RunOptions, w: World): Results {
  const compiled = compileKernel(kernel, options);
  const { frame, read } = prepare(kernel, options.lane, compiled, w);
  compiled.run(frame);
  return read();
}
