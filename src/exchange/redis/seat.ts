/**
 * What does a worker hold of a run over Redis? A seat: it shows the run as it stands, posts answers, and says every second
 * that its worker lives.
 *
 * What is shown is fetched once for all who watch, and only the parts that changed.
 */
import {
  type Beat,
  ErrorReport,
  type Iteration,
  type Join,
  type Posting,
  RunEnd,
  type RunSheet,
  type SeatId,
  type SeatPlan,
} from '../../protocol.ts';
import { Bell } from '../bell.ts';
import { shortened } from '../error-report.ts';
import type { Receipt, RunView, Seat, Traffic } from '../exchange.ts';
import { decodeControl, encodeControl } from '../frames/control.ts';
import { answerBytesWarn, unreadBytesMax } from '../frames/limits.ts';
import { answerBit, answerBytes, encodePostings } from '../frames/postings.ts';
import { type Hints, pollMs } from './hints.ts';
import { lifeMs } from './keys.ts';
import { closeMs, type Link } from './link.ts';
import { planUnder } from './plan-text.ts';
import { bytesOrNull, listOf, numberOf, textOf } from './script.ts';
import * as scripts from './scripts.ts';

/** A worker is heard of every so often; not for `lifeMs.heartbeat`, and its seat is lost. */
const heartbeatMs = 1000;
/** Answers sent in one step, in bytes: Redis serves nobody else meanwhile. */
const batchBytesMax = 4 * 2 ** 20;
/** Pause before posting again where the desk has much to read already. */
const fullMs = 100;

export interface SeatOptions {
  readonly link: Link;
  readonly hints: Hints;
  readonly id: SeatId;
  readonly sheet: RunSheet;
  /** The iteration in a frame; seats of one process share it. */
  readonly read: (frame: Buffer, jobDigest: string) => Iteration;
  /** The seat is given up; `offer` is its slot's next offer, null where there is none. */
  readonly onLeft: (offer: string | null) => Promise<void>;
}

const nothingYet: RunView = { stamp: -1, iteration: null, plan: null, end: null, dismissed: null };

export class RedisSeat implements Seat {
  readonly id: SeatId;
  readonly sheet: RunSheet;
  readonly #link: Link;
  readonly #stopListening: () => void;
  readonly #read: SeatOptions['read'];
  readonly #onLeft: SeatOptions['onLeft'];
  readonly #keys: readonly string[];
  readonly #lookKeys: readonly string[];
  readonly #postKeys: readonly string[];
  readonly #heartbeat: string;
  readonly #timer: NodeJS.Timeout;
  readonly #changed = new Bell();
  #view: RunView = nothingYet;
  /** Which iteration and plan the view shows, as the store counts them. */
  #shown = { asked: '0', planned: '0' };
  #looking: Promise<void> | null = null;
  #waitingBeat: Beat | null = null;
  #beatAt = Number.NEGATIVE_INFINITY;
  #gone = false;
  #warned = false;
  #posts = 0;
  #received = 0;
  #sent = 0;

  constructor({ link, hints, id, sheet, read, onLeft }: SeatOptions) {
    this.id = id;
    this.sheet = sheet;
    this.#link = link;
    this.#read = read;
    this.#onLeft = onLeft;
    this.#keys = link.keys.iteration(sheet.run);
    this.#lookKeys = scripts.lookKeys.map((name) => link.keys.of(sheet.run, name));
    this.#postKeys = scripts.postKeys.map((name) => link.keys.of(sheet.run, name));
    this.#heartbeat = link.keys.heartbeat(sheet.run, id);
    this.#timer = setInterval(() => this.#beatNow(), heartbeatMs);
    this.#stopListening = hints.listen(link.keys.of(sheet.run, 'wake'), () => this.#lookSoon());
  }

  async join(join: Join): Promise<void> {
    const args = [this.id, encodeControl(join), this.#heartbeat, lifeMs.heartbeat];
    this.#heed(await this.#link.run(scripts.join, this.#keys, args));
  }

  async watch(seen: number, signal: AbortSignal): Promise<RunView> {
    signal.throwIfAborted();
    if (seen === -1) await this.#look();
    signal.throwIfAborted();
    if (this.#view.stamp !== seen) return this.#view;
    const polling = setInterval(() => this.#lookSoon(), pollMs);
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
    this.#stopListening();
  }

  // --- watching -------------------------------------------------------------------------------------------

  #lookSoon(): void {
    if (this.#link.unreachableMs > 0 || this.#link.closed) return;
    this.#look().catch((error: unknown) => {
      if (!this.#link.closed) this.#link.log.debug({ seat: this.id }, `looking: ${String(error)}`);
    });
  }

  #look(): Promise<void> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    const { asked, planned } = this.#shown;
    const reply = listOf(await this.#link.run(scripts.look, this.#lookKeys, [this.id, asked, planned]));
    if (textOf(reply[0]) === 'lost') return this.#lose();
    const [, stamp, askedNow, frame, plannedNow, head, mine, end, why] = reply;
    const iteration = bytesOrNull(frame);
    const over = bytesOrNull(end);
    const dismissed = bytesOrNull(why);
    const receivedBytes = (iteration?.length ?? 0) + (bytesOrNull(mine)?.length ?? 0);
    this.#received += receivedBytes;
    this.#link.carried({ receivedBytes });
    this.#shown = { asked: textOf(askedNow), planned: textOf(plannedNow) };
    this.#show({
      stamp: numberOf(stamp),
      iteration: iteration === null ? this.#view.iteration : this.#read(iteration, this.sheet.jobDigest),
      plan:
        this.#shown.planned === planned
          ? this.#view.plan
          : this.#planOf(bytesOrNull(head), bytesOrNull(mine)),
      end: over && decodeControl(over, RunEnd),
      dismissed: dismissed && decodeControl(dismissed, ErrorReport),
    });
  }

  #planOf(head: Buffer | null, mine: Buffer | null): SeatPlan | null {
    if (head === null) return null;
    return planUnder(this.sheet.run, head.toString(), mine === null ? [] : [[this.id, mine.toString()]]);
  }

  #show(view: RunView): void {
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
    if (reply === 0) this.#lookSoon();
  }

  #takeBeat(): Buffer | '' {
    const beat = this.#waitingBeat;
    this.#waitingBeat = null;
    return beat === null ? '' : encodeControl(beat);
  }

  #beatNow(): void {
    if (this.#gone || this.#link.unreachableMs > 0 || this.#link.closed) return;
    this.#beatAt = performance.now();
    const args = [this.id, this.#heartbeat, lifeMs.heartbeat, this.#takeBeat()];
    this.#link.run(scripts.beat, this.#keys, args).then(
      (reply) => this.#heed(reply),
      () => {}, // the next one is due in a second
    );
  }

  async #postBatch(postings: readonly Posting[]): Promise<readonly Receipt[]> {
    const [first] = postings;
    if (first === undefined) return [];
    this.#warnOfSize(postings);
    const frame = encodePostings(postings, this.sheet.jobDigest);
    const { number, phase, parameterDigest } = first;
    const bits = postings.map(answerBit);
    this.#posts += 1;
    const place = this.#link.keys.answers(this.sheet.run, this.id, this.#posts);
    const args = [
      this.id,
      number,
      phase,
      parameterDigest,
      this.#heartbeat,
      lifeMs.heartbeat,
      this.#takeBeat(),
      unreadBytesMax,
      place,
      frame.length,
      ...bits,
    ];
    for (;;) {
      // One connection keeps the order, also when both are sent again after an outage.
      const set = this.#link.call('SET', place, frame, 'PX', lifeMs.arriving);
      const [, reply] = await Promise.all([set, this.#link.run(scripts.post, this.#postKeys, args)]);
      const outcome = textOf(reply);
      if (outcome === 'full') {
        await new Promise((resolve) => setTimeout(resolve, fullMs));
        continue;
      }
      if (outcome === 'fenced') this.#lookSoon();
      if (outcome === 'fenced' || outcome === 'late') return postings.map(() => outcome);
      this.#sent += frame.length;
      this.#link.carried({ sentBytes: frame.length });
      return outcome.split('').map((letter) => (letter === 'a' ? 'accepted' : 'twice'));
    }
  }

  #warnOfSize(postings: readonly Posting[]): void {
    const bytes = Math.max(...postings.map(({ answer }) => answerBytes(answer)));
    if (this.#warned || bytes <= answerBytesWarn) return;
    this.#warned = true;
    this.#link.log.warn(
      { run: this.sheet.run, bytes },
      `answers of ${bytes} bytes a shard make Redis slow for everyone`,
    );
  }
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
