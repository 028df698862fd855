/**
 * How do answers cross a wire? Those that a worker posts together are one frame: eight doubles a leaf that say what it is,
 * then the arrays, leaf by leaf.
 *
 *   partial:  leaf  0  |sums|  |winners|  loss  |gradient|  |seeds|  |states|      −1 where there is no array
 *   fault:    leaf  1  group   what       row   step        0        0
 */
import { z } from 'zod';
import { SkewflowError } from '../../errors.ts';
import {
  Fault,
  type LeafName,
  type LeafPartial,
  type Posting,
  protocolVersion,
  RunId,
  SeatId,
} from '../../protocol.ts';
import { decodeControl, encodeControl } from './control.ts';
import { decodeFrame, encodeFrame, malformed } from './frame.ts';
import { answerBytesMax } from './limits.ts';

const PostingsControl = z.strictObject({ run: RunId, seat: SeatId, count: z.int().nonnegative() });

/** Doubles that describe one leaf. */
const recordLength = 8;
const groups = Fault.shape.group.options;
const whats = Fault.shape.what.options;

/** Where a leaf stands in a frame and in the store's bit map: the run's own leaf before the shards. */
export function leafNumber(leaf: LeafName): number {
  return leaf === 'sources' ? -1 : leaf;
}

/** Bytes of an answer's arrays. */
export function answerBytes(answer: Posting['answer']): number {
  return answer.kind === 'partial'
    ? arraysOf(answer).reduce((bytes, array) => bytes + (array?.byteLength ?? 0), 0)
    : 0;
}

/**
 * Answers of one seat to one question as a frame.
 *
 * @param postings - at least one; run, seat, number, phase and parameters are those of the first
 * @throws ProtocolError when one is more than a store should carry
 */
export function encodePostings(postings: readonly Posting[], jobDigest: string): Buffer {
  const [first] = postings;
  if (first === undefined) throw malformed('no posting');
  let count = 0;
  for (const { answer, leaf } of postings) {
    const bytes = answerBytes(answer);
    if (bytes > answerBytesMax) throw tooLarge(leaf, bytes);
    count += recordLength + bytes / 8;
  }
  const { run, seat, number, phase, parameterDigest } = first;
  const numbers = postings.map(({ leaf }) => leafNumber(leaf));
  const leaves = { begin: Math.min(...numbers), end: Math.max(...numbers) + 1 };
  const header = {
    type: 'postings',
    jobDigest,
    epoch: 0,
    iteration: number,
    phase,
    parameterDigest,
    leaves,
  } as const;
  return encodeFrame(header, encodeControl({ run, seat, count: postings.length }), count, (reals) => {
    let at = 0;
    for (const { leaf, copy, answer } of postings) {
      reals.set(recordOf(leaf, copy, answer), at);
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
  const { run, seat, count } = decodeControl(control, PostingsControl);
  const { iteration: number, phase, parameterDigest } = header;
  const envelope = { protocolVersion, run, seat, number, phase, parameterDigest } as const;
  const reader = new Reader(reals);
  const postings: Posting[] = [];
  for (let n = 0; n < count; n++) postings.push({ ...envelope, ...reader.leaf(header.leaves) });
  reader.finish();
  return postings;
}

function arraysOf(partial: LeafPartial): readonly (Float64Array | null)[] {
  return [partial.sums, partial.winners, partial.gradient, partial.seeds, partial.sourceStates];
}

/** The second number holds the kind of the answer in its lowest bit, and above it which copy it is. */
function recordOf(leaf: LeafName, copy: number, answer: Posting['answer']): readonly number[] {
  const at = leafNumber(leaf);
  if (answer.kind === 'non-finite')
    return [
      at,
      2 * copy + 1,
      groups.indexOf(answer.group),
      whats.indexOf(answer.what),
      answer.row,
      answer.step,
      0,
      0,
    ];
  const { sums, winners, loss, gradient, seeds, sourceStates } = answer;
  return [
    at,
    2 * copy,
    sums.length,
    winners.length,
    loss,
    gradient.length,
    seeds?.length ?? -1,
    sourceStates?.length ?? -1,
  ];
}

/**
 * The bit that says that an answer is there: leaves by number, `sources` before them, and each copy in a range of its own.
 *
 * Copies beyond the first are few, and so are the bits that are set.
 */
export function answerBit({ leaf, copy }: Pick<Posting, 'copy' | 'leaf'>): number {
  return copy * leavesMax + leafNumber(leaf) + 1;
}

/** More leaves than any job has, and more copies of one than are ever asked for. */
const leavesMax = 2 ** 17;
const copiesMax = 2 ** 12;

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
  }): Pick<Posting, 'answer' | 'copy' | 'leaf'> {
    const record = this.#take(recordLength);
    const [at = 0, second = -1, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = record;
    if (!Number.isInteger(at) || at < begin || at >= end || at < -1) throw malformed(`leaf ${at}`);
    const leaf = at === -1 ? 'sources' : at;
    if (!Number.isInteger(second) || second < 0 || second >= 2 * copiesMax)
      throw malformed(`an answer of kind ${second}`);
    const copy = Math.floor(second / 2);
    if (second % 2 === 1) return { leaf, copy, answer: faultOf(record) };
    const sums = this.#take(a);
    const winners = this.#take(b);
    const gradient = this.#take(d);
    const seeds = e === -1 ? null : this.#take(e);
    const sourceStates = f === -1 ? null : this.#take(f);
    return { leaf, copy, answer: { kind: 'partial', sums, winners, loss: c, gradient, seeds, sourceStates } };
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

function faultOf([, , group = -1, what = -1, row, step]: Float64Array): Fault {
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
