/**
 * What do arbitrary and damaged bytes do to a reader? They are refused with a ProtocolError, at once. 200 000 frames a run.
 */

import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { beforeAll, describe, it } from 'vitest';
import { z } from 'zod';
import { isSkewflowError } from '../../../src/errors.ts';
import { decodeControl } from '../../../src/exchange/frames/control.ts';
import { decodeIteration, encodeIteration } from '../../../src/exchange/frames/iteration.ts';
import { decodePostings, encodePostings } from '../../../src/exchange/frames/postings.ts';
import { ErrorReport } from '../../../src/protocol.ts';
import { expectNothingPolluted, refuseSlow, traceNoStacks } from '../../setup/slow.ts';
import { anyIteration, anyPostings, jobDigest } from './messages.ts';

/** Some seconds of work, on a machine that is busy elsewhere, too. */
const limits = { timeout: 300_000 };

beforeAll(traceNoStacks);

const originals: readonly Buffer[] = [
  ...fc.sample(anyIteration, { seed: 11, numRuns: 40 }).map((it) => encodeIteration(it, jobDigest)),
  ...fc.sample(anyPostings, { seed: 13, numRuns: 40 }).map((it) => encodePostings(it, jobDigest)),
];

/** A frame with some bytes changed, cut or added, and its checksum made right again: what a bug of ours would send. */
const damaged = fc
  .record({
    original: fc.constantFrom(...originals),
    changes: fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 }),
    cut: fc.option(fc.nat(), { freq: 8 }),
  })
  .map(({ original, changes, cut }) => {
    const bytes = Buffer.from(original);
    for (const [at, value] of changes) bytes[at % bytes.length] = value;
    bytes.writeUInt32LE(crc32(bytes.subarray(112), crc32(bytes.subarray(0, 108))), 108);
    return cut === null ? bytes : bytes.subarray(0, cut % bytes.length);
  });

const readers: readonly ((bytes: Uint8Array) => unknown)[] = [
  (bytes) => decodeIteration(bytes, jobDigest),
  (bytes) => decodePostings(bytes, jobDigest),
];

/** Read these bytes at once, and let no error through but ours. */
function refuse(read: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void {
  refuseSlow(() => {
    try {
      read(bytes);
    } catch (error) {
      if (!isSkewflowError(error, 'ProtocolError')) throw error;
    }
  });
}

describe('the readers of frames', () => {
  it('take 150 000 damaged frames without a crash', limits, () => {
    fc.assert(
      fc.property(damaged, (bytes) => {
        for (const read of readers) refuse(read, bytes);
      }),
      { numRuns: 150_000 },
    );
  });

  it('take 50 000 control parts of arbitrary bytes without a crash', limits, () => {
    const anything = fc.uint8Array({ maxLength: 64 });
    fc.assert(
      fc.property(anything, (bytes) => {
        refuse((given) => decodeControl(given, z.unknown()), bytes);
        refuse((given) => decodeControl(given, ErrorReport), bytes);
      }),
      { numRuns: 50_000 },
    );
    expectNothingPolluted();
  });
});
