/**
 * What one operation on one vector costs in WASM: nanoseconds and instructions, op by op.
 *
 *   npx tsx bench/kernels/ops.ts [--json] [NAME …]
 *
 * Each op runs over arrays that stay in the first cache, constants kept in locals as kernels keep them. The figure is the
 * median of the calls after warm-up and includes a load, a store and the loop, which `stop` shows alone.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { type OpName, opNamed, opNames } from '../../src/kernels/ops/table.ts';
import { Body, type Local } from '../../src/kernels/wasm/body.ts';
import { constantPool } from '../../src/kernels/wasm/constant-pool.ts';
import { type Lane, lanes } from '../../src/kernels/wasm/frame.ts';
import { ModuleBuilder } from '../../src/kernels/wasm/module.ts';
import { expand } from '../../src/kernels/wasm/prelude.ts';
import { relaxedMadd } from '../../src/worker/engine/wasm/relaxed.ts';
import { instructionsOf } from '../../test/kernels/wasm/lane-function.ts';

const { values: options, positionals } = parseArgs({
  options: { json: { type: 'boolean', default: false }, seconds: { type: 'string', default: '0.1' } },
  allowPositionals: true,
});
const fma = relaxedMadd() !== 'absent';
const stride = 1 << 13;
const constantsAt = 1 << 16;

interface Row {
  readonly op: OpName;
  readonly instructions: number;
  readonly nanoseconds: Readonly<Record<Lane, number>>;
}

/** Median nanoseconds an op takes on one vector. */
function measure(op: OpName, lane: Lane): number {
  const { arity, domain, wasm } = opNamed(op);
  const pool = constantPool(lane);
  const loaded = new Map<number, Local>();
  const write = (body: Body, operands: readonly Local[], constant: (offset: number) => void): void => {
    if (wasm.kind === 'prelude') {
      const constantOf = {
        body,
        lane,
        fma,
        constant: (e: Parameters<typeof pool.offsetOf>[0]) => constant(pool.offsetOf(e)),
      };
      expand(wasm.name, constantOf, operands);
    } else {
      for (const x of operands) body.get(x);
      body.emit(`${lane}.${wasm.name}`);
    }
  };
  const builder = new ModuleBuilder({
    module: 'env',
    name: 'memory',
    pagesMin: 2,
    pagesMax: null,
    shared: false,
  });
  builder.define('run', { parameters: [['bytes', 'i32']], results: [] }, (body, bytes) => {
    // A first writing, thrown away, says which constants there are.
    const rehearsal = new Body(Array.from({ length: arity }, () => ['x', 'v128'] as const));
    const offsets = new Set<number>();
    write(rehearsal, rehearsal.parameters, (offset) => offsets.add(offset) && rehearsal.emit('nop'));
    for (const offset of offsets) {
      const local = body.local('v128');
      body
        .i32(constantsAt + offset)
        .emit(lane === 'f32x4' ? 'v128.load32_splat' : 'v128.load64_splat', 0)
        .set(local);
      loaded.set(offset, local);
    }
    const at = body.local('i32', 'at');
    const operands = Array.from({ length: arity }, () => body.local('v128', 'x'));
    const inside = (): void => {
      for (const [k, x] of operands.entries())
        body
          .get(at)
          .emit('v128.load', (k + 1) * stride)
          .set(x);
      body.get(at);
      write(body, operands, (offset) => {
        const local = loaded.get(offset);
        if (local !== undefined) body.get(local);
      });
      body.emit('v128.store', 0);
    };
    if (bytes !== undefined) body.count(at, bytes, inside, 16);
  });
  const memory = new WebAssembly.Memory({ initial: 2 });
  new Uint8Array(memory.buffer).set(pool.image(), constantsAt);
  const scalars = lane === 'f32x4' ? new Float32Array(memory.buffer) : new Float64Array(memory.buffer);
  const perArray = stride / lanes[lane].bytes;
  for (const [k, [low, high]] of domain.entries()) {
    for (let i = 0; i < perArray; i++)
      scalars[(k + 1) * perArray + i] = low + (high - low) * ((i * 0.618034) % 1);
  }
  const instance = new WebAssembly.Instance(new WebAssembly.Module(builder.bytes()), { env: { memory } });
  const run = instance.exports['run'] as (bytes: number) => void;
  const call = (): number => {
    const start = process.hrtime.bigint();
    for (let r = 0; r < 20; r++) run(stride);
    return Number(process.hrtime.bigint() - start) / 20 / (stride / 16);
  };
  for (let r = 0; r < 100; r++) call();
  const samples: number[] = [];
  const until = performance.now() + 1000 * Number(options.seconds);
  while (performance.now() < until) samples.push(call());
  return samples.sort((a, b) => a - b)[samples.length >> 1] ?? Number.NaN;
}

const wanted = opNames.filter((op) => positionals.length === 0 || positionals.includes(op));
const table: readonly Row[] = wanted.map((op) => ({
  op,
  instructions: instructionsOf(op, { lane: 'f32x4', fma }).filter(({ name }) => !/^local|const$/.test(name))
    .length,
  nanoseconds: { f32x4: measure(op, 'f32x4'), f64x2: measure(op, 'f64x2') },
}));

if (options.json) {
  console.log(JSON.stringify({ machine: cpus()[0]?.model, node: process.version, fma, table }, null, 2));
} else {
  console.log(`${cpus()[0]?.model}, Node ${process.version}, madd ${relaxedMadd()}; ns a vector`);
  console.log('op        instructions  f32x4   f64x2');
  for (const { op, instructions, nanoseconds } of table) {
    const figures = [nanoseconds.f32x4, nanoseconds.f64x2].map((x) => x.toFixed(2).padStart(7));
    console.log(`${op.padEnd(10)}${String(instructions).padStart(12)}${figures.join(' ')}`);
  }
}
