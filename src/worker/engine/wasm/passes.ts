/**
 * Where is a thread, for whoever asks with `SKEWFLOW_LOG=trace`? One line a pass over a block of rows, written before it begins
 * and by the thread itself, so that what a process that hangs or was killed was at is known to the last line.
 */
import { writeSync } from 'node:fs';
import { threadId } from 'node:worker_threads';
import { readConfig } from '../../../config.ts';

/** What a thread does to rows of a shard; `answered`: it is done with the shard. */
export type Pass = 'answered' | 'backward' | 'forward';

export type Passing = (pass: Pass, shard: number, firstRow: number) => void;

/** As pino numbers it. */
const traceLevel = 10;

/** What tells the passes of this thread; null: nobody asks. */
export function passing(): Passing | null {
  const { logLevel, traceDescriptor } = readConfig(process.env);
  if (logLevel !== 'trace') return null;
  const about = { pid: process.pid, thread: threadId };
  return (pass, shard, firstRow) => {
    const line = { level: traceLevel, time: Date.now(), ...about, doing: pass, shard, firstRow, msg: pass };
    try {
      writeSync(traceDescriptor, `${JSON.stringify(line)}\n`);
    } catch {
      // A line that nobody takes is lost, and nothing else.
    }
  };
}
