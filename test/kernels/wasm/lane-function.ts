/** What an operation gives in WASM: its code compiled alone and run over arrays. */

import { type OpName, opNamed } from '../../../src/kernels/ops/table.ts';
import { Body } from '../../../src/kernels/wasm/body.ts';
import type { PoolEntry } from '../../../src/kernels/wasm/constant-pool.ts';
import { type Lane, lanes } from '../../../src/kernels/wasm/frame.ts';
import type { Instruction } from '../../../src/kernels/wasm/instructions.ts';
import { ModuleBuilder } from '../../../src/kernels/wasm/module.ts';
import { expand } from '../../../src/kernels/wasm/prelude.ts';

export interface LaneOptions {
  readonly lane: Lane;
  readonly fma: boolean;
}

const arrays = { f32x4: Float32Array, f64x2: Float64Array } as const;

/** Constants as immediates: the simplest hook. */
function immediate(body: Body, lane: Lane): (entry: PoolEntry) => void {
  return (entry) => {
    const scalar = new arrays[lane](1);
    if (entry.kind === 'number') scalar[0] = entry.value;
    else writeBits(scalar, entry.value);
    const bytes = [...new Uint8Array(scalar.buffer)];
    body.emit('v128.const', Array.from({ length: lanes[lane].count }, () => bytes).flat());
  };
}

function writeBits(scalar: Float32Array | Float64Array, value: bigint): void {
  const view = new DataView(scalar.buffer);
  if (scalar.BYTES_PER_ELEMENT === 4) view.setUint32(0, Number(BigInt.asUintN(32, value)), true);
  else view.setBigUint64(0, value, true);
}

/** Leaves op(operands) on the stack. */
function emitOp(
  op: OpName,
  body: Body,
  { lane, fma }: LaneOptions,
  operands: readonly ReturnType<Body['local']>[],
): void {
  const { wasm } = opNamed(op);
  if (wasm.kind === 'prelude') {
    expand(wasm.name, { body, lane, fma, constant: immediate(body, lane) }, operands);
    return;
  }
  for (const operand of operands) body.get(operand);
  body.emit(`${lane}.${wasm.name}`);
}

/** The instructions of an op applied to locals, operand and constant reads included. */
export function instructionsOf(op: OpName, options: LaneOptions): readonly Instruction[] {
  const { arity } = opNamed(op);
  const body = new Body(Array.from({ length: arity }, (_, k) => [`x${k}`, 'v128'] as const));
  emitOp(op, body, options, body.parameters);
  return body.code;
}

/** op applied to columns of arguments, rounded to the lane's type. */
export function laneFunction(
  op: OpName,
  options: LaneOptions,
): (...columns: readonly Float64Array[]) => Float64Array {
  const { arity } = opNamed(op);
  const builder = new ModuleBuilder({
    module: 'env',
    name: 'memory',
    pagesMin: 1,
    pagesMax: null,
    shared: false,
  });
  const stride = 1 << 18;
  builder.define(op, { parameters: [['bytes', 'i32']], results: [] }, (body, bytes) => {
    const at = body.local('i32', 'at');
    const operands = Array.from({ length: arity }, (_, k) => body.local('v128', `x${k}`));
    body.count(
      at,
      bytes!,
      () => {
        for (const [k, x] of operands.entries())
          body
            .get(at)
            .emit('v128.load', (k + 1) * stride)
            .set(x);
        body.get(at);
        emitOp(op, body, options, operands);
        body.emit('v128.store', 0);
      },
      16,
    );
  });
  const memory = new WebAssembly.Memory({ initial: ((arity + 1) * stride) >> 16 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(builder.bytes()), { env: { memory } });
  const run = instance.exports[op] as (bytes: number) => void;
  const { bytes: scalarBytes } = lanes[options.lane];
  return (...columns) => {
    const count = columns[0]?.length ?? 0;
    const view = (k: number): Float32Array | Float64Array =>
      new arrays[options.lane](memory.buffer as ArrayBuffer, k * stride, Math.ceil(count / 4) * 4);
    for (const [k, column] of columns.entries()) view(k + 1).set(column);
    run(Math.ceil((count * scalarBytes) / 16) * 16);
    return Float64Array.from(view(0).subarray(0, count));
  };
}
