/**
 * How do the parts of a statically divided job meet without a server? In a folder that all of them see: each part runs the
 * same coordinator, answers its own leaves, and reads what the others answered.
 *
 *   <folder>/class                                  numerics class, version and number of parts, by the first who came
 *   <folder>/<number>-<phase>-<digest>/<id>.frame   answers that were posted together
 *
 * A file is written under a name that nobody reads, synced, and renamed. What is there when a phase begins was answered
 * before: a part that is started again takes its own answers up like those of others. A phase and its parameters are in the
 * folder's name, and an answer depends on nothing else, so no answer can be to another question.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join as joined } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SkewflowError } from '../errors.ts';
import type { Iteration, Join, LeafName, Posting, SeatPlan } from '../protocol.ts';
import { Bell } from './bell.ts';
import type { Desk, DeskEvent, Exchange, Seat } from './exchange.ts';
import { decodePostings, encodePostings } from './frames/postings.ts';
import { inProcessExchange } from './in-process.ts';

export interface FolderOptions {
  /** This job's, and nobody else's. */
  readonly folder: string;
  readonly jobDigest: string;
  /** Whether a leaf is answered here. */
  readonly isOwn: (leaf: LeafName) => boolean;
  /** Of all processes: parts of another division do not belong here. */
  readonly parts: number;
}

/** Between two looks at the folder: the first, and the longest; each is half as long again as the one before. */
const lookMs = 10;
const lookMsMax = 250;
const suffix = '.frame';

/** An exchange for one part of a job; its desk hears of the leaves of all parts. */
export function folderExchange(options: FolderOptions): Exchange {
  const inner = inProcessExchange();
  const desks: FolderDesk[] = [];
  return {
    open: async (sheet, epochMin) => {
      const desk = new FolderDesk(await inner.open(sheet, epochMin), options);
      desks.push(desk);
      return desk;
    },
    lease: async (signal) => publicSeat(await inner.lease(signal), options),
    [Symbol.asyncDispose]: async () => {
      for (const desk of desks) desk.close();
      await inner[Symbol.asyncDispose]();
    },
  };
}

/** A seat whose answers the other parts find in the folder before the desk here has them. */
function publicSeat(seat: Seat, options: FolderOptions): Seat {
  return {
    ...seat,
    // Of two processes that take themselves for the same part, each would add its own leaves: files could then overlap.
    combines: false,
    join: async (join) => {
      await refuseOtherClass(join, options);
      await seat.join(join);
    },
    post: async (postings) => {
      const [first] = postings;
      if (first !== undefined) {
        const folder = questionFolder(options.folder, first);
        await writeWhole(folder, `${randomUUID()}${suffix}`, encodePostings(postings, options.jobDigest));
      }
      return seat.post(postings);
    },
  };
}

class FolderDesk implements Desk {
  readonly #inner: Desk;
  readonly #options: FolderOptions;
  readonly #events: DeskEvent[] = [];
  /** Answers from before this part's worker was there: nothing is added until it is known to be of the others' class. */
  #held: DeskEvent[] | null = [];
  readonly #happened = new Bell();
  readonly #closed = new AbortController();
  /** Stops looking for answers to the question before. */
  #asked = new AbortController();
  #folder = '';
  /** Files of the question that were read, and the leaves that were answered in them or here. */
  #read = new Set<string>();
  #answered = new Set<LeafName>();

  constructor(inner: Desk, options: FolderOptions) {
    this.#inner = inner;
    this.#options = options;
    void this.#pump();
  }

  get run(): Desk['run'] {
    return this.#inner.run;
  }

  get epoch(): number {
    return this.#inner.epoch;
  }

  async publish(iteration: Iteration, plan?: SeatPlan): ReturnType<Desk['publish']> {
    const folder = questionFolder(this.#options.folder, iteration);
    if (folder !== this.#folder) {
      this.#asked.abort();
      this.#asked = new AbortController();
      this.#folder = folder;
      this.#read = new Set();
      this.#answered = new Set();
      await mkdir(folder, { recursive: true });
      // What was answered before is known before anything is given out.
      await this.#look();
      void this.#watch(this.#asked.signal);
    }
    return await this.#inner.publish(iteration, plan && this.#own(plan));
  }

  assign(plan: SeatPlan): ReturnType<Desk['assign']> {
    return this.#inner.assign(this.#own(plan));
  }

  standing(): ReturnType<Desk['standing']> {
    return this.#inner.standing();
  }

  dismiss(...args: Parameters<Desk['dismiss']>): ReturnType<Desk['dismiss']> {
    return this.#inner.dismiss(...args);
  }

  async events(signal: AbortSignal): Promise<readonly DeskEvent[]> {
    while (this.#events.length === 0) await this.#happened.wait(signal);
    signal.throwIfAborted();
    return this.#events.splice(0);
  }

  end(...args: Parameters<Desk['end']>): ReturnType<Desk['end']> {
    this.#asked.abort();
    return this.#inner.end(...args);
  }

  close(): void {
    this.#asked.abort();
    this.#closed.abort();
  }

  /** As much of a plan as is answered here, and was not answered before. */
  #own(plan: SeatPlan): SeatPlan {
    const isOpen = (leaf: LeafName): boolean => this.#options.isOwn(leaf) && !this.#answered.has(leaf);
    const leaves = [...plan.leaves].map(([seat, all]) => [seat, all.filter(isOpen)] as const);
    return { ...plan, leaves: new Map(leaves) };
  }

  /** What happens in this process. */
  async #pump(): Promise<void> {
    const { signal } = this.#closed;
    try {
      while (!signal.aborted) {
        for (const event of await this.#inner.events(signal)) {
          if (event.kind === 'posted') this.#hear(event.posting);
          else this.#tell(event);
        }
      }
    } catch (error) {
      if (!signal.aborted) this.#happened.close(error);
    }
  }

  /** What happens in others, until the question is another one. */
  async #watch(signal: AbortSignal): Promise<void> {
    try {
      for (let ms = lookMs; !signal.aborted; ) {
        await sleep(ms, undefined, { signal });
        ms = (await this.#look()) ? lookMs : Math.min(lookMsMax, ms * 1.5);
      }
    } catch (error) {
      if (!signal.aborted) this.#happened.close(error);
    }
  }

  /** Read what is new; whether anything was. */
  async #look(): Promise<boolean> {
    const folder = this.#folder;
    const read = this.#read;
    const names = await readdir(folder);
    const fresh = names.filter((name) => name.endsWith(suffix) && !read.has(name));
    for (const name of fresh) {
      const postings = decodePostings(await readFile(joined(folder, name)), this.#options.jobDigest);
      // The question may be another one by now.
      if (folder !== this.#folder) return false;
      read.add(name);
      for (const posting of postings) this.#hear(posting);
    }
    return fresh.length > 0;
  }

  /** The first answer to a leaf counts; those of this process come twice, by its seat and by the folder. */
  #hear(posting: Posting): void {
    if (questionFolder(this.#options.folder, posting) !== this.#folder) return;
    if (this.#answered.has(posting.leaf)) return;
    this.#answered.add(posting.leaf);
    this.#tell({ kind: 'posted', posting });
  }

  #tell(event: DeskEvent): void {
    if (event.kind === 'posted' && this.#held !== null) {
      this.#held.push(event);
      return;
    }
    this.#events.push(event);
    if (event.kind === 'joined' && this.#held !== null) {
      this.#events.push(...this.#held);
      this.#held = null;
    }
    this.#happened.ring();
  }
}

function questionFolder(
  folder: string,
  { number, phase, parameterDigest }: Pick<Iteration, 'number' | 'parameterDigest' | 'phase'>,
): string {
  return joined(folder, `${number}-${phase}-${parameterDigest}`);
}

/**
 * Bits of two numerics classes must not meet in one sum, and parts of another division would leave gaps.
 *
 * @throws UsageError when those who came before are others
 */
async function refuseOtherClass(
  { numerics, version, protocolVersion }: Join,
  { folder, parts }: FolderOptions,
): Promise<void> {
  const ours = `${numerics}, skewflow ${version}, protocol ${protocolVersion}, ${parts} parts\n`;
  const aside = `.${randomUUID()}`;
  await writeWhole(folder, aside, Buffer.from(ours));
  const claim = joined(folder, 'class');
  // Of several at once, one makes the name.
  await link(joined(folder, aside), claim).catch(() => {});
  await rm(joined(folder, aside), { force: true });
  const theirs = await readFile(claim, 'utf8');
  if (theirs === ours) return;
  throw new SkewflowError(
    'UsageError',
    `${folder}: the parts of one run are all alike; here is ${ours.trim()}, and there was ${theirs.trim()}`,
  );
}

async function writeWhole(folder: string, name: string, bytes: Buffer): Promise<void> {
  await mkdir(folder, { recursive: true });
  const aside = joined(folder, `.${name}.${randomUUID()}`);
  const file = await open(aside, 'wx');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, joined(folder, name));
}
