/** A run that was ordered, where it does not matter which. */
import { type RunOrder, runIdOf } from '../src/exchange/register.ts';
import { protocolVersion } from '../src/protocol.ts';

const jobDigest = 'ab'.repeat(32);

/** @param change - what matters */
export function ordered(change: Partial<Omit<RunOrder, 'jobDigest' | 'run'>> = {}): RunOrder {
  const key = change.key ?? '';
  return {
    protocolVersion,
    run: runIdOf(jobDigest, key),
    jobDigest,
    name: 'job',
    key,
    batch: null,
    priority: 0,
    seats: { min: 1, max: 2 },
    engine: 'auto',
    allowMixed: false,
    document: 'loss: 1',
    folder: {},
    submittedAt: 1,
    ...change,
  };
}
