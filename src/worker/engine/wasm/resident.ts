/**
 * How a shard's rows are kept: blocks of planes in the lane's scalar, as a thread copies them, one block after another.
 */
import { SkewflowError } from '../../../errors.ts';
import { blockRows } from '../../../kernels/block.ts';
import { imageComponents, type Shapes } from '../../../kernels/wasm/shapes.ts';
import type { ShardRange } from '../../../partition/plan.ts';
import type { Reals } from '../engine.ts';

export interface Resident {
  readonly range: ShardRange;
  /** [block][component][256]: state, constants, slices of `with` arrays; the last block is filled with its last row. */
  readonly image: SharedArrayBuffer;
  readonly blocks: number;
}

export function makeResident(shapes: Shapes, range: ShardRange, rows: ReadonlyMap<string, Reals>): Resident {
  const count = range.end - range.begin;
  const blocks = Math.ceil(count / blockRows);
  const components = imageComponents(shapes);
  const image = new SharedArrayBuffer(blocks * components * blockRows * shapes.scalar);
  const planes = shapes.scalar === 4 ? new Float32Array(image) : new Float64Array(image);
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
        for (let r = 0; r < blocks * blockRows; r++) {
          const row = Math.min(r, count - 1);
          planes[(Math.floor(r / blockRows) * components + component) * blockRows + (r % blockRows)] =
            values[(s * count + row) * width + c] ?? 0;
        }
      }
    }
  };
  const { tracers } = shapes;
  for (const f of tracers.evolving) put(f.name, f.width, f.offset, 1);
  for (const f of tracers.constant) put(f.name, f.width, tracers.stateComponents + f.offset, 1);
  for (const w of shapes.withs) if (w.group === 'tracers') put(w.name, w.width, w.offset, w.slices);
  return { range, image, blocks };
}
