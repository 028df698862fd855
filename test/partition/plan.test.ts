import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockRows } from '../../src/kernels/block.ts';
import { blocksOf, planShards } from '../../src/partition/plan.ts';

const jobs = { rows: fc.nat({ max: 3_000_000 }), shards: fc.integer({ min: 1, max: 4096 }) };

describe('planShards', () => {
  it('covers every row once, in order', () => {
    fc.assert(
      fc.property(jobs.rows, jobs.shards, (rows, count) => {
        const shards = planShards(rows, count);
        // One assertion for all of them: thousands a plan would be what this takes its time for.
        const misplaced = shards.filter(
          ({ index, begin, end }, s) => index !== s || begin !== (shards[s - 1]?.end ?? 0) || end <= begin,
        );
        expect(misplaced).toEqual([]);
        expect(shards.at(-1)?.end ?? 0).toBe(rows);
        expect(shards.length).toBe(Math.min(count, rows));
      }),
      { numRuns: 60 },
    );
  });

  it('cuts between blocks only, wherever there are as many blocks as shards', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4096 }), fc.nat({ max: 1_000_000 }), (count, extra) => {
        const shards = planShards((count - 1) * blockRows + 1 + extra, count);
        expect(shards.length).toBe(count);
        expect(shards.filter(({ begin }) => begin % blockRows !== 0)).toEqual([]);
        const blocks = shards.map(blocksOf);
        expect(Math.max(...blocks) - Math.min(...blocks)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 60 },
    );
  });

  it('deals single rows out when there are fewer blocks than shards', () => {
    expect(planShards(1000, 8).map((s) => s.end - s.begin)).toEqual(Array(8).fill(125));
    expect(planShards(3, 8)).toEqual([
      { index: 0, begin: 0, end: 1 },
      { index: 1, begin: 1, end: 2 },
      { index: 2, begin: 2, end: 3 },
    ]);
  });

  it('makes no shard of no rows', () => {
    expect(planShards(0, 4)).toEqual([]);
  });

  it('stays exact beyond 2⁵³ / shards', () => {
    const rows = 2 ** 50;
    const shards = planShards(rows, 4096);
    expect(shards.at(-1)?.end).toBe(rows);
    expect(shards.every((s) => s.end - s.begin === rows / 4096)).toBe(true);
  });
});
