/**
 * How the threads of a workgroup share rows: functions of the job alone, since they reach the order of sums.
 */
import { blockRows } from '../block.ts';

/** Threads of a workgroup unless its threads have several rows: the most that every device has (WebGPU, default limits). */
export const workgroupThreads = 256;

/** Rows times lanes = threads times each. */
export interface Crew {
  /** Own rows of a workgroup, a power of two. */
  readonly rows: number;
  /** Threads that share the sums of one row, each with every lanes-th bound row. */
  readonly lanes: number;
  /** Rows that one thread has: what it reads of a bound row serves them all. More than one only where no lanes share a row. */
  readonly each: number;
  readonly threads: number;
  /** Turns of a loop over bound rows that are written side by side: where there are few threads to fill one another's waits. */
  readonly turns: number;
}

/** Threads that fill the largest devices of today (132 multiprocessors of 2048 threads), half of them. */
const threadsWanted = 2 ** 17;
const lanesMax = 16;
/** A lane with fewer bound rows than this spends its time on meeting the others. */
const boundRowsMin = 8;
/** One thread a tracer, more where there are few tracers and enough bound rows. */
export function tracerCrew(rows: number, boundRows: number): Crew {
  return crewOf(Math.min(threadsWanted / Math.max(1, rows), boundRows / boundRowsMin, lanesMax));
}

/** Rows from which on a thread has two: fewer would leave the largest devices idle. Four have proved no faster. */
export const rowsForTwo = 2 ** 17;
/** Numbers that a thread may hold in registers for all its rows. */
const heldMax = 96;

/** The same rows with two to a thread where there are as `many`, and `held` numbers a row leave room for them. */
export function crewWithRows(crew: Crew, rows: number, held: number, many: number): Crew {
  const two = crew.lanes === 1 && rows >= many && 2 * held <= heldMax;
  return two ? { ...crew, each: 2, threads: crew.threads / 2 } : crew;
}

/** What names of a thread's rows end with: nothing where it has one. */
export const suffixes = ({ each }: Crew): readonly string[] =>
  each === 1 ? [''] : Array.from({ length: each }, (_, r) => `_${r}`);

/** Bound rows of a thread from which on turns are written side by side. */
const longRow = 32;

/**
 * Up to a workgroup of sources runs as one; above, a dispatch a stage fills the device. `alone`: a source has one thread,
 * for what several would add to at once.
 */
export function sourceCrew(rows: number, alone: boolean): Crew {
  if (alone) return crewOf(1);
  const together = rows <= workgroupThreads;
  const wanted = together ? workgroupThreads / rows : 2 ** 16 / rows;
  const crew = crewOf(Math.min(wanted, rows / boundRowsMin, 32));
  return together && rows / crew.lanes >= longRow ? { ...crew, turns: 4 } : crew;
}

/** One row for a whole workgroup. */
export const scalarCrew: Crew = {
  rows: 1,
  lanes: workgroupThreads,
  each: 1,
  threads: workgroupThreads,
  turns: 1,
};

function crewOf(lanes: number): Crew {
  const power = 2 ** Math.floor(Math.log2(Math.max(1, lanes)));
  return { rows: blockRows / power, lanes: power, each: 1, threads: blockRows, turns: 1 };
}
