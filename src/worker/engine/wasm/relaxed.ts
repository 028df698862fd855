/** Whether this machine multiplies and adds with one rounding: what relaxed SIMD leaves to it. */
import { setFlagsFromString } from 'node:v8';
import { ModuleBuilder } from '../../../kernels/wasm/module.ts';

/**
 * fused    a·b + c is rounded once
 * unfused  the product is rounded first: the same numbers as without relaxed SIMD
 * absent   this Node has no relaxed SIMD
 *
 * The answer reaches the bits of every result, so it is part of the numerics class.
 */
export type RelaxedMadd = 'absent' | 'fused' | 'unfused';

let known: RelaxedMadd | null = null;

/**
 * How f32x4.relaxed_madd rounds here; asked once a thread. Node 20 has relaxed SIMD behind a flag, which this sets:
 * call it before compiling any kernel.
 */
export function relaxedMadd(): RelaxedMadd {
  known ??= probe();
  return known;
}

/** (1 + 2⁻¹²)² − (1 + 2⁻¹¹) is 2⁻²⁴ with one rounding and 0 with two. */
function probe(): RelaxedMadd {
  const builder = new ModuleBuilder(null);
  const x = 'f32' as const;
  builder.define(
    'madd',
    {
      parameters: [
        ['a', x],
        ['b', x],
        ['c', x],
      ],
      results: [x],
    },
    (body) => {
      for (const parameter of body.parameters) body.get(parameter).emit('f32x4.splat');
      body.emit('f32x4.relaxed_madd').emit('f32x4.extract_lane', 0);
    },
  );
  const bytes = builder.bytes();
  // From Node 22 on it is simply there, and V8 prints a complaint about a flag that it does not know any more.
  if (!WebAssembly.validate(bytes)) setFlagsFromString('--experimental-wasm-relaxed-simd');
  if (!WebAssembly.validate(bytes)) return 'absent';
  const { madd } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
  return (madd as (a: number, b: number, c: number) => number)(
    1 + 2 ** -12,
    1 + 2 ** -12,
    -(1 + 2 ** -11),
  ) === 0
    ? 'unfused'
    : 'fused';
}
