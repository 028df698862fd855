/** What must hold of a run's state whatever happened? A breach is told at once, not by an end that never comes. */
import { isOpen, queueOf } from '../../src/coordinator/load.ts';
import type { Asking } from '../../src/coordinator/run-events.ts';
import type { decide } from '../../src/coordinator/run-state.ts';

/** Decisions as they are; throws after one that breaks a law. */
export function lawful(decision: typeof decide): typeof decide {
  return (shape, state, event) => {
    const decided = decision(shape, state, event);
    if (decided.state.kind === 'asking') check(decided.state, event.kind);
    return decided;
  };
}

function check({ asked, load, crew, checks }: Asking, event: string): void {
  const open = asked.leaves.filter((leaf) => isOpen(load, leaf));
  if (open.length !== load.remaining)
    throw new Error(`${load.remaining} leaves are counted as open after ${event}, and ${open.length} are`);
  for (const leaf of open) {
    if (!load.queues.values().some(({ leaves }) => leaves.includes(leaf)) && !load.orphans.includes(leaf))
      throw new Error(`leaf ${leaf} is with nobody after ${event}, and nobody looks after it`);
  }
  for (const seat of crew.members.seats()) {
    if (queueOf(load, seat) === null) throw new Error(`${seat} is held after ${event}, and has no queue`);
  }
  for (const { asked: seat } of checks) {
    if (seat !== null && !crew.members.has(seat))
      throw new Error(`a check waits after ${event} for ${seat}, which is gone`);
  }
}
