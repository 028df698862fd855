/**
 * Where in time everything happens: the points of the grid, the terms and moments at them.
 *
 *   t_k = from + k (to − from)/steps
 *
 * A loss time within 1e-9 h of a point is that point; any other splits its step in two.
 */
import { SkewflowError } from '../../errors.ts';
import type { System } from '../system.ts';
import type { Grid, TermPoint, TermProgram } from './program.ts';

/** In units of the step: how near a loss time lies to the point it is taken to be. */
const snap = 1e-9;

/**
 * The grid of a program.
 *
 * `every step` means the points of the grid before any is split, so that a term does not change with the times of
 * another; with accepted times it means all of them. The trapezoid uses all points.
 *
 * @param steps - a number of equal steps (0 without `integrate`), or the accepted times t_0 … t_T of an adaptive run,
 *   which have every loss time among them
 * @throws SkewflowError('ShapeError') when a sliced array has another number of slices than its term has times;
 *   SkewflowError('JobFileError') for a loss time outside the interval
 */
export function placeGrid(system: System, terms: readonly TermProgram[], steps: number | Float64Array): Grid {
  const base = typeof steps === 'number' ? equalSteps(system, steps) : [...steps];
  // Without a scheme there is one moment, and every label means it.
  const stops = system.scheme === null ? [] : stopsOf(system, terms);
  for (const t of stops) refuseOutside(system, t);
  const times = [...base];
  for (const t of stops) {
    if (pointOf(times, t) === -1) times.splice(1 + times.findLastIndex((s) => s < t), 0, t);
  }
  const at = (t: number): number => (system.scheme === null ? 0 : pointOf(times, t));
  let sums = 0;
  const placed = terms.map((term): readonly TermPoint[] => {
    const components = term.rows?.by.length ?? 0;
    const first = sums;
    const points = pointsOf(term, times, base, at);
    checkSlices(system, term, points.length);
    const linear = term.rows?.linear ?? true;
    sums += linear ? components : components * points.length;
    return points.map(({ point, weight }, n) => ({
      point,
      weight,
      slice: term.sliced.length > 0 ? n : 0,
      sum: components === 0 ? -1 : first + (linear ? 0 : n * components),
    }));
  });
  return {
    times: Float64Array.from(times),
    terms: placed,
    moments: new Map([...system.moments].map(([label, t]) => [label, at(t)])),
    sums,
  };
}

/** Times at which something is read besides the steps: those of terms and moments, ascending, each once. */
export function stopsOf(system: System, terms: readonly TermProgram[]): readonly number[] {
  const all = [
    ...terms.flatMap((t) => (t.at.kind === 'times' ? t.at.times : [])),
    ...system.moments.values(),
  ];
  return [...new Set(all)].sort((a, b) => a - b);
}

function equalSteps({ from, to }: System, steps: number): readonly number[] {
  if (steps === 0) return [to];
  return Array.from({ length: steps + 1 }, (_, k) => (k === steps ? to : from + (k * (to - from)) / steps));
}

/** The point a time is taken to be, or −1; times ascend. */
function pointOf(times: readonly number[], t: number): number {
  let [next, last] = [0, times.length - 1];
  while (next < last) {
    const middle = (next + last) >> 1;
    if ((times[middle] ?? 0) < t) next = middle + 1;
    else last = middle;
  }
  const before = times[next - 1];
  const nearest = before !== undefined && t - before <= Math.abs((times[next] ?? 0) - t) ? next - 1 : next;
  const s = times[nearest] ?? 0;
  if (s === t) return nearest;
  // The step that t lies in: towards t from the nearest point.
  const neighbour = times[nearest + (t > s ? 1 : -1)];
  const h =
    neighbour === undefined ? Math.abs((times.at(-1) ?? 0) - (times[0] ?? 0)) : Math.abs(neighbour - s);
  return Math.abs(t - s) <= snap * h ? nearest : -1;
}

function pointsOf(
  term: TermProgram,
  times: readonly number[],
  base: readonly number[],
  at: (t: number) => number,
): readonly { readonly point: number; readonly weight: number }[] {
  if (term.at.kind === 'times') return term.at.times.map((t) => ({ point: at(t), weight: 1 }));
  if (term.weights === 'one') return base.map((t) => ({ point: at(t), weight: 1 }));
  return times.map((t, k) => ({ point: k, weight: ((times[k + 1] ?? t) - (times[k - 1] ?? t)) / 2 }));
}

function checkSlices(system: System, term: TermProgram, points: number): void {
  for (const w of system.terms[term.term]?.with ?? []) {
    if (w.slices > 1 && w.slices !== points) {
      throw new SkewflowError(
        'ShapeError',
        `\`${w.name}\` has ${w.slices} slices, and its term is evaluated at ${points} times: it needs one slice a time, or one for all`,
        { slices: w.slices, times: points },
      );
    }
  }
}

function refuseOutside({ from, to }: System, t: number): void {
  const slack = snap * (to - from);
  if (t < from - slack || t > to + slack) {
    throw new SkewflowError('JobFileError', `the time ${t} lies outside of the interval [${from}, ${to}]`, {
      time: t,
    });
  }
}
