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
  /** Where messages and losses of threads go from now on. */
  readonly listen: (listener: CrewListener) => void;
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
      // An idle engine does not keep the process alive.
      worker.unref();
      workers.push(worker);
    }
  };
  return {
    start,
    running: () => workers.length,
    send: (index, message) => workers[index]?.postMessage(message),
    listen: (next) => {
      listener = next;
    },
    dispose: async () => {
      disposed = true;
      await Promise.all(workers.map((w) => w.terminate()));
    },
  };
}

/** From TypeScript sources a thread needs the loader its parent has; from the built package it needs none. */
function startThread(): Worker {
  const fromSource = import.meta.url.endsWith('.ts');
  const entry = new URL(fromSource ? './thread.ts' : './thread.js', import.meta.url);
  return new Worker(entry, {
    execArgv: fromSource ? ['--import', 'tsx'] : [],
    name: 'skewflow',
  });
}

function lostThread(cause: unknown): SkewflowError {
  const reason = cause instanceof Error ? cause.message : 'it ended';
  return new SkewflowError('DeviceError', `a computing thread was lost: ${reason}`, {}, { cause });
}
