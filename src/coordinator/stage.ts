/**
 * What is asked of which leaves? The stages of one iteration.
 */
import type { Leaf } from '../partition/seats.ts';
import type { Phase } from '../protocol.ts';
import type { Rules } from './rules.ts';

/** What a run is made of, as far as deciding goes. */
export interface RunShape {
  readonly shards: number;
  /** Whether the run has a leaf of its own: scalar parts of the loss, or states of the sources that are wanted. */
  readonly sourcesLeaf: boolean;
  readonly phases: 1 | 2;
  /** Whether a backward sweep is wanted at all. */
  readonly gradient: boolean;
  /** The run’s id: which leaves are audited depends on it. */
  readonly run: string;
  readonly rules: Rules;
}

/** One question to some leaves. */
export interface Stage {
  readonly phase: Phase;
  readonly leaves: readonly Leaf[];
  /** Whether N-sized results and source states are wanted with this stage: the last that its kind of leaf takes part in. */
  readonly rows: boolean;
}

/**
 * The stages of one iteration.
 *
 *   one phase     all leaves at once
 *   two phases    S from the shards; h and ∂h/∂S from the run's own leaf; the backward sweep of all leaves
 */
export function stagesOf(shape: RunShape): readonly Stage[] {
  const shards: readonly Leaf[] = Array.from({ length: shape.shards }, (_, s) => s);
  const own: readonly Leaf[] = shape.sourcesLeaf ? ['sources'] : [];
  if (shape.phases === 1) {
    return [{ phase: shape.gradient ? 'gradient' : 'sums', leaves: [...shards, ...own], rows: true }];
  }
  const stages: readonly Stage[] = [
    { phase: 'sums', leaves: shards, rows: !shape.gradient },
    { phase: 'head', leaves: ['sources'], rows: !shape.gradient },
    { phase: 'gradient', leaves: [...shards, 'sources'], rows: true },
  ];
  return shape.gradient ? stages : stages.slice(0, 2);
}

/** Where a leaf is marked: shards by index, the run's own leaf after them. */
export function placeOf(shape: Pick<RunShape, 'shards'>, leaf: Leaf): number {
  return leaf === 'sources' ? shape.shards : leaf;
}

/** The leaf of a place. */
export function leafAt(shape: Pick<RunShape, 'shards'>, place: number): Leaf {
  return place === shape.shards ? 'sources' : place;
}
