/**
 * What does the coordinator of a run hold over Redis? A desk: it writes under its epoch, and gathers what seats tell by
 * asking after every hint, and every `pollMs` without one.
 */
import { z } from 'zod';
import { isSkewflowError } from '../../errors.ts';
import {
  Beat,
  ErrorReport,
  type Iteration,
  Join,
  type Posting,
  RunEnd,
  type RunId,
  type RunSheet,
  SeatId,
  type SeatPlan,
} from '../../protocol.ts';
import { Bell } from '../bell.ts';
import { shortened } from '../error-report.ts';
import type { Desk, DeskEvent, Receipt, Standing } from '../exchange.ts';
import { decodeControl, encodeControl } from '../frames/control.ts';
import { decodeIteration, encodeIteration } from '../frames/iteration.ts';
import { keptBytesMax } from '../frames/limits.ts';
import { decodePostings } from '../frames/postings.ts';
import { type Hints, pollMs } from './hints.ts';
import { lifeMs } from './keys.ts';
import type { Link } from './link.ts';
import type { Offer, Offers } from './offers.ts';
import { planOf, textOfPlan } from './plan-text.ts';
import { bytesOf, bytesOrNull, listOf, numberOf, type Reply, textOf } from './script.ts';
import * as scripts from './scripts.ts';

/** Offers are queued again every so often: whatever became of one, it is there. */
const offerAgainMs = 5000;
/** An outage is told of after so long, and then every so often. */
const unreachableToldMs = 2000;

/**
 * Pause after frames that came together, in milliseconds each and at most: where hundreds of workers answer at once, a look for
 * every few of them would cost more than the answers do.
 */
const crowdMs = 0.25;
const crowdMsMax = 4;
/** What scripts say of a frame of answers. */
const answerParts = 4;

export interface DeskOptions {
  readonly link: Link;
  readonly hints: Hints;
  readonly offers: Offers;
  readonly sheet: RunSheet;
  readonly epoch: number;
  /** What proves that no later desk opened. */
  readonly fence: string;
  /** What the desks before had read. */
  readonly seen: { readonly events: number; readonly answers: number };
}

export class RedisDesk implements Desk {
  readonly run: RunId;
  readonly epoch: number;
  readonly #options: DeskOptions;
  readonly #keys: readonly string[];
  readonly #stopListening: () => void;
  readonly #timer: NodeJS.Timeout;
  readonly #happened = new Bell();
  #events: DeskEvent[] = [];
  #eventsSeen: number;
  #answersSeen: number;
  /** Newest stamp of our own writes: a store that knows only an older one has lost them. */
  #stamp = 0;
  #gathering = false;
  #again = false;
  #sweeping = false;
  #offeredAt = performance.now();
  #toldDownMs = 0;
  #closed = false;

  constructor(options: DeskOptions) {
    const { link, hints, sheet } = options;
    this.run = sheet.run;
    this.epoch = options.epoch;
    this.#options = options;
    this.#keys = link.keys.iteration(this.run);
    this.#eventsSeen = options.seen.events;
    this.#answersSeen = options.seen.answers;
    this.#stopListening = hints.listen(link.keys.of(this.run, 'done'), () => this.#gather());
    this.#timer = setInterval(() => this.#tick(), pollMs);
  }

  publish(iteration: Iteration, plan?: SeatPlan): Promise<Receipt> {
    const { number, phase, parameterDigest } = iteration;
    const frame = encodeIteration(iteration, this.#options.sheet.jobDigest);
    this.#options.link.carried({ sentBytes: frame.length });
    const args = [number, phase, parameterDigest, frame, ...(plan === undefined ? [] : [textOfPlan(plan)])];
    return this.#write(scripts.publish, args);
  }

  assign(plan: SeatPlan): Promise<Receipt> {
    return this.#write(scripts.assign, [textOfPlan(plan)]);
  }

  dismiss(seat: SeatId, error: ErrorReport): Promise<Receipt> {
    return this.#write(scripts.dismiss, [seat, encodeControl(shortened(error))]);
  }

  async end(end: RunEnd): Promise<Receipt> {
    const short = end.kind === 'failed' ? { ...end, error: shortened(end.error) } : end;
    const { link, offers } = this.#options;
    const reply = listOf(
      await link.run(scripts.end, this.#keys, [this.#options.fence, encodeControl(short)]),
    );
    const receipt = receiptOf(reply);
    if (receipt !== 'accepted') return receipt;
    this.#close();
    await offers.withdraw(this.run, offersOf(reply[2]));
    return receipt;
  }

  async standing(): Promise<Standing> {
    const { link, sheet } = this.#options;
    const [frame, plan, end, joins, lasting, answers] = listOf(
      await link.run(scripts.standing, this.#keys, [link.keys.heartbeats(this.run)]),
    );
    const asked = bytesOrNull(frame);
    const over = bytesOrNull(end);
    return {
      iteration: asked && decodeIteration(asked, sheet.jobDigest),
      plan: planOf(this.run, listOf(plan)),
      end: over && decodeControl(over, RunEnd),
      joins: listOf(joins).map((join) => decodeControl(bytesOf(join), Join)),
      // After an outage nobody has had the chance to be heard yet.
      quiet: link.reachableMs > lifeMs.heartbeat ? quietOf(listOf(lasting)) : new Map(),
      postings: await this.#postings(listOf(answers)),
    };
  }

  async events(signal: AbortSignal): Promise<readonly DeskEvent[]> {
    signal.throwIfAborted();
    while (this.#events.length === 0) await this.#happened.wait(signal);
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** The exchange is closed: whoever waits for events waits in vain. */
  dispose(reason: unknown): void {
    this.#close();
    this.#happened.close(reason);
  }

  /** Gather no more. */
  #close(): void {
    this.#closed = true;
    this.#stopListening();
    clearInterval(this.#timer);
  }

  async #write(
    script: typeof scripts.publish,
    args: readonly (Buffer | number | string)[],
  ): Promise<Receipt> {
    const { link, fence } = this.#options;
    const reply = listOf(await link.run(script, this.#keys, [fence, ...args]));
    const receipt = receiptOf(reply);
    if (receipt === 'gone' && !this.#closed) this.#stop('emptied');
    if (receipt === 'accepted') this.#stamp = Math.max(this.#stamp, numberOf(reply[1]));
    return receipt;
  }

  #tell(...events: readonly DeskEvent[]): void {
    if (events.length === 0) return;
    for (const event of events) this.#events.push(event);
    this.#happened.ring();
  }

  // --- gathering ------------------------------------------------------------------------------------------

  #tick(): void {
    const downMs = this.#options.link.unreachableMs;
    if (downMs > this.#toldDownMs + unreachableToldMs) {
      this.#toldDownMs = downMs;
      // A coordinator that waits for the store hears of the outage when it is over: of the whole of it, once.
      this.#events = this.#events.filter(({ kind }) => kind !== 'unreachable');
      this.#tell({ kind: 'unreachable', forMs: Math.round(downMs) });
    }
    if (downMs > 0) return;
    if (this.#toldDownMs > 0) this.#tell({ kind: 'unreachable', forMs: 0 });
    this.#toldDownMs = 0;
    this.#gather();
    if (!this.#sweeping) void this.#sweep();
  }

  #gather(): void {
    this.#again = true;
    if (!this.#gathering) void this.#gatherAll();
  }

  async #gatherAll(): Promise<void> {
    this.#gathering = true;
    try {
      while (this.#again && !this.#closed) {
        this.#again = false;
        const frames = await this.#drain();
        const pauseMs = Math.min(crowdMsMax, frames * crowdMs);
        if (pauseMs >= 1) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    } catch (error) {
      if (!this.#options.link.closed)
        this.#options.link.log.warn({ run: this.run }, `gathering: ${String(error)}`);
    } finally {
      this.#gathering = false;
    }
  }

  /** Read what there is; how many frames of answers. */
  async #drain(): Promise<number> {
    const { link, fence } = this.#options;
    const args = [fence, this.#eventsSeen, this.#answersSeen, keptBytesMax];
    const [outcome, stamp, eventsSeen, events, answersSeen, answers, left] = listOf(
      await link.run(scripts.drain, this.#keys, args),
    );
    const state = textOf(outcome);
    if (this.#closed) return 0;
    if (state === 'gone' || (state === 'accepted' && numberOf(stamp) < this.#stamp))
      return this.#stop('emptied');
    if (state === 'fenced') return this.#stop('fenced');
    const joined: DeskEvent[] = [];
    const later: DeskEvent[] = [];
    for (const entry of newest(listOf(events), numberOf(eventsSeen) - this.#eventsSeen)) {
      const event = this.#eventOf(bytesOf(entry));
      if (event === null) continue;
      const first = event.kind === 'joined' || event.kind === 'beat';
      (first ? joined : later).push(event);
    }
    const frames = listOf(answers);
    const posted = await this.#postings(frames);
    if (this.#closed) return 0;
    this.#eventsSeen = numberOf(eventsSeen);
    // Of what comes after these a hint tells.
    if (numberOf(left) > 0) this.#again = true;
    this.#answersSeen = numberOf(answersSeen);
    // Who came and what was counted, what was answered, who went: so an answer is never told after its seat is gone.
    this.#tell(...joined, ...posted.map((posting) => ({ kind: 'posted', posting }) as const), ...later);
    return frames.length / answerParts;
  }

  /** Nothing more is heard of the run by this desk. */
  #stop(kind: 'emptied' | 'fenced'): 0 {
    this.#close();
    this.#tell({ kind });
    return 0;
  }

  /** Answers that were accepted: of each frame, the leaves it was the first for, and itself or where its pieces lie. */
  async #postings(parts: readonly Reply[]): Promise<readonly Posting[]> {
    const postings: Posting[] = [];
    for (let at = 0; at < parts.length; at += answerParts) {
      const [leaves, inline, place, pieces] = parts.slice(at, at + answerParts);
      const count = numberOf(pieces);
      const frame = count === 0 ? bytesOf(inline) : await this.#gathered(textOf(place), count);
      // Gone: the question is another one by now, or the answers were too many to keep.
      if (frame === null) continue;
      this.#options.link.carried({ receivedBytes: frame.length });
      // `place:bit+count` of each that was the first.
      const first = new Set(textOf(leaves).split(' ').map(Number.parseFloat));
      const all = this.#orNothing(() => decodePostings(frame, this.#options.sheet.jobDigest)) ?? [];
      for (const [place, posting] of all.entries()) if (first.has(place)) postings.push(posting);
    }
    return postings;
  }

  /** A frame from its pieces, asked for one by one: Redis serves others between them. */
  async #gathered(place: string, count: number): Promise<Buffer | null> {
    const pieces: Buffer[] = [];
    for (let n = 1; n <= count; n++) {
      const piece = bytesOrNull(await this.#options.link.call('GET', `${place}:${n}`));
      if (piece === null) return null;
      pieces.push(piece);
    }
    return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
  }

  #eventOf(entry: Buffer): DeskEvent | null {
    const [kind, rest] = [String.fromCharCode(entry[0] ?? 0), entry.subarray(1)];
    return this.#orNothing((): DeskEvent | null => {
      switch (kind) {
        case '+':
          return { kind: 'joined', join: decodeControl(rest, Join) };
        case '.':
          return { kind: 'beat', beat: decodeControl(rest, Beat) };
        case '!': {
          const space = rest.indexOf(' ');
          const seat = SeatId.parse(rest.toString('utf8', 0, space));
          return { kind: 'broke', seat, error: decodeControl(rest.subarray(space + 1), ErrorReport) };
        }
        case '-':
        case '=':
          return { kind: 'left', seat: SeatId.parse(rest.toString()), lost: kind === '-' };
        default:
          return null;
      }
    });
  }

  /** What cannot be read is left out, and said: a leaf without an answer is computed again. */
  #orNothing<T>(read: () => T): T | null {
    try {
      return read();
    } catch (error) {
      if (!isSkewflowError(error) && !(error instanceof z.ZodError)) throw error;
      this.#options.link.log.warn({ run: this.run }, `unreadable: ${error.message}`);
      return null;
    }
  }

  /** Find seats whose worker is not heard of any more, and see to it that every free seat is on offer. */
  async #sweep(): Promise<void> {
    const { link, fence, offers, sheet } = this.#options;
    this.#sweeping = true;
    try {
      // After an outage nobody has had the chance to be heard yet.
      const lookForLost = link.reachableMs > lifeMs.heartbeat ? 1 : 0;
      const reply = listOf(
        await link.run(scripts.sweep, this.#keys, [fence, link.keys.heartbeats(this.run), lookForLost]),
      );
      if (textOf(reply[0]) !== 'accepted' || this.#closed) return;
      const free = offersOf(reply[1]);
      const all = performance.now() - this.#offeredAt > offerAgainMs;
      if (all) this.#offeredAt = performance.now();
      await offers.add(sheet, free, all);
    } catch (error) {
      if (!link.closed) link.log.debug({ run: this.run }, `looking after seats: ${String(error)}`);
    } finally {
      this.#sweeping = false;
    }
  }
}

/** Offers as scripts write them: `slot offer`. */
export function offersOf(reply: Reply | undefined): readonly Offer[] {
  return listOf(reply).map((entry) => {
    const [slot, offer] = textOf(entry).split(' ').map(Number);
    return { slot: slot ?? 0, offer: offer ?? 0 };
  });
}

/** How long ago seats were heard of, from how long their signs of life last still; those of the dead have ended. */
function quietOf(lasting: readonly Reply[]): ReadonlyMap<SeatId, number> {
  const quiet = new Map<SeatId, number>();
  for (let at = 0; at < lasting.length; at += 2) {
    const seat = SeatId.parse(textOf(lasting[at]));
    quiet.set(seat, lifeMs.heartbeat - Math.max(0, numberOf(lasting[at + 1])));
  }
  return quiet;
}

function receiptOf(reply: readonly Reply[]): 'accepted' | 'fenced' | 'gone' {
  const outcome = textOf(reply[0]);
  return outcome === 'accepted' || outcome === 'gone' ? outcome : 'fenced';
}

/** The last `count` of a list that may begin with what was read before. */
function newest(entries: readonly Reply[], count: number): readonly Reply[] {
  return count <= 0 ? [] : entries.slice(-count);
}
