import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeElements, npyBytes } from '../../src/arrays/npy-writer.ts';
import { chunkBytes, chunkPath, type ZarrArray } from '../../src/arrays/zarr-group.ts';
import { planShards } from '../../src/partition/plan.ts';
import { composedFiles, rowPartKey } from '../../src/storage/row-parts.ts';

const value = (time: number, row: number, component: number): number =>
  Math.sin(time * 7919 + row * 3 + component);

/** Objects as workers put them there: a shard's rows, time by time. */
function partsOf(array: ZarrArray, rows: number, times: number, width: number, shardCount: number) {
  const parts = new Map<string, Buffer>();
  for (const { index, begin, end } of planShards(rows, shardCount)) {
    const data = Float64Array.from({ length: times * (end - begin) * width }, (_, n) => {
      const row = Math.floor(n / width);
      return value(Math.floor(row / (end - begin)), begin + (row % (end - begin)), n % width);
    });
    parts.set(rowPartKey('rows', array, index), encodeElements(data, 'f8'));
  }
  return parts;
}

test('arrays and chunks are made of the rows of shards, whatever their edges', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 700 }),
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 2 }),
      (rows, shardCount, times, width) => {
        const shards = planShards(rows, shardCount);
        const chunkRows = Math.max(...shards.map(({ begin, end }) => end - begin));
        const array: ZarrArray = {
          path: 'trajectory/x',
          type: 'f8',
          shape: [times, rows, width],
          chunkShape: [times, chunkRows, width],
          dimensions: ['t', 'tracer', 'x_component'],
        };
        const parts = partsOf(array, rows, times, width, shardCount);
        const bytesOf = (format: 'npy' | 'zarr') =>
          new Map(
            composedFiles('rows', { arrays: [array], shards, format }).map(({ path, pieces }) => [
              path,
              Buffer.concat(
                pieces.map((piece) =>
                  piece.kind === 'bytes'
                    ? piece.bytes
                    : parts.get(piece.key)!.subarray(piece.begin, piece.end),
                ),
              ),
            ]),
          );
        const whole = Float64Array.from({ length: times * rows * width }, (_, n) => {
          const row = Math.floor(n / width);
          return value(Math.floor(row / rows), row % rows, n % width);
        });
        expect([...bytesOf('npy')]).toEqual([['trajectory/x.npy', npyBytes('f8', array.shape, whole)]]);

        const chunks = bytesOf('zarr');
        expect(chunks.size).toBe(Math.ceil(rows / chunkRows));
        for (let chunk = 0; chunk < chunks.size; chunk++) {
          const bytes = chunks.get(`tracers.zarr/${chunkPath(array, [0, chunk, 0])}`)!;
          expect(bytes.length).toBe(chunkBytes(array));
          const first = chunk * chunkRows;
          for (const [time, row] of [
            [0, first],
            [times - 1, Math.min(rows, first + chunkRows) - 1],
          ] as const) {
            const at = ((time * chunkRows + row - first) * width + width - 1) * 8;
            expect(bytes.readDoubleLE(at)).toBe(value(time, row, width - 1));
          }
        }
      },
    ),
    { numRuns: 30 },
  );
});
