/**
 * Which messages do the frames' tests send? Arbitrary ones, with numbers that no sum of few bits is.
 */
import fc from 'fast-check';
import {
  Iteration,
  type LeafName,
  ParameterDigest,
  type Posting,
  protocolVersion,
  RunId,
  SeatId,
  WorkerId,
} from '../../../src/protocol.ts';

export const jobDigest = '0123456789abcdef'.repeat(4);

const digest = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => ParameterDigest.parse(Buffer.from(bytes).toString('hex')));
const phase = fc.constantFrom('sums', 'head', 'gradient');
const reals = fc
  .array(fc.oneof(fc.double(), fc.constantFrom(0.1, 1 / 3, -0, Number.NaN, Infinity)), { maxLength: 12 })
  .map((values) => Float64Array.from(values));
const count = fc.nat({ max: 100_000 });

export const anyIteration: fc.Arbitrary<Iteration> = fc
  .record({
    run: fc.constant('run-1'),
    epoch: count,
    number: count,
    phase,
    parameterDigest: digest,
    times: fc.option(reals),
    fields: fc.array(fc.tuple(fc.string({ maxLength: 12 }), reals), { maxLength: 4 }).map((f) => new Map(f)),
    sums: fc.option(reals),
    seeds: fc.option(fc.record({ values: reals, winners: reals })),
    rows: fc.record({
      gradient: fc.array(fc.string({ maxLength: 8 }), { maxLength: 3 }),
      final: fc.boolean(),
      trajectory: fc.uniqueArray(count, { maxLength: 5 }),
      values: fc.boolean(),
    }),
  })
  .map((fields) => Iteration.parse({ protocolVersion, ...fields }));

const leaf: fc.Arbitrary<{ readonly leaf: LeafName; readonly count: number }> = fc.oneof(
  fc.nat({ max: 4095 }).map((shard) => ({ leaf: shard, count: 1 })),
  fc.constant({ leaf: 'sources' as const, count: 1 }),
);
/** Aligned groups of shards. */
const subtree = fc
  .tuple(fc.nat({ max: 15 }), fc.integer({ min: 0, max: 12 }))
  .map(([index, level]) => ({ leaf: index * 2 ** level, count: 2 ** level }));
const partial = fc.record({
  kind: fc.constant('partial' as const),
  sums: reals,
  winners: reals,
  loss: fc.double(),
  gradient: reals,
  seeds: fc.option(reals),
  sourceStates: fc.option(reals),
});
const fault = fc.record({
  kind: fc.constant('non-finite' as const),
  group: fc.constantFrom('sources' as const, 'tracers' as const),
  what: fc.constantFrom('gradient' as const, 'loss' as const, 'state' as const),
  row: count,
  step: count,
});
const copy = fc.nat({ max: 255 });
const posted: fc.Arbitrary<Pick<Posting, 'answer' | 'copy' | 'count' | 'leaf'>> = fc.oneof(
  fc.tuple(fc.oneof(leaf, subtree), copy, partial).map(([at, n, answer]) => ({ ...at, copy: n, answer })),
  fc.tuple(leaf, copy, fault).map(([at, n, answer]) => ({ ...at, copy: n, answer })),
);

export const anyPostings: fc.Arbitrary<readonly Posting[]> = fc
  .record({
    number: count,
    phase,
    parameterDigest: digest,
    leaves: fc.array(posted, { minLength: 1, maxLength: 5 }),
    tookMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
  })
  .map(({ leaves, ...question }) =>
    leaves.map((each, n) => ({
      protocolVersion,
      run: RunId.parse('run-1'),
      // The answers of a seat follow one another.
      seat: SeatId.parse(`seat-${Math.floor(n / 2)}`),
      worker: WorkerId.parse(`host:${Math.floor(n / 4)}`),
      numerics: n < 4 ? 'wasm/f32' : 'reference/f64',
      ...question,
      ...each,
    })),
  );
