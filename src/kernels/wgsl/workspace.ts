/** Where the sources' banks lie in a leaf's part of `work`. */
import { invariant } from '../../errors.ts';
import { plus, whole } from './code.ts';
import type { Shapes } from './shapes.ts';

/** Offsets of banks: component c of row r at bank + c · M + r. */
export interface WorkShape {
  readonly banks: ReadonlyMap<string, number>;
  /** Numbers of a leaf. */
  readonly length: number;
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
  /** Makes room for a bank of so many numbers a row; a bank is reserved before it is named. */
  readonly reserve: (bank: string, components: number) => void;
  readonly offset: (bank: string) => number;
  readonly has: (bank: string) => boolean;
  /** Component of the own row. */
  readonly at: (bank: string, component: number) => string;
  /** Component of the own row in the bank that begins at an expression. */
  readonly within: (bank: string, component: number) => string;
  readonly pairAt: (field: string, component: number, bound: string) => string;
  readonly shape: () => WorkShape;
}

export function workspace({ sources, pairs }: Shapes): Workspace {
  const m = sources.rows;
  const banks = new Map<string, number>();
  let length = 0;
  const offset = (bank: string): number => {
    const found = banks.get(bank);
    invariant(found !== undefined, `bank ${bank} is reserved before it is named`);
    return found;
  };
  return {
    reserve: (bank, components) => {
      if (banks.has(bank)) return;
      banks.set(bank, length);
      length += components * m;
    },
    offset,
    has: (bank) => banks.has(bank),
    at: (bank, component) => `work[work_at + ${whole(offset(bank) + component * m)} + row]`,
    within: (bank, component) => `work[work_at + ${plus(bank, component * m)} + row]`,
    pairAt: (field, component, bound) => {
      const width = pairs.find((p) => p.name === field)?.width ?? 1;
      const base = whole(offset(workBanks.pairs(field)) + component);
      return `work[work_at + ${base} + (row * ${whole(m)} + ${bound}) * ${whole(width)}]`;
    },
    shape: () => ({ banks: new Map(banks), length }),
  };
}
