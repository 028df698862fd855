/**
 * How far along a direction? Until the strong Wolfe conditions hold for φ(α) = L(x + α d), or as well as rounding lets
 * one know.
 *
 *   decrease    φ(α) ≤ φ(0) + c₁ α φ'(0)
 *   curvature   |φ'(α)| ≤ c₂ |φ'(0)|
 *
 * A bracket [low, high] is kept whose low end satisfies `decrease` and slopes down, and whose high end is too high or
 * slopes up; each trial replaces one end. Where the losses at both ends agree to their rounding error ε, the first
 * condition says nothing and differences of φ are noise, so `decrease` becomes φ(α) ≤ φ(0) + ε and trials come from the
 * slopes alone, which are good to full relative precision: the approximate Wolfe conditions.
 *
 * Nocedal & Wright, _Numerical Optimization_, 2nd ed., Springer 2006, §3.5 (conditions, cubic interpolation);
 * Moré & Thuente, ACM TOMS 20 (1994) (a bracket that must shrink);
 * Hager & Zhang, SIAM J. Optim. 16 (2005), §4 (approximate Wolfe conditions, brackets by slopes).
 */

/** φ and φ' at a step. */
export interface Sample {
  readonly step: number;
  readonly value: number;
  readonly slope: number;
}

/** A search that waits for φ at `step`. */
export interface Search {
  readonly start: Sample;
  readonly low: Sample;
  /** null: nothing has stopped the search yet. Its value is +∞ where the loss is not finite. */
  readonly high: Sample | null;
  readonly step: number;
  readonly stepMax: number;
  readonly tries: number;
  /** Widths of the last two brackets; +∞ before. */
  readonly widths: readonly [last: number, beforeLast: number];
}

export type Found =
  | { readonly kind: 'accept' }
  | { readonly kind: 'again'; readonly search: Search }
  | { readonly kind: 'failed' };

/** c₁ and c₂ of Nocedal & Wright for quasi-Newton directions. */
const [decrease, curvature] = [1e-4, 0.9];
/** As L-BFGS-B: 2 or 3 trials are common, and where 20 do not do, rounding is in the way. */
const triesMax = 20;

/** Begin with a first step; φ'(0) < 0. */
export function beginSearch(value: number, slope: number, step: number, stepMax: number): Search {
  const start = { step: 0, value, slope };
  return {
    start,
    low: start,
    high: null,
    step: Math.min(step, stepMax),
    stepMax,
    tries: 0,
    widths: [Infinity, Infinity],
  };
}

/** What φ at the search's step means. `noise` is relative to φ(0). */
export function judgeStep(search: Search, value: number, slope: number, noise: number): Found {
  const { start, low, high, step, stepMax } = search;
  const ε = noise * Math.abs(start.value);
  const tries = search.tries + 1;
  const here: Sample = { step, value, slope };
  const tooHigh =
    !Number.isFinite(value) ||
    value > start.value + decrease * step * start.slope + ε ||
    value > low.value + ε;
  if (!tooHigh && Math.abs(slope) <= curvature * Math.abs(start.slope)) return { kind: 'accept' };
  // The way is barred by a bound, and the loss still falls there.
  if (!tooHigh && slope < 0 && step >= stepMax) return { kind: 'accept' };
  if (tries >= triesMax) return { kind: 'failed' };
  if (!tooHigh && slope < 0 && high === null) {
    return { kind: 'again', search: { ...search, low: here, step: further(low, here, stepMax), tries } };
  }
  const bracket = tooHigh || slope >= 0 ? { low, high: here } : { low: here, high: high as Sample };
  const width = bracket.high.step - bracket.low.step;
  const next = within(bracket.low, bracket.high, search.widths[1], ε);
  if (!(next > bracket.low.step && next < bracket.high.step)) return { kind: 'failed' };
  return {
    kind: 'again',
    search: { ...search, ...bracket, step: next, tries, widths: [width, search.widths[0]] },
  };
}

/** Beyond a point that still slopes down: where the slope would vanish, but neither too near nor too far. */
function further(before: Sample, here: Sample, stepMax: number): number {
  const bend = (here.slope - before.slope) / (here.step - before.step);
  const zero = bend > 0 ? here.step - here.slope / bend : Infinity;
  return Math.min(Math.max(zero, 1.5 * here.step), 5 * here.step, stepMax);
}

/** Inside a bracket: the minimum of the cubic through both ends, kept off them; the middle when brackets do not shrink. */
function within(low: Sample, high: Sample, widthBefore: number, ε: number): number {
  const width = high.step - low.step;
  // A loss that is not finite says how far not to go, and nothing about where the minimum is.
  if (!Number.isFinite(high.value)) return low.step + width / 4;
  if (width > 0.66 * widthBefore) return low.step + width / 2;
  const flat = Math.abs(high.value - low.value) <= 10 * ε;
  const guess = (flat ? null : cubic(low, high)) ?? secant(low, high) ?? low.step + width / 2;
  return Math.min(Math.max(guess, low.step + 0.1 * width), high.step - 0.1 * width);
}

/** The minimum of the cubic that has both values and slopes; Nocedal & Wright, eq. 3.59. */
function cubic(a: Sample, b: Sample): number | null {
  const d1 = a.slope + b.slope - (3 * (a.value - b.value)) / (a.step - b.step);
  const d2 = Math.sqrt(d1 * d1 - a.slope * b.slope);
  const step = b.step - ((b.step - a.step) * (b.slope + d2 - d1)) / (b.slope - a.slope + 2 * d2);
  return Number.isFinite(step) ? step : null;
}

/** Where the slope, taken as linear, vanishes; null when it does not between the ends. */
function secant(a: Sample, b: Sample): number | null {
  return b.slope > 0 ? a.step - (a.slope * (b.step - a.step)) / (b.slope - a.slope) : null;
}
