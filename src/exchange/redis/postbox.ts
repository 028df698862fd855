/**
 * How do the seats of one process post? What they have to say in one turn of the event loop goes as one command, and answers to one
 * question as one frame: where hundreds of seats answer at once, commands and frames cost more than the answers in them.
 */
import { Packr } from 'msgpackr';
import { invariant } from '../../errors.ts';
import type { Posting, RunId, SeatId } from '../../protocol.ts';
import type { Receipt } from '../exchange.ts';
import { inlineBytesMax, keptBytesMax, pieceBytes, unreadBytesMax } from '../frames/limits.ts';
import { answerBit, authorsMax, encodePostings, postingBytes } from '../frames/postings.ts';
import * as frequent from './frequent-scripts.ts';
import { lifeMs } from './keys.ts';
import type { Link } from './link.ts';
import { listOf, type Reply, textOf } from './script.ts';

/** What one seat has to say to one question. */
export interface Letter {
  readonly seat: SeatId;
  readonly heartbeat: string;
  /** Whether it is a sign of life, too. */
  readonly isSign: boolean;
  readonly beat: Buffer | null;
  readonly postings: readonly [Posting, ...Posting[]];
}

/** A frame that goes in pieces, under keys of their own. */
export interface Parcel {
  readonly place: string;
  readonly frame: Buffer;
}

/** What the store says of a letter: one receipt a posting; `full`, `torn`: to be posted again later. */
export type Outcome =
  | 'full'
  | 'torn'
  | {
      readonly receipts: readonly Receipt[];
      /** What went over the wire for it. */
      readonly bytes: number;
    };

interface Waiting {
  readonly letter: Letter;
  readonly bytes: number;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

/** What goes as one frame: letters about one question. */
interface Envelope {
  readonly waiting: [Waiting, ...Waiting[]];
  bytes: number;
}

const receipts: Readonly<Record<string, Receipt>> = { a: 'accepted', f: 'fenced', l: 'late', t: 'twice' };

export class Postbox {
  readonly #link: Link;
  readonly #jobDigest: string;
  readonly #keys: { readonly post: readonly string[]; readonly admit: readonly string[] };
  #waiting: Waiting[] = [];

  constructor(link: Link, run: RunId, jobDigest: string) {
    const keysOf = (names: readonly string[]): readonly string[] =>
      names.map((name) => link.keys.of(run, name));
    this.#link = link;
    this.#jobDigest = jobDigest;
    this.#keys = { post: keysOf(frequent.postKeys), admit: keysOf(frequent.admitKeys) };
  }

  /** Post with what others post now; for letters whose answers are small. */
  post(letter: Letter): Promise<Outcome> {
    const bytes = bytesOf(letter);
    invariant(bytes <= inlineBytesMax, 'a larger frame goes in pieces');
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) process.nextTick(() => this.#postAll());
      this.#waiting.push({ letter, bytes, resolve, reject });
    });
  }

  /**
   * Post a frame that is large, in pieces sent one after another, so that Redis serves others between them.
   *
   * @param letter - what the frame says
   */
  async postParcel({ place, frame }: Parcel, letter: Letter): Promise<Outcome> {
    const pieces = piecesOf(frame);
    if (pieces.length > 1) {
      const room = [place, frame.length, unreadBytesMax, keptBytesMax, lifeMs.arriving];
      if ((await this.#link.run(frequent.admit, this.#keys.admit, room)) === 0) return 'full';
      for (const [n, piece] of pieces.entries()) await this.#setPiece(place, n, piece);
    }
    // One connection keeps the order, also when both are sent again after an outage.
    const [only] = pieces;
    const set = pieces.length === 1 && only !== undefined ? this.#setPiece(place, 0, only) : null;
    const heading = headingOf([letter], frame.length, place, pieces.length);
    const posted = this.#link.run(frequent.post, this.#keys.post, [heading, '', ...beatsOf([letter])]);
    const [replies] = await Promise.all([posted, set]);
    return outcomesOf([letter], listOf(replies)[0], frame.length)[0] ?? 'torn';
  }

  async #setPiece(place: string, index: number, piece: Buffer): Promise<void> {
    await this.#link.call('SET', `${place}:${index + 1}`, piece, 'PX', lifeMs.arriving);
  }

  #postAll(): void {
    const envelopes = enveloped(this.#waiting);
    this.#waiting = [];
    let together: Envelope[] = [];
    let bytes = 0;
    for (const envelope of envelopes) {
      // Redis serves nobody else meanwhile.
      if (bytes + envelope.bytes > pieceBytes && together.length > 0) {
        void this.#send(together);
        together = [];
        bytes = 0;
      }
      together.push(envelope);
      bytes += envelope.bytes;
    }
    void this.#send(together);
  }

  async #send(together: readonly Envelope[]): Promise<void> {
    try {
      const sent = together.map(({ waiting }) => {
        const [first, ...others] = waiting;
        const letters = [first.letter, ...others.map(({ letter }) => letter)] as const;
        const postings = letters.flatMap((letter): readonly Posting[] => letter.postings);
        return { waiting, letters, frame: encodePostings(postings, this.#jobDigest) };
      });
      const args = sent.flatMap(({ letters, frame }) => [
        headingOf(letters, frame.length),
        frame,
        ...beatsOf(letters),
      ]);
      const replies = listOf(await this.#link.run(frequent.post, this.#keys.post, args));
      for (const [n, { waiting, letters, frame }] of sent.entries()) {
        const outcomes = outcomesOf(letters, replies[n], frame.length);
        for (const [k, { resolve }] of waiting.entries()) resolve(outcomes[k] ?? 'torn');
      }
    } catch (error) {
      for (const { waiting } of together) for (const { reject } of waiting) reject(error);
    }
  }
}

/** Whether all that a letter says goes with the command that posts it. */
export function isSmall(postings: readonly Posting[]): boolean {
  return bytesOf({ postings }) <= inlineBytesMax;
}

function bytesOf({ postings }: { readonly postings: readonly Posting[] }): number {
  return postings.reduce((bytes, posting) => bytes + postingBytes(posting), 0);
}

/** Letters about one question in as few frames as they fit in. */
function enveloped(all: readonly Waiting[]): readonly Envelope[] {
  const envelopes: Envelope[] = [];
  const open = new Map<string, Envelope>();
  for (const waiting of all) {
    const question = questionOf(waiting.letter);
    const begun = open.get(question);
    if (begun !== undefined && hasRoom(begun, waiting)) {
      begun.waiting.push(waiting);
      begun.bytes += waiting.bytes;
      continue;
    }
    const envelope: Envelope = { waiting: [waiting], bytes: waiting.bytes };
    envelopes.push(envelope);
    open.set(question, envelope);
  }
  return envelopes;
}

function hasRoom({ waiting, bytes }: Envelope, more: Waiting): boolean {
  return bytes + more.bytes <= inlineBytesMax && waiting.length < authorsMax;
}

function questionOf({ postings }: Letter): string {
  const { number, phase, parameterDigest } = postings[0];
  return `${number} ${phase} ${parameterDigest}`;
}

const packr = new Packr({ useRecords: false });

/**
 * What the script `post` is told of a frame.
 *
 * @param place - where it lies, in so many pieces; nowhere: it comes with the command
 */
function headingOf(letters: readonly [Letter, ...Letter[]], bytes: number, place = '', pieces = 0): Buffer {
  const { number, phase, parameterDigest } = letters[0].postings[0];
  const counts: number[] = [];
  const bits: number[] = [];
  const leaves: number[] = [];
  const signs: (number | string)[] = [];
  const told: number[] = [];
  for (const [n, { heartbeat, isSign, beat, postings }] of letters.entries()) {
    counts.push(postings.length);
    for (const posting of postings) {
      bits.push(answerBit(posting));
      leaves.push(posting.count);
    }
    if (isSign) signs.push(n + 1, heartbeat);
    if (beat !== null) told.push(n + 1);
  }
  const noted = bits.map((bit, n) => `${n}:${bit}+${leaves[n]}`).join(' ');
  const ids = letters.map(({ seat }) => seat);
  const question = [String(number), phase, parameterDigest] as const;
  const where = [unreadBytesMax, bytes, place, pieces] as const;
  const runs = runsOf(bits, leaves);
  return packr.pack([
    ...question,
    ...where,
    ids,
    counts,
    bits,
    leaves,
    runs,
    noted,
    lifeMs.heartbeat,
    signs,
    told,
  ]);
}

/** What goes behind a frame. */
function beatsOf(letters: readonly Letter[]): readonly Buffer[] {
  return letters.flatMap(({ beat }) => beat ?? []);
}

/** Neighbouring bits together: of each run its first and how many. */
function runsOf(bits: readonly number[], counts: readonly number[]): readonly number[] {
  const runs: number[] = [];
  let [length, end] = [0, -1];
  for (const [n, bit] of bits.entries()) {
    const count = counts[n] as number; // as many as bits
    length = bit === end ? length + count : count;
    end = bit + count;
    if (length === count) runs.push(bit, count);
    else runs[runs.length - 1] = length;
  }
  return runs;
}

/** What the store says of a frame, letter by letter. */
function outcomesOf(
  letters: readonly Letter[],
  reply: Reply | undefined,
  frameBytes: number,
): readonly Outcome[] {
  const text = textOf(reply);
  if (text === 'full' || text === 'torn') return letters.map(() => text);
  const all = text.split('').map((letter) => receipts[letter] ?? 'late');
  const ownBytes = letters.map(bytesOf);
  const shared = (frameBytes - ownBytes.reduce((sum, own) => sum + own, 0)) / letters.length;
  let at = 0;
  return letters.map(({ postings }, n): Outcome => {
    at += postings.length;
    return { receipts: all.slice(at - postings.length, at), bytes: (ownBytes[n] ?? 0) + shared };
  });
}

function piecesOf(frame: Buffer): readonly Buffer[] {
  const count = Math.ceil(frame.length / pieceBytes);
  return Array.from({ length: count }, (_, n) => frame.subarray(n * pieceBytes, (n + 1) * pieceBytes));
}
