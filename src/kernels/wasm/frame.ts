/**
 * Where a row kernel finds its arguments: the layout of its call frame in memory.
 *
 * A row kernel is a WASM function `(frame: i32)`. `frame` is the address, a multiple of 16, of a record that the caller
 * fills; every number of `FrameLayout` that is not a count or a name is the byte offset of one entry of it:
 *
 *   i32           rows, firstRow, every address, every stride, every row count
 *   lane scalar   time (f32 for f32x4, f64 for f64x2)
 *
 * What the caller promises:
 *   - own banks and planes are structures of planes, `stride` bytes apart, each plane aligned to 16 bytes and padded to
 *     whole vectors (4 rows of f32, 2 of f64): the padding of a bank that is read holds copies of the last real row,
 *     the padding of a cotangent holds 0. Padding of planes that are written is overwritten with anything finite
 *     computed from it
 *   - tables are rows of scalars, [row][column]; params, sums and pair weights are scalars
 *   - accumulators (rowSums, scatters) are 16-byte vectors, one a component, that the kernel ADDS to: the caller zeroes
 *     them and sums the lanes. Pair gradients are scalars that the kernel ADDS to
 *   - nothing that is written overlaps anything that is read, except a plane written over the bank it was computed from,
 *     row by row
 */
import { invariant } from '../../errors.ts';
import type { Kernel, LoopStep, Step } from '../ir/kernel.ts';

/** The vector a kernel computes with: 4 rows in single, or 2 in double precision. */
export type Lane = 'f32x4' | 'f64x2';

/** Figures of a lane: `count` scalars of `bytes` bytes. */
export const lanes = {
  f32x4: { scalar: 'f32', count: 4, bytes: 4 },
  f64x2: { scalar: 'f64', count: 2, bytes: 8 },
} as const satisfies Record<Lane, { scalar: 'f32' | 'f64'; count: number; bytes: number }>;

/** Bytes of a vector of either lane. */
export const vectorBytes = 16;

/** Byte offsets within the frame of one kernel; lists are in the order of the kernel's own lists. */
export interface FrameLayout {
  /** Size of the frame, a multiple of 16. */
  readonly bytes: number;
  /** i32: how many real rows, ≥ 0. */
  readonly rows: number;
  /** i32: the number of the first row. Row r is number firstRow + min(r, rows − 1): padding repeats the last row. */
  readonly firstRow: number;
  /** Lane scalar. */
  readonly time: number;
  /** i32: address of the parameters. */
  readonly params: number;
  /** i32: address of the sums over tracers (only h(S) reads them). */
  readonly sums: number;
  /** i32: address of the module's constant pool (`constants.ts`). */
  readonly constants: number;
  /** i32: address of one vector for each entry of `kernel.rowSums`, in that order, added to. */
  readonly rowSums: number;
  /** Banks read: address of plane 0, bytes between planes. */
  readonly banks: readonly {
    readonly name: string;
    readonly components: number;
    readonly address: number;
    readonly stride: number;
  }[];
  /** Tables read: address of row 0. */
  readonly tables: readonly {
    readonly name: string;
    readonly over: string;
    readonly columns: number;
    readonly address: number;
  }[];
  /** i32: row count of every set that is looped over. */
  readonly sets: readonly { readonly over: string; readonly rows: number }[];
  /** Pair weights [own][bound][component] from own row number 0; M is the row count of the set looped over. */
  readonly pairs: readonly {
    readonly field: string;
    readonly components: number;
    readonly address: number;
  }[];
  /** Planes written. */
  readonly planes: readonly {
    readonly bank: string;
    readonly components: number;
    readonly address: number;
    readonly stride: number;
  }[];
  /** Vectors [row][column] for every table that is scattered to, added to. */
  readonly scatters: readonly {
    readonly table: string;
    readonly columns: number;
    readonly address: number;
  }[];
  /** Scalars laid out as the weights themselves, added to. */
  readonly pairGradients: readonly {
    readonly field: string;
    readonly components: number;
    readonly address: number;
  }[];
}

/** The frame of a kernel for one lane: a function of both alone. */
export function frameLayout(kernel: Kernel, lane: Lane): FrameLayout {
  let next = 0;
  const take = (bytes: number): number => {
    const offset = Math.ceil(next / bytes) * bytes;
    next = offset + bytes;
    return offset;
  };
  const i32 = (): number => take(4);

  const time = take(lanes[lane].bytes);
  const [rows, firstRow, params, sums, constants, rowSums] = [i32(), i32(), i32(), i32(), i32(), i32()];
  const loops = loopsOf(kernel.steps);
  const scattered = scatterTargets(loops);
  const layout = {
    rows,
    firstRow,
    time,
    params,
    sums,
    constants,
    rowSums,
    banks: kernel.banks.map((b) => ({ ...b, address: i32(), stride: i32() })),
    tables: kernel.tables.map((t) => ({ ...t, address: i32() })),
    sets: [...new Set(loops.map((l) => l.loop.over))].map((over) => ({ over, rows: i32() })),
    pairs: kernel.pairs.map((p) => ({ ...p, address: i32() })),
    planes: kernel.planes.map((p) => ({
      bank: p.bank,
      components: p.values.length,
      address: i32(),
      stride: i32(),
    })),
    scatters: scattered.tables.map((index) => {
      const table = kernel.tables[index];
      invariant(table !== undefined, 'a scatter names a table of its kernel');
      return { table: table.name, columns: table.columns, address: i32() };
    }),
    pairGradients: scattered.pairs.map((index) => {
      const pair = kernel.pairs[index];
      invariant(pair !== undefined, 'a scatter names a pair field of its kernel');
      return { ...pair, address: i32() };
    }),
  };
  return { ...layout, bytes: Math.ceil(next / vectorBytes) * vectorBytes };
}

/** Every loop of a kernel, outermost first. */
export function loopsOf(steps: readonly Step[]): readonly LoopStep[] {
  return steps.flatMap((s) => (s.kind === 'loop' ? [s, ...loopsOf(s.steps)] : []));
}

/** Numbers of the tables and pair fields that a kernel scatters to, ascending. */
function scatterTargets(loops: readonly LoopStep[]): {
  readonly tables: readonly number[];
  readonly pairs: readonly number[];
} {
  const targets = loops.flatMap((l) => l.scatters.map((s) => s.target));
  const ascending = (numbers: readonly number[]): readonly number[] =>
    [...new Set(numbers)].sort((a, b) => a - b);
  return {
    tables: ascending(targets.flatMap((t) => (t.kind === 'row' ? [t.table] : []))),
    pairs: ascending(targets.flatMap((t) => (t.kind === 'pair' ? [t.pair] : []))),
  };
}
