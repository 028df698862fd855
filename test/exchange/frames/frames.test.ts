import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSkewflowError } from '../../../src/errors.ts';
import { decodeIteration, encodeIteration } from '../../../src/exchange/frames/iteration.ts';
import { answerBytesMax, iterationBytesMax } from '../../../src/exchange/frames/limits.ts';
import { authorsMax, decodePostings, encodePostings } from '../../../src/exchange/frames/postings.ts';
import { Numerics, type Posting, SeatId, WorkerId } from '../../../src/protocol.ts';
import { anyIteration, anyPostings, jobDigest } from './messages.ts';

const [iteration] = fc.sample(anyIteration, { seed: 3, numRuns: 1 });
const [postings] = fc.sample(anyPostings, { seed: 5, numRuns: 1 });
if (iteration === undefined || postings === undefined) throw new Error('a sample of one has one');

describe('a frame', () => {
  it('brings an iteration across bit by bit', () => {
    fc.assert(
      fc.property(anyIteration, (sent) => {
        expect(decodeIteration(encodeIteration(sent, jobDigest), jobDigest)).toEqual(sent);
      }),
      { numRuns: 500 },
    );
  });

  it('brings answers across bit by bit', () => {
    fc.assert(
      fc.property(anyPostings, (sent) => {
        expect(decodePostings(encodePostings(sent, jobDigest), jobDigest)).toEqual(sent);
      }),
      { numRuns: 500 },
    );
  });

  it('has room for the longest names of as many seats as share one', () => {
    const [first] = postings;
    // Of two bytes a letter.
    const sent = Array.from({ length: authorsMax }, (_, n) => ({
      ...(first as Posting),
      seat: SeatId.parse(String(n + 10).padEnd(33, 'é')),
      worker: WorkerId.parse(String(n + 10).padEnd(65, 'é')),
      numerics: Numerics.parse(String(n + 10).padEnd(129, 'é')),
    }));
    expect(decodePostings(encodePostings(sent, jobDigest), jobDigest)).toEqual(sent);
  });

  it('is read from bytes that lie at an odd address and are reused afterwards', () => {
    const frame = encodePostings(postings, jobDigest);
    const reply = Buffer.alloc(frame.length + 3);
    frame.copy(reply, 3);
    const received = decodePostings(reply.subarray(3), jobDigest);
    reply.fill(0xff);
    expect(received).toEqual(postings);
  });

  it.each([
    ['an iteration', encodeIteration(iteration, jobDigest), decodeIteration],
    ['answers', encodePostings(postings, jobDigest), decodePostings],
  ] as const)('of %s is refused when any one bit of it is another', (_, frame, decode) => {
    const flipped = Buffer.from(frame);
    const accepted: number[] = [];
    for (let bit = 0; bit < 8 * frame.length; bit++) {
      flipped[bit >> 3] = (frame[bit >> 3] as number) ^ (1 << (bit & 7));
      if (isAccepted(() => decode(flipped, jobDigest))) accepted.push(bit);
      flipped[bit >> 3] = frame[bit >> 3] as number;
    }
    expect(accepted).toEqual([]);
  });

  it('is refused when it is cut short or goes on', () => {
    const frame = encodeIteration(iteration, jobDigest);
    for (let length = 0; length < frame.length; length++)
      expect(isAccepted(() => decodeIteration(frame.subarray(0, length), jobDigest))).toBe(false);
    expect(isAccepted(() => decodeIteration(Buffer.concat([frame, Buffer.alloc(8)]), jobDigest))).toBe(false);
  });

  it('is refused by the reader of another type and of another job', () => {
    const frame = encodeIteration(iteration, jobDigest);
    expect(() => decodePostings(frame, jobDigest)).toThrow(/not a frame of type postings/);
    expect(() => decodeIteration(frame, 'a'.repeat(64))).toThrow(/of job 0123/);
  });

  it('that promises more than it holds is refused before anything is allocated', () => {
    const frame = encodeIteration(iteration, jobDigest);
    frame.writeUInt32LE(0xffff_ffff, 104);
    expect(() => decodeIteration(frame, jobDigest)).toThrow(/34359738/);
  });

  it('is not made of more than a store should carry, and says what to do instead', () => {
    const [first] = postings;
    const huge = { ...iteration, fields: new Map([['p', new Float64Array(iterationBytesMax / 8 + 1)]]) };
    expect(() => encodeIteration(huge, jobDigest)).toThrow(
      /take \d+ bytes, more than the 16777216.*skewflow run/,
    );
    const answer: Posting['answer'] = {
      kind: 'partial',
      sums: new Float64Array(0),
      winners: new Float64Array(0),
      loss: 0,
      gradient: new Float64Array(answerBytesMax / 8 + 1),
      seeds: null,
      sourceStates: null,
    };
    expect(() => encodePostings([{ ...(first as Posting), answer }], jobDigest)).toThrow(/67108872 bytes/);
  });
});

/** Whether it passes; an error that is none of ours goes through. */
function isAccepted(decode: () => unknown): boolean {
  try {
    decode();
    return true;
  } catch (error) {
    if (!isSkewflowError(error, 'ProtocolError')) throw error;
    return false;
  }
}
