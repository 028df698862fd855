/** What can happen to a process and its link to the store? It stops, sleeps, loses the link; messages take their time. */
import type { Chance } from './chance.ts';
import type { Timeline } from './timeline.ts';

export class Node {
  readonly name: string;
  readonly #timeline: Timeline;
  readonly #chance: Chance;
  /** Counts its lives: what was planned in an earlier one does not happen. */
  life = 0;
  #frozenUntil = 0;
  #cutUntil = 0;

  constructor(name: string, timeline: Timeline, chance: Chance) {
    this.name = name;
    this.#timeline = timeline;
    this.#chance = chance;
  }

  get now(): number {
    return this.#timeline.now;
  }

  /** SIGKILL. What it sent is under way still. */
  die(): void {
    this.life += 1;
  }

  /** SIGSTOP, and SIGCONT so much later. */
  freeze(ms: number): void {
    this.#frozenUntil = Math.max(this.#frozenUntil, this.now + ms);
  }

  cut(ms: number): void {
    this.#cutUntil = Math.max(this.#cutUntil, this.now + ms);
  }

  get isCut(): boolean {
    return this.#cutUntil > this.now;
  }

  /** Something this process does later, if it lives then, and not while it is frozen. */
  later(ms: number, what: () => void): void {
    this.#later(ms, this.life, what);
  }

  #later(ms: number, life: number, what: () => void): void {
    this.#timeline.after(ms, () => {
      if (this.life !== life) return;
      if (this.#frozenUntil <= this.now) what();
      else this.#later(this.#frozenUntil - this.now, life, what);
    });
  }

  /**
   * Ask the store: the request arrives some time after, perhaps twice, and the answer some time after that. Over a link
   * that is cut both wait until it is not.
   */
  call<T>(request: () => T, reply: (answer: T) => void, twice = 0): void {
    this.#arrive(this.#chance.within(1, 12), this.life, request, reply, twice);
  }

  #arrive<T>(ms: number, life: number, request: () => T, reply: (answer: T) => void, twice: number): void {
    this.#timeline.after(ms, () => {
      if (this.isCut) {
        // What a dead process had not sent is lost.
        if (this.life === life) this.#arrive(this.#cutUntil - this.now, life, request, reply, twice);
        return;
      }
      const answer = request();
      if (twice > 0 && this.#chance.happens(twice))
        this.#timeline.after(this.#chance.within(1, 900), request);
      this.#answer(life, answer, reply);
    });
  }

  /** Nobody else hears an answer than the life that asked. */
  #answer<T>(life: number, answer: T, reply: (answer: T) => void): void {
    this.#later(this.#chance.within(1, 12), life, () => {
      if (this.isCut) this.#later(this.#cutUntil - this.now, life, () => reply(answer));
      else reply(answer);
    });
  }
}
