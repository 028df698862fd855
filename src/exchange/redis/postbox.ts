/**
 * How do the seats of one process post? What they have to say in one turn of the event loop goes as one command: where hundreds of
 * seats answer at once, commands cost more than answers.
 */
import type { RunId } from '../../protocol.ts';
import { pieceBytes } from '../frames/limits.ts';
import * as frequent from './frequent-scripts.ts';
import type { Link } from './link.ts';
import { type Argument, listOf, type Reply } from './script.ts';

interface Waiting {
  readonly args: readonly Argument[];
  readonly bytes: number;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
}

export class Postbox {
  readonly #link: Link;
  readonly #keys: readonly string[];
  #waiting: Waiting[] = [];

  constructor(link: Link, run: RunId) {
    this.#link = link;
    this.#keys = frequent.postKeys.map((name) => link.keys.of(run, name));
  }

  /**
   * What the store says of one frame of answers.
   *
   * @param args - of the script `post`, for one seat
   * @param bytes - of the frame, as far as it goes with the command
   */
  post(args: readonly Argument[], bytes: number): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) process.nextTick(() => this.#postAll());
      this.#waiting.push({ args, bytes, resolve, reject });
    });
  }

  #postAll(): void {
    let together: Waiting[] = [];
    let bytes = 0;
    for (const waiting of this.#waiting) {
      // Redis serves nobody else meanwhile.
      if (bytes + waiting.bytes > pieceBytes && together.length > 0) {
        this.#send(together);
        together = [];
        bytes = 0;
      }
      together.push(waiting);
      bytes += waiting.bytes;
    }
    this.#waiting = [];
    this.#send(together);
  }

  #send(together: readonly Waiting[]): void {
    const args = together.flatMap((one) => [one.args.length, ...one.args]);
    this.#link.run(frequent.post, this.#keys, args).then(
      (replies) => {
        const all = listOf(replies);
        for (const [n, { resolve }] of together.entries()) resolve(all[n] ?? null);
      },
      (error: unknown) => {
        for (const { reject } of together) reject(error);
      },
    );
  }
}
