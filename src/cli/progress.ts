/** How is progress shown? One line rewritten in place on a terminal, a plain line every few seconds otherwise. */
import type { ProgressEvent } from '../index.ts';
import { durationText, significant } from './numbers.ts';

/** Between two plain lines. */
const plainEveryMs = 5000;
/** Between two rewrites of the line of a terminal. */
const redrawEveryMs = 100;
/** Of a terminal that does not say how wide it is. */
const columnsUnknown = 80;
/** Nothing is shown of work that is over sooner. */
const silentMs = 300;

export interface ProgressLine {
  readonly show: (event: ProgressEvent) => void;
  /** Remove the line from the terminal. */
  readonly clear: () => void;
}

/** @param clock - milliseconds of a clock that never goes back */
export function progressLine(
  stream: NodeJS.WriteStream,
  clock: () => number = () => performance.now(),
): ProgressLine {
  const begin = clock();
  const everyMs = stream.isTTY ? redrawEveryMs : plainEveryMs;
  let shownAt = begin + (stream.isTTY ? silentMs : 0);
  let visible = false;
  return {
    show: (event) => {
      const now = clock();
      if (event.phase === 'resuming') {
        stream.write(`resuming from iteration ${event.step?.iteration ?? 0}\n`);
        return;
      }
      if (now - shownAt < everyMs) return;
      shownAt = now;
      const text = line(event, (now - begin) / 1000);
      if (stream.isTTY) {
        visible = true;
        stream.write(`\r\u001b[K${text.slice(0, (stream.columns || columnsUnknown) - 1)}`);
      } else stream.write(`${text}\n`);
    },
    clear: () => {
      if (visible) stream.write('\r\u001b[K');
      visible = false;
    },
  };
}

function line(event: ProgressEvent, seconds: number): string {
  const { blocksDone: done, blocksTotal: total, step } = event;
  if (step !== null) {
    const figures = `loss ${significant(step.loss, 9)}, |gradient| ${significant(step.gradientNorm, 3)}`;
    return `iteration ${step.iteration}: ${figures}, ${event.iteration} evaluations, ${durationText(seconds)}`;
  }
  // Reading and writing are not counted in blocks.
  if (total === 0) return `${event.phase}, ${durationText(seconds)}`;
  const share = done / total;
  const left = share > 0 ? `, ${durationText((seconds * (1 - share)) / share)} left` : '';
  return `${event.phase}: ${percent(share)} of ${total} blocks, ${durationText(seconds)}${left}`;
}

/** Of a job that takes days the first hours are not 0 %. */
function percent(share: number): string {
  const value = 100 * share;
  return `${share === 0 || value >= 1 ? value.toFixed(0) : significant(value, 2)} %`;
}
