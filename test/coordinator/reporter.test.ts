import { describe, expect, it } from 'vitest';
import type { Notice, Who } from '../../src/coordinator/notice.ts';
import { Reporter } from '../../src/coordinator/reporter.ts';
import { Story } from '../../src/coordinator/story.ts';
import type { Register, RunNews } from '../../src/exchange/register.ts';
import type { Log } from '../../src/log.ts';
import { RunId, SeatId, WorkerId } from '../../src/protocol.ts';

const quiet: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };
const who = (name: string): Who => ({ seat: SeatId.parse(name), worker: WorkerId.parse(name) });
const joined = (name: string): Notice => ({
  code: 'JOINED',
  who: who(name),
  numerics: 'reference/f64',
  seats: 1,
});
const waits = (name: string, why: string | null): Notice => ({ code: 'WORKER_WAITS', who: who(name), why });

/** The states that a register hears of these notices. */
async function statesAfter(...notices: readonly Notice[]): Promise<readonly string[]> {
  const states: string[] = [];
  const report = async (_run: RunId, _epoch: number, news: RunNews): Promise<'accepted'> => {
    if (news.kind === 'state') states.push(news.state);
    return 'accepted';
  };
  const story = new Story({ report } as Pick<Register, 'report'> as Register, RunId.parse('r'), 1, quiet);
  const reporter = new Reporter(story);
  for (const notice of notices) reporter.noticed(notice);
  await story.settled();
  return states;
}

describe('a run whose workers wait for room on their disks', () => {
  it('is paused when all of them do, and active again when one goes on', async () => {
    const all = [joined('a'), joined('b'), waits('a', 'full'), waits('b', 'full'), waits('a', null)];
    expect(await statesAfter(...all)).toEqual(['paused', 'active']);
  });

  it('is active as long as one works', async () => {
    expect(await statesAfter(joined('a'), joined('b'), waits('a', 'full'))).toEqual([]);
  });

  it('is not paused by those that are gone', async () => {
    const left: Notice = { code: 'WORKER_LEFT', who: who('a'), leaves: 1 };
    expect(await statesAfter(joined('a'), waits('a', 'full'), left, joined('b'))).toEqual([
      'paused',
      'active',
    ]);
    const lost: Notice = { code: 'STATE_LOST', number: 0, answers: 0 };
    expect(await statesAfter(joined('a'), waits('a', 'full'), lost)).toEqual(['paused', 'active']);
  });
});
