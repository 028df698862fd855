import { describe, expect, it } from 'vitest';
import { surveyTogether } from './crew.ts';
import { mutants } from './mutants.ts';
import { type Findings, survey } from './survey.ts';
import { simulate } from './world.ts';

/** What has to befall somebody in every 500 worlds. */
const faults: readonly string[] = [
  ...['crash', 'cut', 'freeze'].flatMap((what) => [`${what} of a coordinator`, `${what} of a worker`]),
  'cancel',
  'drain',
  'empty',
  'room where only the mute sat',
  'answers that are late',
  ...['from the first leaf on', 'after some answers', 'at one leaf', 'in one phase'].map(
    (when) => `muteness ${when}`,
  ),
  ...['deaf', 'told of'].map((how) => `muteness that is ${how}`),
];

describe('a run in a world where things go wrong', () => {
  it.each([1, 501, 1001, 1501])(
    'comes to the right bits, or to the end that it should, in 500 worlds from seed %i',
    async (from) => {
      // One of them again, with everything that happens: npm run simulate -- --seed N --trace
      const { wrong, met } = await survey({ from, count: 500 });
      expect(wrong).toEqual([]);
      expect(faults.filter((fault) => met[fault] === undefined)).toEqual([]);
    },
  );

  it('is the same world again for the same seed', async () => {
    const told = async (seed: number): Promise<readonly string[]> => {
      const lines: string[] = [];
      await simulate(seed, undefined, (line) => lines.push(line));
      return lines;
    };
    const first = await told(3);
    expect(first.length).toBeGreaterThan(5);
    expect(await told(3)).toEqual(first);
  });

  it('is found by its seed, whichever process of how many simulates it', async () => {
    const mutant = 'answers are added in the order of arrival';
    const asked = { from: 201, count: 70, mutant, processes: 2, rangeSeeds: 30 };
    const found: Findings[] = [];
    await surveyTogether(asked, (findings) => found.push(findings));
    const alone = await Promise.all(
      [
        { from: 201, count: 30 },
        { from: 231, count: 30 },
        { from: 261, count: 10 },
      ].map((range) => survey(range, mutants[mutant])),
    );
    expect(found).toEqual(alone);
    expect(alone.flatMap(({ wrong }) => wrong)).not.toEqual([]);
  });
});
