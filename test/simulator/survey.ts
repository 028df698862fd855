/** What came of the worlds of many seeds? How many there were of each kind, what was met in them, and which came to a wrong end. */
import { type Mutations, sound } from './mutants.ts';
import { simulate, type WorldReport } from './world.ts';

/** So many seeds from one on. */
export interface Range {
  readonly from: number;
  readonly count: number;
}

/** Of so many worlds, by name. */
type Counts = Readonly<Record<string, number>>;

export interface Findings {
  readonly kinds: Counts;
  /** In how many of them each fault came about, and was told of. */
  readonly met: Counts;
  readonly wrong: readonly WorldReport[];
}

export const nothingFound: Findings = { kinds: {}, met: {}, wrong: [] };

export async function survey({ from, count }: Range, mutations: Mutations = sound): Promise<Findings> {
  let all = nothingFound;
  for (let seed = from; seed < from + count; seed++) {
    const report = await simulate(seed, mutations);
    const met = Object.fromEntries(report.met.map((what) => [what, 1]));
    all = together(all, {
      kinds: { [report.kind]: 1 },
      met,
      wrong: report.breaches.length > 0 ? [report] : [],
    });
  }
  return all;
}

/** Findings of earlier seeds, then of later ones. */
export function together(earlier: Findings, later: Findings): Findings {
  return {
    kinds: sum(earlier.kinds, later.kinds),
    met: sum(earlier.met, later.met),
    wrong: [...earlier.wrong, ...later.wrong],
  };
}

function sum(some: Counts, more: Counts): Counts {
  const all: Record<string, number> = { ...some };
  for (const [name, count] of Object.entries(more)) all[name] = (all[name] ?? 0) + count;
  return all;
}
