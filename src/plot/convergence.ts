/** What did an optimisation do? Its loss and its gradient norm, iteration by iteration. */
import type { HistoryRow } from '../coordinator/descent.ts';
import { type Axis, type Mark, type Panel, type Point, rangeOf, svgOf } from './svg.ts';

/** The picture of a history that has at least its start. */
export function convergencePlot(name: string, history: readonly HistoryRow[]): string {
  const last = history.at(-1);
  const subtitle =
    last === undefined
      ? 'no evaluation'
      : `${last.iteration} iterations, ${last.evaluations} evaluations, ${last.seconds.toPrecision(3)} s: loss ${brief(history[0]?.loss)} → ${brief(last.loss)}`;
  return svgOf({
    title: `${name}: convergence`,
    subtitle,
    panels: [
      panelOf(
        'loss',
        history.map((row): Point => [row.iteration, row.loss]),
        300,
        '#303e97',
      ),
      panelOf(
        'gradient, max norm',
        history.map((row): Point => [row.iteration, row.gradientNorm]),
        200,
        '#ca382b',
      ),
    ],
  });
}

/** A logarithmic scale where all values are positive and span more than a decade. */
function panelOf(label: string, points: readonly Point[], height: number, colour: string): Panel {
  const values = points.map(([, y]) => y);
  const positive = values.filter((y) => y > 0);
  const wide = positive.length > 0 && Math.max(...positive) > 10 * Math.min(...positive);
  // A loss that reaches 0 exactly has no place on a log axis; its last points are left out.
  const scale: Axis['scale'] = wide && values.every((y) => y >= 0) ? 'log' : 'linear';
  const shown = scale === 'log' ? points.filter(([, y]) => y > 0) : points;
  const marks: readonly Mark[] = [
    { kind: 'line', points: shown, width: 1.6, colour, opacity: 1 },
    { kind: 'dots', points: shown, radius: 2.2, colour, opacity: 1 },
  ];
  const iterations = points.map(([x]) => x);
  return {
    x: { label: 'iteration', range: rangeOf(iterations, 'linear'), scale: 'linear' },
    y: {
      label,
      range: rangeOf(
        shown.map(([, y]) => y),
        scale,
      ),
      scale,
    },
    marks,
    equal: false,
    height,
  };
}

function brief(value: number | undefined): string {
  return value === undefined ? '?' : String(Number(value.toPrecision(6)));
}
