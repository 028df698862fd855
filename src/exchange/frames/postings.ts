/**
 * How do answers cross a wire? Those that the seats of a process post together are one frame: seat by seat and answer by answer,
 * eleven doubles that say what it is, then its arrays.
 *
 *   partial:  leaf  count  copy  0  |sums|  |winners|  loss  |gradient|  |seeds|  |states|  ms     −1 where there is no array
 *   fault:    leaf  1      copy  1  group   what       row   step        0        0         ms
 */
import { z } from 'zod';
import { SkewflowError } from '../../errors.ts';
import {
  copyMax,
  countMax,
  Fault,
  type LeafName,
  type LeafPartial,
  Numerics,
  type Posting,
  protocolVersion,
  RunId,
  SeatId,
  WorkerId,
} from '../../protocol.ts';
import { decodeControl, encodeControl } from './control.ts';
import { decodeFrame, encodeFrame, malformed } from './frame.ts';
import { answerBytesMax } from './limits.ts';

/** Whose the answers are: of each seat how many, in their order. */
const Author = z.strictObject({
  seat: SeatId,
  worker: WorkerId,
  numerics: Numerics,
  count: z.int().nonnegative(),
});
const PostingsControl = z.strictObject({ run: RunId, authors: z.array(Author) });

/** Seats whose answers are in one frame, at most: their names have to fit in its control part. */
export const authorsMax = 32;

/** Doubles that describe one answer. */
const recordLength = 11;
const groups = Fault.shape.group.options;
const whats = Fault.shape.what.options;

/** How a leaf is numbered in a frame: the run's own before the shards. */
function leafNumber(leaf: LeafName): number {
  return leaf === 'sources' ? -1 : leaf;
}

/** Places of one copy in the store's bit map: more than the leaves of any job. */
const copyStride = 2 ** 17;

/**
 * Where an answer stands in the store's bit map: the first for a leaf and copy sets the bit, and no other counts. Leaves that
 * are answered together have neighbouring bits, from here on.
 */
export function answerBit({ leaf, copy }: Pick<Posting, 'copy' | 'leaf'>): number {
  return leafNumber(leaf) + 1 + copy * copyStride;
}

/** Bytes of an answer's arrays. */
export function answerBytes(answer: Posting['answer']): number {
  if (answer.kind !== 'partial') return 0;
  const { sums, winners, gradient, seeds, sourceStates } = answer;
  const doubles = sums.length + winners.length + gradient.length;
  return 8 * (doubles + (seeds?.length ?? 0) + (sourceStates?.length ?? 0));
}

/** Bytes that an answer takes in a frame. */
export function postingBytes({ answer }: Posting): number {
  return 8 * recordLength + answerBytes(answer);
}

/**
 * Answers to one question as a frame.
 *
 * @param postings - at least one; run, number, phase and parameters are those of the first, and those of a seat follow one another,
 *   all of one worker and numerics class
 * @throws ProtocolError when one is more than a store should carry
 */
export function encodePostings(postings: readonly Posting[], jobDigest: string): Buffer {
  const [first] = postings;
  if (first === undefined) throw malformed('no posting');
  let doubles = 0;
  const leaves = { begin: Number.POSITIVE_INFINITY, end: -1 };
  const authors: z.infer<typeof Author>[] = [];
  for (const posting of postings) {
    const { answer, leaf, count, seat, worker, numerics } = posting;
    const bytes = answerBytes(answer);
    if (bytes > answerBytesMax) throw tooLarge(leaf, bytes);
    doubles += recordLength + bytes / 8;
    leaves.begin = Math.min(leaves.begin, leafNumber(leaf));
    leaves.end = Math.max(leaves.end, leafNumber(leaf) + count);
    const last = authors.at(-1);
    if (last?.seat === seat) last.count += 1;
    else authors.push({ seat, worker, numerics, count: 1 });
  }
  const { run, number, phase, parameterDigest } = first;
  const header = {
    type: 'postings',
    jobDigest,
    epoch: 0,
    iteration: number,
    phase,
    parameterDigest,
    leaves,
  } as const;
  const control = encodeControl({ run, authors } satisfies z.infer<typeof PostingsControl>);
  return encodeFrame(header, control, doubles, (reals) => {
    let at = 0;
    for (const posting of postings) {
      const { answer } = posting;
      reals.set(recordOf(posting), at);
      at += recordLength;
      if (answer.kind !== 'partial') continue;
      for (const array of arraysOf(answer)) {
        if (array === null) continue;
        reals.set(array, at);
        at += array.length;
      }
    }
  });
}

/**
 * The answers in a frame. Their arrays are views of one buffer.
 *
 * @throws ProtocolError for anything that is no intact frame of answers to this job
 */
export function decodePostings(bytes: Uint8Array, jobDigest: string): readonly Posting[] {
  const { header, control, reals } = decodeFrame(bytes, 'postings');
  if (header.jobDigest !== jobDigest) throw malformed(`of job ${header.jobDigest}, expected ${jobDigest}`);
  const { run, authors } = decodeControl(control, PostingsControl);
  const { iteration: number, phase, parameterDigest } = header;
  const reader = new Reader(reals);
  const postings: Posting[] = [];
  // No copy of an envelope: hundreds of workers’ answers are read in an iteration, and V8 (Node 20) takes ten times as long for a
  // spread as for an object whose names stand here.
  for (const { seat, worker, numerics, count: answers } of authors) {
    for (let n = 0; n < answers; n++) {
      const { leaf, count, copy, tookMs, answer } = reader.leaf(header.leaves);
      const posting: Posting = {
        protocolVersion,
        run,
        seat,
        worker,
        numerics,
        number,
        phase,
        parameterDigest,
        leaf,
        count,
        copy,
        tookMs,
        answer,
      };
      postings.push(posting);
    }
  }
  reader.finish();
  return postings;
}

function arraysOf(partial: LeafPartial): readonly (Float64Array | null)[] {
  return [partial.sums, partial.winners, partial.gradient, partial.seeds, partial.sourceStates];
}

function recordOf({ leaf, count, copy, tookMs, answer }: Posting): readonly number[] {
  const at = leafNumber(leaf);
  if (answer.kind === 'non-finite')
    return [
      at,
      count,
      copy,
      1,
      groups.indexOf(answer.group),
      whats.indexOf(answer.what),
      answer.row,
      answer.step,
      0,
      0,
      tookMs,
    ];
  const { sums, winners, loss, gradient, seeds, sourceStates } = answer;
  return [
    at,
    count,
    copy,
    0,
    sums.length,
    winners.length,
    loss,
    gradient.length,
    seeds?.length ?? -1,
    sourceStates?.length ?? -1,
    tookMs,
  ];
}

/** Reads records and arrays in order, and nothing past the end. */
class Reader {
  readonly #reals: Float64Array;
  #at = 0;

  constructor(reals: Float64Array) {
    this.#reals = reals;
  }

  leaf({
    begin,
    end,
  }: {
    readonly begin: number;
    readonly end: number;
  }): Pick<Posting, 'answer' | 'copy' | 'count' | 'leaf' | 'tookMs'> {
    const record = this.#take(recordLength);
    // Not by a pattern, which goes through an iterator.
    const at = record[0] as number;
    const count = record[1] as number;
    const copy = record[2] as number;
    const kind = record[3] as number;
    const tookMs = record[10] as number;
    if (!Number.isInteger(at) || at < begin || at >= end || at < -1) throw malformed(`leaf ${at}`);
    if (!isSubtree(at, count) || at + count > end) throw malformed(`${count} leaves from ${at} on`);
    if (!Number.isInteger(copy) || copy < 0 || copy > copyMax) throw malformed(`copy ${copy} of an answer`);
    if (!(tookMs >= 0 && tookMs < Number.POSITIVE_INFINITY))
      throw malformed(`an answer that took ${tookMs} ms`);
    const leaf = at === -1 ? 'sources' : at;
    if (kind === 1 && count === 1) return { leaf, count, copy, tookMs, answer: faultOf(record) };
    if (kind !== 0) throw malformed(`an answer of kind ${kind}`);
    const sums = this.#take(record[4] as number);
    const winners = this.#take(record[5] as number);
    const loss = record[6] as number;
    const gradient = this.#take(record[7] as number);
    const seeds = record[8] === -1 ? null : this.#take(record[8] as number);
    const sourceStates = record[9] === -1 ? null : this.#take(record[9] as number);
    const answer = { kind: 'partial', sums, winners, loss, gradient, seeds, sourceStates } as const;
    return { leaf, count, copy, tookMs, answer };
  }

  finish(): void {
    if (this.#at !== this.#reals.length)
      throw malformed(`${this.#reals.length - this.#at} doubles after the answers`);
  }

  #take(length: number): Float64Array {
    if (!Number.isInteger(length) || length < 0 || length > this.#reals.length - this.#at)
      throw malformed(`an array of ${length} doubles where ${this.#reals.length - this.#at} are left`);
    this.#at += length;
    return this.#reals.subarray(this.#at - length, this.#at);
  }
}

/** Whether so many leaves from one on are a subtree: one leaf, or 2ˡ shards that begin at a multiple of 2ˡ. */
function isSubtree(at: number, count: number): boolean {
  if (count === 1) return true;
  const powerOfTwo = count > 0 && count <= countMax && Number.isInteger(Math.log2(count));
  return powerOfTwo && at >= 0 && at % count === 0;
}

function faultOf([, , , , group = -1, what = -1, row, step]: Float64Array): Fault {
  const parsed = Fault.safeParse({ kind: 'non-finite', group: groups[group], what: whats[what], row, step });
  if (!parsed.success) throw malformed('a fault that is none');
  return parsed.data;
}

function tooLarge(leaf: LeafName, bytes: number): SkewflowError {
  return new SkewflowError(
    'ProtocolError',
    `the answer of leaf ${leaf} takes ${bytes} bytes, more than the ${answerBytesMax} that go through Redis: ` +
      'use fewer sources, or `skewflow run` on one machine',
    { bytes, bytesMax: answerBytesMax },
  );
}
