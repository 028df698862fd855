/**
 * How does a coordinator prepare a job that takes long without falling silent? In a thread: leases of other runs, and of this
 * one, are renewed meanwhile. What comes back is what can cross: of the program its outline.
 */
import { Worker } from 'node:worker_threads';
import { SkewflowError } from '../errors.ts';
import { errorOf } from '../exchange/error-report.ts';
import type { Job } from '../job/job.ts';
import { systemToBytes } from '../job/system-bytes.ts';
import { outlineOf } from '../kernels/sweep/outline.ts';
import type { ProgramOutline } from '../kernels/sweep/program.ts';
import { type Prepared, prepare, type Question, type Settled, settle } from '../prepare.ts';
import type { ErrorReport } from '../protocol.ts';

/** What the thread is asked, as its `workerData`. */
export interface AsideQuestion extends Omit<Question, 'system'> {
  readonly system: Uint8Array;
  readonly fields: ReadonlyMap<string, Float64Array>;
}

/** What it answers, once. */
export type AsideAnswer =
  | { readonly kind: 'failed'; readonly error: ErrorReport }
  | { readonly kind: 'settled'; readonly settled: Settled<ProgramOutline> };

/** Documents up to this size are compiled in a fraction of a second (`bench`: 0.1 s for 6 KB), less than a thread is worth. */
const documentMax = 16 * 1024;

/**
 * As `prepare`, but the event loop turns meanwhile: also where the sources choose the steps, which takes as long as it takes.
 *
 * @param signal - aborting ends the thread; the promise rejects with the signal's reason
 * @throws what `prepare` throws
 */
export function prepareAside(job: Job, signal: AbortSignal): Promise<Prepared<ProgramOutline>> {
  const isLong = job.integrate?.kind === 'adaptive' || job.source.text.length > documentMax;
  return prepare(job, async (question, fields) => {
    if (isLong) return settleAside(question, fields, signal);
    const settled = settle(question, fields);
    return { ...settled, program: outlineOf(settled.program) };
  });
}

async function settleAside(
  { system, ...question }: Question,
  fields: AsideQuestion['fields'],
  signal: AbortSignal,
): Promise<Settled<ProgramOutline>> {
  signal.throwIfAborted();
  const thread = startThread({ ...question, system: systemToBytes(system), fields });
  const onAbort = (): void => void thread.terminate();
  signal.addEventListener('abort', onAbort);
  try {
    const answer = await new Promise<AsideAnswer>((resolve, reject) => {
      thread.once('message', resolve);
      thread.once('error', (cause) => reject(lost(cause)));
      thread.once('exit', () => reject(signal.aborted ? signal.reason : lost(null)));
    });
    if (answer.kind === 'failed') throw errorOf(answer.error);
    return answer.settled;
  } finally {
    signal.removeEventListener('abort', onAbort);
    await thread.terminate();
  }
}

/** From TypeScript sources it needs a loader first, which Node 20 does not hand on to threads. */
function startThread(workerData: AsideQuestion): Worker {
  const options = { name: 'skewflow-prepare', workerData };
  if (!import.meta.url.endsWith('.ts'))
    return new Worker(new URL('./aside-thread.js', import.meta.url), options);
  const entry = JSON.stringify(new URL('./aside-thread.ts', import.meta.url).href);
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'));
  const start = `import(${loader}).then(({ register }) => { register(); return import(${entry}); })`;
  return new Worker(start, { ...options, eval: true, execArgv: [] });
}

function lost(cause: unknown): SkewflowError {
  const why = cause instanceof Error ? cause.message : 'it ended';
  return new SkewflowError(
    'JobFailedError',
    `the thread that prepares the job was lost: ${why}`,
    {},
    { cause },
  );
}
