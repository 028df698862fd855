/** Jobs of a few lines for tests, and what a job that is refused says. */
import { onTestFinished } from 'vitest';
import { isSkewflowError, type SkewflowError } from '../../src/errors.ts';
import type { Job } from '../../src/job/job.ts';
import { closeJob, jobOf } from '../../src/job/load.ts';
import { parseOverride } from '../../src/job/override.ts';
import { parseJobText } from '../../src/job/yaml-document.ts';

/** The job in a text, as if it stood in `folder`/job.yaml. */
export async function jobIn(text: string, sets: readonly string[] = [], folder?: string): Promise<Job> {
  const path = folder === undefined ? 'job.yaml' : `${folder}/job.yaml`;
  const job = await jobOf(parseJobText(text, path, sets.map(parseOverride)));
  onTestFinished(() => closeJob(job));
  return job;
}

/** The error that a text is refused with. */
export async function refusal(
  text: string,
  sets: readonly string[] = [],
  folder?: string,
): Promise<SkewflowError> {
  try {
    await jobIn(text, sets, folder);
  } catch (error) {
    if (isSkewflowError(error)) return error;
    throw error;
  }
  throw new Error('the job was not refused');
}

/** A complete job; the last line of each section is there to be replaced. */
export const sound = `
sources:
  q: { uniform: [-1, 1], dim: 3, seed: 1 }
  p: { normal: [0, 0.1], dim: 3, seed: 2 }
  rows: 10
tracers:
  x: { uniform: [-1, 1], dim: 3, seed: 3 }
  goal: { uniform: [-1, 1], dim: 3, seed: 4 }
  rows: 100
params:
  sigma: 0.5
let:
  K(a, b): exp(-sqdist(a, b) / sigma^2)
flow:
  x: sum(j, K(x, q[j]) * p[j])
  q: sum(k, K(q, q[k]) * p[k])
integrate: { scheme: rk4, from: 0, to: 1, steps: 10 }
loss: mean(i, sqdist(x, goal))
gradient: [p, q, sigma]
`.trimStart();

/** The sound job with the line that begins with `start` (after its indentation) replaced. */
export function soundWith(start: string, line: string): string {
  const lines = sound.split('\n');
  const at = lines.findIndex((l) => l.trimStart().startsWith(start.trimStart()));
  if (at < 0) throw new Error(`no line begins with ${start}`);
  const indent = /^ */u.exec(lines[at]!)![0];
  lines[at] = line
    .split('\n')
    .map((l) => indent + l)
    .join('\n');
  return lines.join('\n');
}
