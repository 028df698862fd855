/** What does the thread do that prepares a job? Answers its one question; the entry point of `aside.ts`'s worker. */
import { parentPort, workerData } from 'node:worker_threads';
import { reportOf } from '../exchange/error-report.ts';
import { systemFromBytes } from '../job/system-bytes.ts';
import { outlineOf } from '../kernels/sweep/outline.ts';
import { settle } from '../prepare.ts';
import type { AsideAnswer, AsideQuestion } from './aside.ts';

function answer({ system, fields, ...question }: AsideQuestion): AsideAnswer {
  try {
    const settled = settle({ ...question, system: systemFromBytes(system) }, fields);
    return { kind: 'settled', settled: { ...settled, program: outlineOf(settled.program) } };
  } catch (error) {
    return { kind: 'failed', error: reportOf(error) };
  }
}

parentPort?.postMessage(answer(workerData as AsideQuestion));
