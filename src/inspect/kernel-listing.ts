/** What do the kernels of a program look like as the WASM engine would run them? */
import type { Kernel } from '../kernels/ir/kernel.ts';
import { lower } from '../kernels/lower/lower.ts';
import type { Program } from '../kernels/sweep/program.ts';
import type { Lane } from '../kernels/wasm/frame.ts';
import { emitKernelModule } from '../kernels/wasm/row-kernel.ts';
import { rowFunctions } from './row-functions.ts';

/** A kernel, instruction by instruction. */
export interface KernelListing {
  /** The row function it computes. */
  readonly name: Kernel['name'];
  /** What an instruction computes at once: four numbers in f32, two in f64. */
  readonly lane: Lane;
  /** WebAssembly, an instruction a line. */
  readonly text: string;
}

/** A listing of its own is a module of its own, which imports a memory as the engine's does. */
const memory = { module: 'env', name: 'memory', pagesMin: 1, pagesMax: 65_536, shared: true } as const;

/** The row kernels of a program in the lanes of its precision, with relaxed multiply-adds. */
export function kernelListings(program: Program, precision: 'f32' | 'f64'): readonly KernelListing[] {
  const lane = precision === 'f32' ? 'f32x4' : 'f64x2';
  return rowFunctions(program).map(({ fn, own }) => {
    const kernel = lower(fn, program.layout.of(own));
    const { listing } = emitKernelModule(kernel, { lane, fma: true }, memory);
    return { name: fn.name, lane, text: listing };
  });
}
