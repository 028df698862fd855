/** What is the derivative of a loss along a direction? Central differences, extrapolated; no derivative formula enters. */

export interface Difference {
  readonly value: number;
  /** How far the extrapolations of this and the level before lie apart: an estimate of the error, absolute. */
  readonly uncertainty: number;
}

/** Levels at most: steps from h down to h·4⁻¹³. */
const levelsMax = 14;
/** Each level's step is so much smaller. */
const ratio = 4;
/**
 * d/ds f(s) at 0 from f(±h), f(±h/4), f(±h/16), …: the tableau of C. Ridders, "Accurate computation of F'(x) and F'(x)F''(x)",
 * Advances in Engineering Software 4 (1982) 75–76.
 *
 * The error of a central difference is a series in h², so each column of the tableau removes one more power; the entry
 * that agrees best with its neighbours is taken. A level where f is not finite starts the tableau anew, and none is
 * computed where rounding alone is more than is known already.
 *
 * @param f - the loss along the direction
 * @param h - the first and largest step
 * @param enough - uncertainty at which no further level is computed
 */
export async function derivativeAt0(
  f: (s: number) => Promise<number>,
  h: number,
  enough: number,
): Promise<Difference> {
  let best: Difference = { value: Number.NaN, uncertainty: Number.POSITIVE_INFINITY };
  let above: readonly number[] = [];
  for (let level = 0; level < levelsMax; level++) {
    const s = h / ratio ** level;
    const [ahead, behind] = [await f(s), await f(-s)];
    const central = (ahead - behind) / (2 * s);
    if (!Number.isFinite(central)) {
      above = [];
      continue;
    }
    const row = [central];
    for (const [k, left] of above.entries()) {
      const previous = row[k] as number;
      const next = previous + (previous - left) / (ratio ** (2 * (k + 1)) - 1);
      const uncertainty = Math.max(Math.abs(next - previous), Math.abs(next - left));
      if (uncertainty < best.uncertainty) best = { value: next, uncertainty };
      row.push(next);
    }
    above = row;
    const rounding = (Number.EPSILON * Math.max(Math.abs(ahead), Math.abs(behind))) / s;
    if (best.uncertainty <= Math.max(enough, rounding)) break;
  }
  return best;
}
