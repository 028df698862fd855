/** What came of the worlds of many seeds? How many there were of each kind, and which of them came to a wrong end. */
import { type Mutations, sound } from './mutants.ts';
import { simulate, type WorldReport } from './world.ts';

/** So many seeds from one on. */
export interface Range {
  readonly from: number;
  readonly count: number;
}

export interface Findings {
  readonly kinds: Readonly<Partial<Record<WorldReport['kind'], number>>>;
  readonly wrong: readonly WorldReport[];
}

export const nothingFound: Findings = { kinds: {}, wrong: [] };

export async function survey({ from, count }: Range, mutations: Mutations = sound): Promise<Findings> {
  let all = nothingFound;
  for (let seed = from; seed < from + count; seed++) {
    const report = await simulate(seed, mutations);
    all = together(all, { kinds: { [report.kind]: 1 }, wrong: report.breaches.length > 0 ? [report] : [] });
  }
  return all;
}

/** Findings of earlier seeds, then of later ones. */
export function together(earlier: Findings, later: Findings): Findings {
  const kinds = { ...earlier.kinds };
  for (const kind of Object.keys(later.kinds) as WorldReport['kind'][]) {
    kinds[kind] = (kinds[kind] ?? 0) + (later.kinds[kind] ?? 0);
  }
  return { kinds, wrong: [...earlier.wrong, ...later.wrong] };
}
