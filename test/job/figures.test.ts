/** The numbers a job is completed with or counted by: bytes, shards, admission. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { admissionOf, refuseBeyond } from '../../src/job/admission.ts';
import { parseBytes } from '../../src/job/bytes.ts';
import { defaultShards } from '../../src/job/shard-count.ts';
import { jobIn, sound } from './jobs.ts';

describe('an amount of memory', () => {
  test.each<[number | string, number]>([
    [1024, 1024],
    ['512', 512],
    ['1 KiB', 1024],
    ['64MiB', 64 * 2 ** 20],
    ['1.5GiB', 1.5 * 2 ** 30],
    ['2GB', 2e9],
    ['1 TiB', 2 ** 40],
    ['100 B', 100],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  test.each(['', '0', '-1', 'GiB', '2 GIGS', '1.2.3MB', '9999999999TiB', -5, 0.5, NaN])(
    'is not %s',
    (text) => {
      expect(() => parseBytes(text)).toThrow(expect.objectContaining({ tag: 'UsageError' }));
    },
  );
});

describe('the default number of shards', () => {
  test.each([
    [0, 0, 1],
    [1000, 100, 1],
    [8191, 10, 1],
    [8192, 10, 2],
    [100_000, 100, 16],
    [1e6, 100, 128],
    [1e6, 6611, 8],
    [1e9, 100, 4096],
  ])('for %i tracers and %i sources is %i', (tracers, sources, shards) => {
    expect(defaultShards(tracers, sources)).toBe(shards);
  });

  test('is the largest power of two that the rule allows', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e12 }), fc.integer({ min: 0, max: 1e5 }), (n, m) => {
        const shards = defaultShards(n, m);
        const most = n / (16 * Math.max(m, 256));
        expect(Math.log2(shards) % 1).toBe(0);
        expect(shards === 1 || shards <= most).toBe(true);
        expect(shards === 4096 || 2 * shards > most).toBe(true);
      }),
    );
  });
});

describe('the admission of a job', () => {
  test('counts what it does and reads', async () => {
    const job = await jobIn(
      `${sound.replace('[p, q, sigma]', '[p, x]')}values: { s: sqnorm(x) }\noutput: { save: [final, trajectory], every: 4 }\n`,
    );
    expect(admissionOf(job, 10)).toEqual({
      tracers: 100n,
      sources: 10n,
      evaluations: 40n,
      pairs: 100n * 10n * 40n,
      sourcePairs: 10n * 10n * 40n,
      // q, p: 10×3; x, goal: 100×3; sigma.
      inputBytes: 4n * (60n + 600n + 1n),
      trajectoryBytes: 4n * 41n * 10n * 3n,
      // Gradient of x, final, states at steps 0, 4, 8 and 10, one value.
      resultBytes: 4n * 100n * (3n + 3n + 4n * 3n + 1n),
    });
  });

  test('counts one visit a pair without a flow', async () => {
    const job = await jobIn(
      'sources: { c: [1, 2] }\ntracers: { x: [1, 2, 3] }\nloss: sum(i, sum(j, exp(x - c[j])))\nprecision: f64\n',
    );
    expect(admissionOf(job, 0)).toMatchObject({ evaluations: 1n, pairs: 6n, inputBytes: 40n });
  });

  test('is exact beyond what a double holds', async () => {
    const job = await jobIn(sound, ['sources.rows=1000003', 'tracers.rows=1000000007']);
    expect(admissionOf(job, 10_000_000).pairs).toBe(1000003n * 1000000007n * 40_000_000n);
  });

  test('refuses what is beyond the limits, with the figures', async () => {
    const admission = admissionOf(await jobIn(sound), 10);
    expect(() => refuseBeyond(admission, { pairs: 40_000n, bytes: 1n << 20n })).not.toThrow();
    expect(() => refuseBeyond(admission, { pairs: 39_999n, bytes: 1n << 20n })).toThrow(
      'the job visits 40000 pairs forward, and at most 39999 are admitted here',
    );
    expect(() => refuseBeyond(admission, { pairs: 40_000n, bytes: 100n })).toThrow(
      expect.objectContaining({ tag: 'MemoryError' }),
    );
  });
});
