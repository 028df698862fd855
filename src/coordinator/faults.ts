/**
 * Which of several faults is reported, and how is it told? The first in the run's own time, whichever seat is fastest, with the
 * time of its step.
 */
import type { ErrorReport, Fault } from '../protocol.ts';

const whatOrder = { state: 0, loss: 1, gradient: 2 } as const;

/** States before losses before gradients, earlier steps first, sources first, lower rows first; undefined: there is none. */
export function firstOf(faults: Iterable<Fault>): Fault | undefined {
  return [...faults].sort(
    (a, b) =>
      whatOrder[a.what] - whatOrder[b.what] ||
      a.step - b.step ||
      Number(a.group === 'tracers') - Number(b.group === 'tracers') ||
      a.row - b.row,
  )[0];
}

/** The fault as an error; `inTime` adds the time of the step. */
export function nonFinite(fault: Fault): ErrorReport {
  const { group, what, row, step } = fault;
  return {
    tag: 'NonFiniteError',
    message: `the ${what} is not finite: ${group} row ${row}, step ${step}`,
    details: { group, what, row, step },
  };
}

const sentences: Readonly<Record<'loss' | 'state', string>> = {
  loss: 'a term of the loss is not finite',
  state: 'a trajectory stopped being finite; take smaller steps or look at the flow there',
};

/**
 * A fault as the user reads it; other errors as they are. A gradient is looked at when its sweep is over, so at which step it
 * stopped being finite is not known, and not said.
 *
 * @param times - of the grid points
 */
export function inTime(report: ErrorReport, times: Float64Array): ErrorReport {
  const { group, what, row, step } = report.details;
  if (report.tag !== 'NonFiniteError' || typeof step !== 'number') return report;
  const place = `${group === 'sources' ? 'source' : 'tracer'} row ${row}`;
  if (what === 'gradient') {
    const message = `the gradient is not finite where the loss is: first ${place}; a derivative is infinite there, as that of x^0.5 at 0`;
    return { ...report, message, details: { ...report.details, step: null, time: null } };
  }
  const time = times[step] ?? null;
  const sentence = sentences[what as keyof typeof sentences] ?? 'a value is not finite';
  const message = `${sentence}: first ${place} at step ${step} (t = ${time})`;
  return { ...report, message, details: { ...report.details, time } };
}
