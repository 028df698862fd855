/**
 * What a block leaves and how blocks meet: Γ and gradients added in f64, sums S by their reductions.
 *
 * A partial lies in shared memory (`PartialMap`): whoever has two neighbours of the tree adds the right to the left.
 */
import { exported, type Station } from './station.ts';

/** Makes a partial that nothing has been added to; `written`: Γ before t_T will be written, not added to. */
export function clearPartial(station: Station, address: number, written: boolean): void {
  const { partial } = station.map;
  const { reductions, steps } = station.task;
  const { slots, sources } = station.plan.shapes;
  const start = written ? partial.gamma + steps * slots * sources.rows * sources.stateComponents * 8 : 0;
  station.bytes.fill(0, address + start, address + partial.bytes);
  const winners = (address + partial.winners) >> 3;
  for (let n = 0; n < reductions.length; n++) station.doubles[winners + n] = -1;
}

/** left += right; equal values of min and max keep the left one, whose rows are lower. */
export function mergePartials(station: Station, left: number, right: number): void {
  const { partial } = station.map;
  const { doubles, task } = station;
  if (partial.added > 0) exported(station, 'addDoubles')(left, right, partial.added);
  const [a, b] = [(left + partial.sums) >> 3, (right + partial.sums) >> 3];
  const [aWinner, bWinner] = [(left + partial.winners) >> 3, (right + partial.winners) >> 3];
  for (const [n, reduction] of task.reductions.entries()) {
    const [x, y] = [doubles[a + n] ?? 0, doubles[b + n] ?? 0];
    if (reduction === 0) {
      doubles[a + n] = x + y;
      continue;
    }
    const hasRight = (doubles[bWinner + n] ?? -1) >= 0;
    const hasLeft = (doubles[aWinner + n] ?? -1) >= 0;
    const better = reduction === 1 ? y < x : y > x;
    if (hasRight && (!hasLeft || better || (Number.isNaN(y) && !Number.isNaN(x)))) {
      doubles[a + n] = y;
      doubles[aWinner + n] = doubles[bWinner + n] ?? -1;
    }
  }
}

/** S and winners of a partial, copied out. */
export function readSums(
  station: Station,
  address: number,
): { readonly sums: Float64Array; readonly winners: Float64Array } {
  const { partial } = station.map;
  const count = station.task.reductions.length;
  const at = (offset: number): Float64Array =>
    Float64Array.from(station.doubles.subarray((address + offset) >> 3, ((address + offset) >> 3) + count));
  return { sums: at(partial.sums), winners: at(partial.winners) };
}
