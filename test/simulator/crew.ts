/**
 * How do all cores survey worlds together? Each process of a crew is given ranges of seeds, one after the other, and what they
 * found is told in the order of the seeds: nobody sees how many there were.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Findings, Range } from './survey.ts';
import type { Commission, Told } from './surveyor.ts';

export interface CrewSurvey extends Commission {
  readonly processes: number;
  /** Seeds that a process is given at once. */
  readonly rangeSeeds: number;
}

/** @param onFindings - told of range after range, earlier seeds first */
export async function surveyTogether(
  { processes, rangeSeeds, mutant, ...whole }: CrewSurvey,
  onFindings: (findings: Findings) => void,
): Promise<void> {
  const ranges = rangesOf(whole, rangeSeeds);
  const toDo = ranges.entries();
  const early = new Map<number, Findings>();
  let told = 0;
  const work = async (surveyor: ChildProcess): Promise<void> => {
    for (const [k, range] of toDo) {
      early.set(k, await ask(surveyor, { ...range, mutant }));
      for (let next = early.get(told); next !== undefined; next = early.get(told)) {
        early.delete(told++);
        onFindings(next);
      }
    }
  };
  const crew = Array.from({ length: Math.min(processes, ranges.length) }, hire);
  try {
    await Promise.all(crew.map(work));
  } finally {
    for (const surveyor of crew) surveyor.kill();
  }
}

function rangesOf({ from, count }: Range, most: number): readonly Range[] {
  return Array.from({ length: Math.ceil(count / most) }, (_, k) => ({
    from: from + k * most,
    count: Math.min(most, count - k * most),
  }));
}

function hire(): ChildProcess {
  const entry = fileURLToPath(new URL('./surveyor.ts', import.meta.url));
  return fork(entry, [], { execArgv: ['--import', import.meta.resolve('tsx')] });
}

function ask(surveyor: ChildProcess, commission: Commission): Promise<Findings> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void =>
      reject(new Error(`the process at seeds ${commission.from} and later ended with ${code ?? 'a signal'}`));
    surveyor.once('exit', onExit);
    surveyor.once('message', (findings: Told) => {
      surveyor.off('exit', onExit);
      resolve(findings);
    });
    surveyor.send(commission);
  });
}
