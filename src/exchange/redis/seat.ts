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
import { answerBytesWarn } from '../frames/limits.ts';
import { answerBytes, encodePostings } from '../frames/postings.ts';
import { lifeMs } from './keys.ts';
import { closeMs, type Link } from './link.ts';
import { isSmall, type Letter, type Outcome } from './postbox.ts';
import { heartbeatMs, type Speaker } from './pulse.ts';
import type { RunWatch } from './run-watch.ts';
import { textOf } from './script.ts';
import * as scripts from './scripts.ts';

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
  readonly #heartbeat: string;
  readonly #speaker: Speaker;
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
    this.#heartbeat = link.keys.heartbeat(sheet.run, id);
    this.#speaker = {
      id,
      heartbeat: this.#heartbeat,
      // Whoever posted just now was heard of.
      isHeard: () => performance.now() - this.#heardAt < heartbeatMs / 2,
      takeBeat: () => this.#takeBeat(),
      heed: (held) => this.#heed(held),
    };
    watch.pulse.add(this.#speaker);
    watch.add({
      id,
      show: (view, receivedBytes) => this.#show(view, receivedBytes),
      lose: () => this.#lose(),
    });
  }

  async join(join: Join): Promise<void> {
    const args = [this.id, encodeControl(join), this.#heartbeat, lifeMs.heartbeat];
    this.#heed((await this.#link.run(scripts.join, this.#keys, args)) === 1);
  }

  async watch(seen: number, signal: AbortSignal): Promise<RunView> {
    signal.throwIfAborted();
    if (seen === -1 && this.#view.dismissed === null) await this.#run.look();
    signal.throwIfAborted();
    if (this.#view.stamp !== seen) return this.#view;
    while (this.#view.stamp === seen) await this.#changed.wait(signal);
    return this.#view;
  }

  async post(postings: readonly Posting[]): Promise<readonly Receipt[]> {
    const receipts: Receipt[] = [];
    for (const batch of batches(postings)) receipts.push(...(await this.#postBatch(batch)));
    return receipts;
  }

  async beat(beat: Beat): Promise<void> {
    this.#waitingBeat = beat;
    // Timers are not so exact that a beat a second could wait for a whole one.
    if (performance.now() - this.#beatAt >= 0.9 * heartbeatMs) this.#run.pulse.soon();
  }

  async leave(error: ErrorReport | null): Promise<void> {
    if (this.#gone) return this.#onLeft(null);
    this.#end();
    const why = error === null ? '' : encodeControl(shortened(error));
    const leaving = this.#link.run(scripts.leave, this.#keys, [
      this.id,
      this.#heartbeat,
      this.#takeBeat() ?? '',
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
    this.#run.pulse.remove(this.#speaker);
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

  /** Where it is not held, it is dismissed or lost, and watching tells which. */
  #heed(held: boolean): void {
    if (!held) this.#run.lookSoon();
  }

  #takeBeat(): Buffer | null {
    const beat = this.#waitingBeat;
    if (beat === null) return null;
    this.#waitingBeat = null;
    this.#beatAt = performance.now();
    return encodeControl(beat);
  }

  async #postBatch(postings: Letter['postings']): Promise<readonly Receipt[]> {
    this.#warnOfSize(postings);
    const frame = isSmall(postings) ? null : encodePostings(postings, this.sheet.jobDigest);
    for (;;) {
      const outcome = await this.#postOnce(frame, postings);
      if (outcome === 'full' || outcome === 'torn') {
        await new Promise((resolve) => setTimeout(resolve, fullMs));
        continue;
      }
      const { receipts, bytes } = outcome;
      if (receipts.includes('fenced')) this.#run.lookSoon();
      else if (!receipts.includes('late')) {
        this.#sent += bytes;
        this.#link.carried({ sentBytes: bytes });
      }
      return receipts;
    }
  }

  /** @param frame - of these postings, where they go in pieces; null: they are small */
  #postOnce(frame: Buffer | null, postings: Letter['postings']): Promise<Outcome> {
    const now = performance.now();
    const isSign = now - this.#heardAt >= heartbeatMs / 2;
    if (isSign) this.#heardAt = now;
    const letter = {
      seat: this.id,
      heartbeat: this.#heartbeat,
      isSign,
      beat: this.#takeBeat(),
      postings,
    };
    const { postbox } = this.#run;
    if (frame === null) return postbox.post(letter);
    this.#posts += 1;
    const place = this.#link.keys.answers(this.sheet.run, this.id, this.#posts);
    return postbox.postParcel({ place, frame }, letter);
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

/** Consecutive postings of one question, at most so many bytes each. */
function batches(postings: readonly Posting[]): readonly Letter['postings'][] {
  const made: [Posting, ...Posting[]][] = [];
  let bytes = 0;
  for (const posting of postings) {
    const size = answerBytes(posting.answer);
    const begun = made.at(-1);
    if (begun !== undefined && isOne(begun[0], posting) && bytes + size <= batchBytesMax) {
      begun.push(posting);
      bytes += size;
      continue;
    }
    made.push([posting]);
    bytes = size;
  }
  return made;
}

/** Whether two postings are to one question. */
function isOne(a: Posting, b: Posting): boolean {
  return a.number === b.number && a.phase === b.phase && a.parameterDigest === b.parameterDigest;
}
