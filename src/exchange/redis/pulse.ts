/**
 * How do the seats of one process say that they live? Together: a beat waits a moment for those of others, or for an answer that
 * takes it along, because hundreds of seats with a command each second would keep everybody busy.
 */
import type { RunId, SeatId } from '../../protocol.ts';
import * as frequent from './frequent-scripts.ts';
import { lifeMs } from './keys.ts';
import type { Link } from './link.ts';
import { listOf } from './script.ts';

/** A worker is heard of every so often; not for `lifeMs.heartbeat`, and its seat is lost. */
export const heartbeatMs = 1000;
/** How long a beat waits for company, in milliseconds: it must not look as if one had been missed. */
const companyMs = 100;

/** A seat that has to be heard of. */
export interface Speaker {
  readonly id: SeatId;
  readonly heartbeat: string;
  /** Whether it was heard of just now without this. */
  readonly isHeard: () => boolean;
  /** What it has to tell beside that it lives; null: nothing. */
  readonly takeBeat: () => Buffer | null;
  /** Whether it is held, as the store says. */
  readonly heed: (held: boolean) => void;
}

export class Pulse {
  readonly #link: Link;
  readonly #keys: readonly string[];
  readonly #speakers = new Set<Speaker>();
  readonly #signs: NodeJS.Timeout;
  #soon: NodeJS.Timeout | null = null;

  constructor(link: Link, run: RunId) {
    this.#link = link;
    this.#keys = frequent.beatKeys.map((name) => link.keys.of(run, name));
    this.#signs = setInterval(() => this.#speak((speaker) => !speaker.isHeard()), heartbeatMs);
  }

  add(speaker: Speaker): void {
    this.#speakers.add(speaker);
  }

  remove(speaker: Speaker): void {
    this.#speakers.delete(speaker);
  }

  /** A beat waits. */
  soon(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = null;
      this.#speak(() => false);
    }, companyMs);
  }

  close(): void {
    this.#speakers.clear();
    clearInterval(this.#signs);
    if (this.#soon !== null) clearTimeout(this.#soon);
  }

  /** Tell what beats wait, and of whoever else is to be heard of that it lives. */
  #speak(isDue: (speaker: Speaker) => boolean): void {
    if (this.#link.unreachableMs > 0 || this.#link.closed) return;
    const speaking: Speaker[] = [];
    const args: (Buffer | number | string)[] = [];
    for (const speaker of this.#speakers) {
      const beat = speaker.takeBeat();
      if (beat === null && !isDue(speaker)) continue;
      speaking.push(speaker);
      args.push(speaker.id, speaker.heartbeat, lifeMs.heartbeat, beat ?? '');
    }
    if (speaking.length === 0) return;
    this.#link.run(frequent.beat, this.#keys, args).then(
      (reply) => {
        const held = listOf(reply);
        for (const [n, { heed }] of speaking.entries()) heed(held[n] === 1);
      },
      () => {}, // the next one is due in a second
    );
  }
}
