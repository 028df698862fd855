/**
 * The threads that compute: started when first needed, kept until the engine is disposed.
 */
import { Worker } from 'node:worker_threads';
import { SkewflowError } from '../../../errors.ts';
import type { FromThread, ToThread } from './messages.ts';

export interface Crew {
  /** Makes sure that thread number `index` runs. */
  readonly start: (index: number) => void;
  readonly running: () => number;
  readonly send: (index: number, message: ToThread) => void;
  /** Where messages and losses of threads go from now on; null: nobody waits, and idle threads keep no process alive. */
  readonly listen: (listener: CrewListener | null) => void;
  readonly dispose: () => Promise<void>;
}

export interface CrewListener {
  readonly message: (index: number, message: FromThread) => void;
  /** A thread ended by itself: out of memory, or a defect. */
  readonly lost: (error: SkewflowError) => void;
}

const silent: CrewListener = { message: () => {}, lost: () => {} };

export function makeCrew(): Crew {
  const workers: Worker[] = [];
  let listener = silent;
  let disposed = false;
  const start = (index: number): void => {
    while (workers.length <= index) {
      const number = workers.length;
      const worker = startThread();
      worker.on('message', (message: FromThread) => listener.message(number, message));
      worker.on('error', (error) => listener.lost(lostThread(error)));
      worker.on('exit', () => {
        if (!disposed) listener.lost(lostThread(null));
      });
      if (listener === silent) worker.unref();
      workers.push(worker);
    }
  };
  return {
    start,
    running: () => workers.length,
    send: (index, message) => workers[index]?.postMessage(message),
    listen: (next) => {
      listener = next ?? silent;
      for (const worker of workers)
        if (next === null) worker.unref();
        else worker.ref();
    },
    dispose: async () => {
      disposed = true;
      await Promise.all(workers.map((w) => w.terminate()));
    },
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
