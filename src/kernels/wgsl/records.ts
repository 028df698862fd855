/**
 * What a term's shaders are told about each of its points: a record of words in `plan`.
 */
import type { TermProgram } from '../sweep/program.ts';
import { plus } from './code.ts';

/** Words of a record, before its components and moments. */
const words = ['point', 'slice', 'sum', 'kept', 'weight', 'time'] as const;

/** Components: the seed and the winning row. Moments: the grid point and its kept number. */
const pairWords = 2;

export function recordLength(term: TermProgram): number {
  return words.length + pairWords * ((term.rows?.by.length ?? 0) + term.moments.length);
}

/** Offsets within a record. */
export const recordOffset = {
  word: (word: (typeof words)[number]): number => words.indexOf(word),
  component: (c: number): number => words.length + pairWords * c,
  moment: (term: TermProgram, label: string): number =>
    words.length + pairWords * ((term.rows?.by.length ?? 0) + term.moments.indexOf(label)),
} as const;

/** `plan[record + 3u]` */
export const recordWord = (offset: number): string => `plan[${plus('record', offset)}]`;
export const recordReal = (offset: number): string => `bitcast<f32>(${recordWord(offset)})`;
