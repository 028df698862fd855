/**
 * Which effects go to the store at once? What was decided together and is seen together.
 */
import type { RunEffect } from './run-events.ts';

/** A question, with the plan of who answers what where that follows at once. */
export type Publication = Extract<RunEffect, { kind: 'publish' }> & {
  readonly plan: Extract<RunEffect, { kind: 'assign' }> | null;
};

/** What is performed at once. */
export type Act = Exclude<RunEffect, { kind: 'publish' }> | Publication;

/** A question and the plan that follows it go together: seats are woken once, and look once. */
export function inOneTrip(effects: readonly RunEffect[]): readonly Act[] {
  const publishes = effects.some(({ kind }) => kind === 'publish');
  if (!publishes) return effects as readonly Exclude<RunEffect, { kind: 'publish' }>[];
  return effects.flatMap((effect, n): readonly Act[] => {
    const after = effects[n + 1];
    if (effect.kind === 'publish') return [{ ...effect, plan: after?.kind === 'assign' ? after : null }];
    return effect.kind === 'assign' && effects[n - 1]?.kind === 'publish' ? [] : [effect];
  });
}
