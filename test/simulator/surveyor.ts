/** What does a process of a crew do? It surveys the seeds that it is told, and tells what it found, as often as it is asked. */
import { mutants, sound } from './mutants.ts';
import { type Findings, type Range, survey } from './survey.ts';

export interface Commission extends Range {
  /** The name of a bug that these worlds have; null: none that is known. */
  readonly mutant: string | null;
}

export type Told = Findings;

process.on('message', (commission: Commission) => void obey(commission));

async function obey({ mutant, ...range }: Commission): Promise<void> {
  const found: Told = await survey(range, mutant === null ? sound : mutants[mutant]);
  process.send?.(found);
}
