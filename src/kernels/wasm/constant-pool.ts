/**
 * Which scalar constants the row kernels of a module read: one list in memory, filled while kernels are written.
 *
 * A kernel keeps its constants in locals that it loads from here: newer V8 computes a `v128.const` again in every
 * round of a loop (1.6 × slower, kernels.md), a loaded local it keeps.
 */
import { invariant } from '../../errors.ts';
import { type Lane, lanes } from './frame.ts';

/** A constant of a lane's scalar type: a number, or the bits of one (integers that meet vectors as lanes). */
export type PoolEntry =
  | { readonly kind: 'bits'; readonly value: bigint }
  | { readonly kind: 'number'; readonly value: number };

export interface ConstantPool {
  readonly lane: Lane;
  /** Byte offset of a constant from the pool's address; the first call makes its place. */
  readonly offsetOf: (entry: PoolEntry) => number;
  /** What the caller writes to memory at the address it puts into `FrameLayout.constants`, once all kernels are written. */
  readonly image: () => Uint8Array<ArrayBuffer>;
}

export function constantPool(lane: Lane): ConstantPool {
  const { bytes } = lanes[lane];
  const offsets = new Map<bigint, number>();
  const offsetOf = (entry: PoolEntry): number => {
    const bits = entry.kind === 'bits' ? entry.value : bitsOf(entry.value, lane);
    const known = offsets.get(bits);
    if (known !== undefined) return known;
    const offset = offsets.size * bytes;
    offsets.set(bits, offset);
    return offset;
  };
  const image = (): Uint8Array<ArrayBuffer> => {
    const view = new DataView(new ArrayBuffer(offsets.size * bytes));
    for (const [bits, offset] of offsets) {
      if (bytes === 4) view.setUint32(offset, Number(BigInt.asUintN(32, bits)), true);
      else view.setBigUint64(offset, BigInt.asUintN(64, bits), true);
    }
    return new Uint8Array(view.buffer);
  };
  return { lane, offsetOf, image };
}

/** The bits of a number rounded once to the lane's scalar type. */
function bitsOf(value: number, lane: Lane): bigint {
  const view = new DataView(new ArrayBuffer(8));
  if (lane === 'f32x4') {
    view.setFloat32(0, value, true);
    return BigInt(view.getUint32(0, true));
  }
  invariant(lane === 'f64x2', 'there are two lanes');
  view.setFloat64(0, value, true);
  return view.getBigUint64(0, true);
}
