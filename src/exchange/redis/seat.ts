/**
 * What does a worker hold of a run over Redis? A seat: it shows the run as it stands, posts answers, and says every second
 * that its worker lives.
 *
 * What is shown is fetched once for all who watch, and only the parts that changed.
 */
import type { Beat, ErrorReport, Join, Posting, RunSheet, SeatId } from '../../protocol.ts';
import { Bell } from '../bell.ts';
import { shortened } from '../error-report.ts';
import type { Receipt, RunView, Seat, Traffic } from '../exchange.ts';
import { encodeControl } from '../frames/control.ts';
import {
  answerBytesWarn,
  inlineBytesMax,
  keptBytesMax,
  pieceBytes,
  unreadBytesMax,
} from '../frames/limits.ts';
import { answerBit, answerBytes, encodePostings } from '../frames/postings.ts';
import * as frequent from './frequent-scripts.ts';
import { pollMs } from './hints.ts';
import { lifeMs } from './keys.ts';
import { closeMs, type Link } from './link.ts';
import type { RunWatch } from './run-watch.ts';
import { textOf } from './script.ts';
import * as scripts from './scripts.ts';

/** A worker is heard of every so often; not for `lifeMs.heartbeat`, and its seat is lost. */
const heartbeatMs = 1000;
/** Answers sent in one frame, in bytes; a larger one goes alone. */
const batchBytesMax = 4 * 2 ** 20;
/** Pause before posting again where the desk has much to read already. */
const fullMs = 100;

export interface SeatOptions {
  readonly link: Link;
  /** Seats of one process look at their run together. */
  readonly watch: RunWatch;
  readonly id: SeatId;
  readonly sheet: RunSheet;
  /** The seat is given up; `offer` is its slot's next offer, null where there is none. */
  readonly onLeft: (offer: string | null) => Promise<void>;
}

const nothingYet: RunView = { stamp: -1, iteration: null, plan: null, end: null, dismissed: null };

export class RedisSeat implements Seat {
  readonly id: SeatId;
  readonly sheet: RunSheet;
  readonly combines = true;
  readonly #link: Link;
  readonly #run: RunWatch;
  readonly #onLeft: SeatOptions['onLeft'];
  readonly #keys: readonly string[];
  readonly #beatKeys: readonly string[];
  readonly #admitKeys: readonly string[];
  readonly #heartbeat: string;
  readonly #timer: NodeJS.Timeout;
  readonly #changed = new Bell();
  #view: RunView = nothingYet;
  #waitingBeat: Beat | null = null;
  #beatAt = Number.NEGATIVE_INFINITY;
  /** When this seat last gave a sign of life with an answer. */
  #heardAt = Number.NEGATIVE_INFINITY;
  #gone = false;
  #warned = false;
  #posts = 0;
  #received = 0;
  #sent = 0;

  constructor({ link, watch, id, sheet, onLeft }: SeatOptions) {
    this.id = id;
    this.sheet = sheet;
    this.#link = link;
    this.#run = watch;
    this.#onLeft = onLeft;
    this.#keys = link.keys.iteration(sheet.run);
    this.#beatKeys = frequent.beatKeys.map((name) => link.keys.of(sheet.run, name));
    this.#admitKeys = frequent.admitKeys.map((name) => link.keys.of(sheet.run, name));
    this.#heartbeat = link.keys.heartbeat(sheet.run, id);
    this.#timer = setInterval(() => this.#beatUnlessHeard(), heartbeatMs);
    watch.add({
      id,
      show: (view, receivedBytes) => this.#show(view, receivedBytes),
      lose: () => this.#lose(),
    });
  }

  async join(join: Join): Promise<void> {
    const args = [this.id, encodeControl(join), this.#heartbeat, lifeMs.heartbeat];
    this.#heed(await this.#link.run(scripts.join, this.#keys, args));
  }

  async watch(seen: number, signal: AbortSignal): Promise<RunView> {
    signal.throwIfAborted();
    if (seen === -1 && this.#view.dismissed === null) await this.#run.look();
    signal.throwIfAborted();
    if (this.#view.stamp !== seen) return this.#view;
    const polling = setInterval(() => this.#run.lookSoon(), pollMs);
    try {
      while (this.#view.stamp === seen) await this.#changed.wait(signal);
      return this.#view;
    } finally {
      clearInterval(polling);
    }
  }

  async post(postings: readonly Posting[]): Promise<readonly Receipt[]> {
    const receipts: Receipt[] = [];
    for (const batch of batches(postings)) receipts.push(...(await this.#postBatch(batch)));
    return receipts;
  }

  async beat(beat: Beat): Promise<void> {
    this.#waitingBeat = beat;
    if (performance.now() - this.#beatAt >= heartbeatMs) this.#beatNow();
  }

  async leave(error: ErrorReport | null): Promise<void> {
    if (this.#gone) return this.#onLeft(null);
    this.#end();
    const why = error === null ? '' : encodeControl(shortened(error));
    const leaving = this.#link.run(scripts.leave, this.#keys, [
      this.id,
      this.#heartbeat,
      this.#takeBeat(),
      why,
    ]);
    // A worker that stops does not wait for a Redis that is away: its seat is found lost.
    const next = await this.#link.within(leaving, closeMs).catch(() => null);
    await this.#onLeft(next === null ? null : textOf(next));
  }

  traffic(): Traffic {
    return { receivedBytes: this.#received, sentBytes: this.#sent };
  }

  /** The exchange is closed: no more signs of life, and whoever watches watches in vain. */
  dispose(reason: unknown): void {
    this.#end();
    this.#changed.close(reason);
  }

  #end(): void {
    this.#gone = true;
    clearInterval(this.#timer);
    this.#run.remove(this.id);
  }

  // --- watching -------------------------------------------------------------------------------------------

  #show(view: RunView, receivedBytes = 0): void {
    this.#received += receivedBytes;
    this.#view = view;
    this.#changed.ring();
  }

  /** The seat is not ours any more: the desk gave it up, or the store forgot it. */
  #lose(): void {
    if (this.#view.dismissed !== null) return;
    this.#end();
    const message = `seat ${this.id} was lost: its worker was not heard of for ${lifeMs.heartbeat / 1000} s, or Redis lost its data`;
    const dismissed = { tag: 'OutOfReachError', message, details: { code: 'SEAT_LOST' } };
    this.#show({ ...this.#view, stamp: this.#view.stamp + 1, dismissed });
  }

  // --- telling --------------------------------------------------------------------------------------------

  /** Heed what a script says of the seat: 0 means that it is dismissed or lost, and watching tells which. */
  #heed(reply: unknown): void {
    if (reply === 0) this.#run.lookSoon();
  }

  #takeBeat(): Buffer | '' {
    const beat = this.#waitingBeat;
    this.#waitingBeat = null;
    return beat === null ? '' : encodeControl(beat);
  }

  /** Whoever posted just now was heard of; what a beat would say is said by the next one at the latest. */
  #beatUnlessHeard(): void {
    if (this.#waitingBeat !== null || performance.now() - this.#heardAt >= heartbeatMs / 2) this.#beatNow();
  }

  #beatNow(): void {
    if (this.#gone || this.#link.unreachableMs > 0 || this.#link.closed) return;
    this.#beatAt = performance.now();
    const args = [this.id, this.#heartbeat, lifeMs.heartbeat, this.#takeBeat()];
    this.#link.run(frequent.beat, this.#beatKeys, args).then(
      (reply) => this.#heed(reply),
      () => {}, // the next one is due in a second
    );
  }

  async #postBatch(postings: readonly Posting[]): Promise<readonly Receipt[]> {
    const [first] = postings;
    if (first === undefined) return [];
    this.#warnOfSize(postings);
    const frame = encodePostings(postings, this.sheet.jobDigest);
    for (;;) {
      const outcome = await this.#postFrame(frame, first, postings);
      if (outcome === 'full' || outcome === 'torn') {
        await new Promise((resolve) => setTimeout(resolve, fullMs));
        continue;
      }
      if (outcome === 'fenced') this.#run.lookSoon();
      if (outcome === 'fenced' || outcome === 'late') return postings.map(() => outcome);
      this.#sent += frame.length;
      this.#link.carried({ sentBytes: frame.length });
      return outcome.split('').map((letter) => (letter === 'a' ? 'accepted' : 'twice'));
    }
  }

  /** Send a frame; what the store says of it. */
  async #postFrame(
    frame: Buffer,
    { number, phase, parameterDigest }: Posting,
    postings: readonly Posting[],
  ): Promise<string> {
    const inline = frame.length <= inlineBytesMax;
    const pieces = inline ? [] : piecesOf(frame);
    this.#posts += 1;
    const place = inline ? '' : this.#link.keys.answers(this.sheet.run, this.id, this.#posts);
    // Several pieces are sent one after another, so that Redis serves others between them.
    if (pieces.length > 1) {
      const room = [place, frame.length, unreadBytesMax, keptBytesMax, lifeMs.arriving];
      if ((await this.#link.run(frequent.admit, this.#admitKeys, room)) === 0) return 'full';
      for (const [n, piece] of pieces.entries()) await this.#setPiece(place, n, piece);
    }
    const now = performance.now();
    const isDue = now - this.#heardAt >= heartbeatMs / 2;
    if (isDue) this.#heardAt = now;
    // One connection keeps the order, also when both are sent again after an outage.
    const [only] = pieces;
    const set = pieces.length === 1 && only !== undefined ? this.#setPiece(place, 0, only) : null;
    const args = [
      this.id,
      number,
      phase,
      parameterDigest,
      this.#heartbeat,
      isDue ? lifeMs.heartbeat : '',
      this.#takeBeat(),
      unreadBytesMax,
      frame.length,
      inline ? frame : '',
      place,
      pieces.length,
      ...postings.flatMap((posting) => [answerBit(posting), posting.count]),
    ];
    const posted = this.#run.postbox.post(args, inline ? frame.length : 0);
    const [reply] = await Promise.all([posted, set]);
    return textOf(reply);
  }

  async #setPiece(place: string, index: number, piece: Buffer): Promise<void> {
    await this.#link.call('SET', `${place}:${index + 1}`, piece, 'PX', lifeMs.arriving);
  }

  #warnOfSize(postings: readonly Posting[]): void {
    const bytes = Math.max(...postings.map(({ answer }) => answerBytes(answer)));
    if (this.#warned || bytes <= answerBytesWarn) return;
    this.#warned = true;
    this.#link.log.warn(
      { run: this.sheet.run, bytes },
      `answers of ${bytes} bytes go through Redis in pieces: most of an iteration may be their way`,
    );
  }
}

function piecesOf(frame: Buffer): readonly Buffer[] {
  const count = Math.ceil(frame.length / pieceBytes);
  return Array.from({ length: count }, (_, n) => frame.subarray(n * pieceBytes, (n + 1) * pieceBytes));
}

/** Consecutive postings of one question, at most so many bytes each. */
function batches(postings: readonly Posting[]): readonly (readonly Posting[])[] {
  const made: Posting[][] = [];
  let bytes = 0;
  for (const posting of postings) {
    const size = answerBytes(posting.answer);
    const before = made.at(-1)?.[0];
    const same =
      before !== undefined &&
      before.number === posting.number &&
      before.phase === posting.phase &&
      before.parameterDigest === posting.parameterDigest;
    if (!same || bytes + size > batchBytesMax) {
      made.push([]);
      bytes = 0;
    }
    made.at(-1)?.push(posting);
    bytes += size;
  }
  return made;
}
