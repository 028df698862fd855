/**
 * How a shard's rows are kept on the host: blocks of f32 planes, as the device reads them, one block after another.
 */
import { SkewflowError } from '../../../errors.ts';
import { blockRows } from '../../../kernels/block.ts';
import type { Shapes } from '../../../kernels/wgsl/shapes.ts';
import { blocksOf, type ShardRange } from '../../../partition/plan.ts';
import type { Reals } from '../engine.ts';

export interface Image {
  readonly range: ShardRange;
  readonly blocks: number;
  /** [block][component][256]: state, constants, slices of `with` arrays; the last block is filled with its last row. */
  readonly data: Float32Array<ArrayBuffer>;
}

/** @throws SkewflowError('ShapeError') when a field is missing or has another size than its rows need */
export function makeImage(shapes: Shapes, range: ShardRange, rows: ReadonlyMap<string, Reals>): Image {
  const count = range.end - range.begin;
  const blocks = blocksOf(range);
  const components = shapes.imageComponents;
  const data = new Float32Array(blocks * components * blockRows);
  const put = (name: string, width: number, offset: number, slices: number): void => {
    const values = rows.get(name);
    if (values === undefined || values.length !== slices * count * width) {
      throw new SkewflowError(
        'ShapeError',
        `\`${name}\` of rows [${range.begin}, ${range.end}) needs ${slices * count * width} numbers, got ${values?.length ?? 0}`,
      );
    }
    for (let s = 0; s < slices; s++) {
      for (let c = 0; c < width; c++) {
        const component = offset + s * width + c;
        for (let b = 0; b < blocks; b++) {
          const to = (b * components + component) * blockRows;
          for (let r = 0; r < blockRows; r++) {
            const row = Math.min(b * blockRows + r, count - 1);
            data[to + r] = values[(s * count + row) * width + c] ?? 0;
          }
        }
      }
    }
  };
  const { tracers } = shapes;
  for (const f of tracers.evolving) put(f.name, f.width, f.offset, 1);
  for (const f of tracers.constant) put(f.name, f.width, tracers.stateComponents + f.offset, 1);
  for (const w of shapes.withs) if (w.group === 'tracers') put(w.name, w.width, w.offset, w.slices);
  return { range, blocks, data };
}
