import { describe, expect, it } from 'vitest';
import { lower } from '../../../src/kernels/lower/lower.ts';
import { constantPool } from '../../../src/kernels/wasm/constant-pool.ts';
import { type FrameLayout, frameLayout, type Lane, lanes } from '../../../src/kernels/wasm/frame.ts';
import { rowFunctions } from '../lower/functions.ts';
import { layout } from '../lower/world.ts';

/** Every offset of a frame with its size in bytes. */
function entries(frame: FrameLayout, lane: Lane): readonly (readonly [offset: number, bytes: number])[] {
  const words = [
    frame.rows,
    frame.firstRow,
    frame.params,
    frame.sums,
    frame.constants,
    frame.rowSums,
    ...[...frame.banks, ...frame.planes].flatMap((b) => [b.address, b.stride]),
    ...[...frame.tables, ...frame.pairs, ...frame.scatters, ...frame.pairGradients].map((t) => t.address),
    ...frame.sets.map((s) => s.rows),
  ];
  return [[frame.time, lanes[lane].bytes] as const, ...words.map((offset) => [offset, 4] as const)];
}

describe.each(['f32x4', 'f64x2'] as const)('the frame of a kernel in %s', (lane) => {
  it.each(rowFunctions.map((fn) => [fn.name, lower(fn, layout)] as const))(
    'of %s has a place of its own, aligned, for everything',
    (_, kernel) => {
      const frame = frameLayout(kernel, lane);
      const all = [...entries(frame, lane)].sort(([a], [b]) => a - b);
      const misplaced = all.filter(([offset, bytes], n) => {
        const end = all[n + 1]?.[0] ?? frame.bytes;
        return offset % bytes !== 0 || offset + bytes > end;
      });
      expect(misplaced).toEqual([]);
      expect(frame.bytes % 16).toBe(0);
    },
  );
});

describe('a constant pool', () => {
  it('rounds a number once, to the lane’s type, and keeps equal bits once', () => {
    const pool = constantPool('f32x4');
    const offsets = [0.1, Math.fround(0.1), 1, -0, 0].map((value) =>
      pool.offsetOf({ kind: 'number', value }),
    );
    expect(offsets).toEqual([0, 0, 4, 8, 12]);
    expect(pool.offsetOf({ kind: 'bits', value: 0x3f800000n })).toBe(4);
    expect([...new Float32Array(pool.image().buffer)]).toEqual([Math.fround(0.1), 1, -0, 0]);
  });

  it('holds doubles for two lanes', () => {
    const pool = constantPool('f64x2');
    pool.offsetOf({ kind: 'number', value: 0.1 });
    pool.offsetOf({ kind: 'bits', value: -1n });
    expect(new Float64Array(pool.image().buffer)[0]).toBe(0.1);
    expect(new BigUint64Array(pool.image().buffer)[1]).toBe(2n ** 64n - 1n);
  });
});
