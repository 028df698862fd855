/** Where the sources' banks lie in a leaf's part of `work`. */
import { invariant } from '../../errors.ts';
import { whole } from './code.ts';
import type { Shapes } from './shapes.ts';

/** Offsets of banks: component c of row r at bank + c · M + r. */
export interface WorkShape {
  readonly banks: ReadonlyMap<string, number>;
  /** Where each number that a thread holds in registers (`held_0` …) lies when a dispatch ends, for row 0. */
  readonly held: readonly number[];
  /** Numbers of a leaf, and those at its beginning that its gradient is made of. */
  readonly length: number;
  readonly answer: number;
}

/** Banks that no statement names. */
export const workBanks = {
  failed: 'failed',
  constants: 'constants',
  params: 'θ',
  /** What rows hand over to pass n. */
  handed: (pass: number): string => `handed${pass}`,
  /** What passes add to the cotangents of other sources. */
  partner: 'partner',
  pairs: (field: string): string => `pairs ${field}`,
} as const;

export interface Workspace {
  /**
   * Makes room for a bank of so many numbers a row; a bank is reserved before it is named. `shared`: other threads read it, so
   * that it must lie in memory.
   */
  readonly reserve: (bank: string, components: number, shared?: 'shared') => void;
  /** Component of the own row, wherever it lies. */
  readonly at: (bank: string, component: number) => string;
  /** Component of any row of a bank that lies in memory. */
  readonly of: (bank: string, component: number, row: string) => string;
  readonly pairAt: (field: string, component: number, bound: string) => string;
  readonly shape: () => WorkShape;
}

/** Components of a bank, and of all banks of a row, that a thread may hold in registers. */
const bankMax = 32;
const heldMax = 128;

/**
 * The banks of the sources. Where one workgroup goes through all steps, what only a row's first thread reads stays in its registers
 * and goes to memory when a dispatch ends: each way there and back takes as long as a dozen pairs.
 */
export function workspace({ sources, pairs, sourcesTogether: together }: Shapes): Workspace {
  const m = sources.rows;
  const banks = new Map<string, number>();
  const registers = new Map<string, number>();
  const held: number[] = [];
  let length = 0;
  const offset = (bank: string): number => {
    const found = banks.get(bank);
    invariant(found !== undefined, `bank ${bank} is reserved before it is named`);
    return found;
  };
  const of = (bank: string, component: number, row: string): string =>
    `work[work_at + ${whole(offset(bank) + component * m)} + ${row}]`;
  return {
    reserve: (bank, components, shared) => {
      if (banks.has(bank)) return;
      banks.set(bank, length);
      const fits = components <= bankMax && held.length + components <= heldMax;
      if (together && shared === undefined && fits) {
        registers.set(bank, held.length);
        for (let c = 0; c < components; c++) held.push(length + c * m);
      }
      length += components * m;
    },
    at: (bank, component) => {
      const register = registers.get(bank);
      return register === undefined ? of(bank, component, 'row') : `held_${register + component}`;
    },
    of,
    pairAt: (field, component, bound) => {
      const width = pairs.find((p) => p.name === field)?.width ?? 1;
      const base = whole(offset(workBanks.pairs(field)) + component);
      return `work[work_at + ${base} + (row * ${whole(m)} + ${bound}) * ${whole(width)}]`;
    },
    shape: () => ({
      banks: new Map(banks),
      held: [...held],
      length,
      answer: banks.get(workBanks.partner) ?? length,
    }),
  };
}
