import { describe, expect, it } from 'vitest';
import {
  Iteration,
  Join,
  ParameterDigest,
  Posting,
  protocolVersion,
  RunId,
  SeatId,
  workerIdOf,
} from '../src/protocol.ts';

/** A posting as version 1 wrote it, before leaves could be answered together. */
const recordedV1 = {
  protocolVersion: 1,
  run: 'run-1',
  seat: 'seat-1',
  number: 0,
  phase: 'gradient',
  parameterDigest: 'a'.repeat(64),
  leaf: 'sources',
  copy: 0,
  answer: {
    kind: 'partial',
    sums: Float64Array.of(0.25),
    winners: Float64Array.of(-1),
    loss: 1.5,
    gradient: Float64Array.of(1, 2),
    seeds: null,
    sourceStates: null,
  },
};

/** A posting as version 2 wrote it, before answers said whose they are. */
const recordedV2 = { ...recordedV1, protocolVersion: 2, count: 1 };

/** As version 3 wrote it, whose frames held the answers of one seat. */
const recordedV3 = { ...recordedV2, protocolVersion: 3, worker: 'host:1', numerics: 'reference/f64' };

/** As version 4 writes it. When the version rises, this stays and says what becomes of it. */
const recordedV4 = { ...recordedV3, protocolVersion: 4, tookMs: 1 / 3 };

describe('the protocol', () => {
  it.each([
    [1, recordedV1],
    [2, recordedV2],
    [3, recordedV3],
  ])('refuses a recorded posting of version %i', (_, recorded) => {
    expect(Posting.safeParse(recorded).success).toBe(false);
  });

  it('reads a recorded posting of version 4', () => {
    expect(protocolVersion).toBe(4);
    expect(Posting.parse(recordedV4)).toEqual(recordedV4);
  });

  it.each([
    ['of another version', { protocolVersion: 5 }],
    ['with a key it does not know', { cmd: 7 }],
    ['for a phase it does not know', { phase: 'adjoint' }],
    ['for half a leaf', { leaf: 0.5 }],
    ['for no leaf at all', { count: 0 }],
    ['by nobody', { worker: '' }],
    ['that took less than no time', { tookMs: -1 }],
    ['whose arrays came as numbers', { answer: { ...recordedV4.answer, sums: [0.25] } }],
    ['under a shortened digest', { parameterDigest: 'abc' }],
  ])('refuses a posting %s', (_, change) => {
    expect(Posting.safeParse({ ...recordedV4, ...change }).success).toBe(false);
  });

  it('reads a fault', () => {
    const answer = { kind: 'non-finite', group: 'tracers', what: 'state', row: 7, step: 3 };
    expect(Posting.parse({ ...recordedV4, leaf: 2, answer }).answer).toEqual(answer);
  });

  it('refuses an iteration whose fields are not binary', () => {
    const iteration = {
      protocolVersion,
      run: RunId.parse('run-1'),
      epoch: 1,
      number: 0,
      phase: 'sums',
      parameterDigest: ParameterDigest.parse('b'.repeat(64)),
      times: null,
      fields: new Map([['p', Float64Array.of(1)]]),
      sums: null,
      seeds: null,
      rows: { gradient: [], final: true, trajectory: [], values: false },
    };
    expect(Iteration.parse(iteration)).toEqual(iteration);
    expect(Iteration.safeParse({ ...iteration, fields: new Map([['p', [1]]]) }).success).toBe(false);
  });

  it('refuses names that a frame of many seats has no room for', () => {
    const [numerics, worker] = ['n'.repeat(257), 'é'.repeat(65)];
    const told = (changes: object): readonly string[] =>
      Posting.safeParse({ ...recordedV4, ...changes }).error?.issues.map(({ message }) => message) ?? [];
    expect(told({ numerics })).toEqual(['expected at most 256 bytes of UTF-8']);
    expect(told({ worker })).toEqual(['expected at most 128 bytes of UTF-8']);
    expect(told({ numerics: numerics.slice(1), worker: worker.slice(1) })).toEqual([]);
    const join = {
      protocolVersion,
      seat: 'seat-1',
      worker: 'host:1',
      version: '1',
      engine: 'webgpu',
      threads: 1,
    };
    expect(Join.safeParse({ ...join, numerics }).success).toBe(false);
    expect(Join.safeParse({ ...join, numerics: numerics.slice(1) }).success).toBe(true);
  });

  it('tells ids apart from empty text', () => {
    expect(SeatId.safeParse('').success).toBe(false);
  });
});

it('names a worker by as much of its host as a name has room for, in whole characters', () => {
  expect(workerIdOf('node-7', 4031, '1b9d6bcd')).toBe('node-7:4031:1b9d6bcd');
  const long = workerIdOf(`計算機${'算'.repeat(60)}`, 4_194_304, '1b9d6bcd');
  expect(long).toBe(`計算機${'算'.repeat(23)}:4194304:1b9d6bcd`);
  expect(Buffer.byteLength(long)).toBeLessThanOrEqual(128);
});
