/** How does a worker that is heard of keep its answers to itself? What disks that hang, devices and clogged links do, as data. */
import type { LeafName, Phase } from '../../src/protocol.ts';
import type { Chance } from './chance.ts';
import type { JobShape } from './job.ts';

export type Muteness =
  /** It is at a leaf for ever; `deaf`: also when nobody wants that leaf any more. */
  | {
      readonly kind: 'stuck';
      readonly deaf: boolean;
      /** Whether it says meanwhile that it waits. */
      readonly told: boolean;
      /** So many leaves of each life it answers, */
      readonly after: number;
      /** and leaves other than this one, and those of other phases than this one, always; null: any is such a leaf. */
      readonly leaf: LeafName | null;
      readonly phase: Phase | null;
    }
  /** What it answers in this iteration is on its way for so long. */
  | { readonly kind: 'late'; readonly number: number; readonly ms: number };

/** One of all kinds. */
export function mutenessOf(chance: Chance, { shards, phases, iterations }: JobShape): Muteness {
  const [deaf, told] = [chance.happens(0.5), chance.happens(0.3)];
  const stuck = { kind: 'stuck', deaf, told, after: 0, leaf: null, phase: null } as const;
  switch (chance.pick(['all', 'all', 'after', 'late', 'leaf', 'phase'] as const)) {
    case 'after':
      return { ...stuck, after: chance.within(1, 5) };
    case 'all':
      return stuck;
    case 'late':
      return { kind: 'late', number: chance.within(0, iterations - 1), ms: chance.within(1500, 9000) };
    case 'leaf':
      return { ...stuck, leaf: chance.within(0, shards - 1) };
    case 'phase':
      return {
        ...stuck,
        phase: phases === 1 ? 'gradient' : chance.pick(['sums', 'head', 'gradient', 'gradient']),
      };
  }
}

/** Whether it never answers this leaf, having answered so many. */
export function isStuck(
  muteness: Muteness,
  answered: number,
  { leaf, phase }: { readonly leaf: LeafName; readonly phase: Phase },
): boolean {
  return (
    muteness.kind === 'stuck' &&
    answered >= muteness.after &&
    (muteness.leaf ?? leaf) === leaf &&
    (muteness.phase ?? phase) === phase
  );
}

/** Whether it is at such a leaf also when nobody wants it any more. */
export function isDeaf(muteness: Muteness | null): boolean {
  return muteness?.kind === 'stuck' && muteness.deaf;
}

/** What it says, being at such a leaf, that it waits for; null: nothing. */
export function excuseOf(muteness: Muteness | null): string | null {
  return muteness?.kind === 'stuck' && muteness.told ? '/rows: the disk is full' : null;
}

/** How long what it answers in this iteration is on its way. */
export function delayMs(muteness: Muteness, number: number): number {
  return muteness.kind === 'late' && muteness.number === number ? muteness.ms : 0;
}

/** What there is of it, where worlds are counted. */
export function namesOf(muteness: Muteness): readonly string[] {
  if (muteness.kind === 'late') return ['answers that are late'];
  const { deaf, told } = muteness;
  return [
    `muteness ${extentOf(muteness)}`,
    deaf ? 'muteness that is deaf' : 'muteness that hears',
    ...(told ? ['muteness that is told of'] : []),
  ];
}

function extentOf({ after, leaf, phase }: Extract<Muteness, { kind: 'stuck' }>): string {
  if (leaf !== null) return 'at one leaf';
  if (phase !== null) return 'in one phase';
  return after > 0 ? 'after some answers' : 'from the first leaf on';
}
