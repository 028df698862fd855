/**
 * The threads that compute: started when first needed, kept until the engine is disposed.
 */
import { Worker } from 'node:worker_threads';
import { SkewflowError } from '../../../errors.ts';
import type { FromThread, ToThread } from './messages.ts';

export interface Crew {
  /** Makes sure that threads 0 … index run. */
  readonly start: (index: number) => void;
  /** Changes when the threads are others than before, which know nothing. */
  readonly generation: () => number;
  readonly send: (index: number, message: ToThread) => void;
  /** Where messages and losses of threads go from now on; null: nobody waits, and idle threads keep no process alive. */
  readonly listen: (listener: CrewListener | null) => void;
  /** Ends all threads; new ones start when they are needed. For threads that wait for one that failed. */
  readonly dismiss: () => Promise<void>;
}

export interface CrewListener {
  readonly message: (index: number, message: FromThread) => void;
  /** A thread ended by itself: out of memory, or a defect. */
  readonly lost: (error: SkewflowError) => void;
}

const silent: CrewListener = { message: () => {}, lost: () => {} };

export function makeCrew(): Crew {
  let workers: Worker[] = [];
  let listener = silent;
  let generation = 0;
  const dismiss = async (): Promise<void> => {
    const ending = workers;
    workers = [];
    generation += 1;
    await Promise.all(ending.map((w) => w.terminate()));
  };
  const lost = (worker: Worker, cause: unknown): void => {
    // One that was dismissed is not lost.
    if (!workers.includes(worker)) return;
    void dismiss();
    listener.lost(lostThread(cause));
  };
  return {
    start: (index) => {
      while (workers.length <= index) {
        const number = workers.length;
        const worker = startThread();
        worker.on('message', (messages: readonly FromThread[]) => {
          for (const message of messages) listener.message(number, message);
        });
        worker.on('error', (error) => lost(worker, error));
        worker.on('exit', () => lost(worker, null));
        if (listener === silent) worker.unref();
        workers.push(worker);
      }
    },
    generation: () => generation,
    send: (index, message) => workers[index]?.postMessage(message),
    listen: (next) => {
      listener = next ?? silent;
      for (const worker of workers) {
        if (next === null) worker.unref();
        else worker.ref();
      }
    },
    dismiss,
  };
}

/**
 * From the built package a thread starts by itself. From TypeScript sources it needs a loader first, and Node 20 does not
 * hand `--import` on to worker threads: a line of JavaScript registers it.
 */
function startThread(): Worker {
  const name = 'skewflow';
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./thread.js', import.meta.url), { name });
  const entry = JSON.stringify(new URL('./thread.ts', import.meta.url).href);
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'));
  const start = `import(${loader}).then(({ register }) => { register(); return import(${entry}); })`;
  return new Worker(start, { eval: true, name, execArgv: [] });
}

function lostThread(cause: unknown): SkewflowError {
  const reason = cause instanceof Error ? cause.message : 'it ended';
  return new SkewflowError('DeviceError', `a computing thread was lost: ${reason}`, {}, { cause });
}
