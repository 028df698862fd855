/**
 * What did a fault hit, and what came of it? A fault counts when it hit work, and that is looked at twice: where the process
 * was to its last line, and from the coordinators' log whose answer of that shard was taken afterwards.
 */
import { leavesOfText } from '../../src/exchange/redis/plan-text.ts';
import type { Line, Phase, WorkerPosition } from './position.ts';
import { phaseOf } from './position.ts';

const faults = [
  'worker-kill',
  'worker-freeze',
  'worker-drain',
  'coordinator-kill',
  'redis-restart',
  'link-cut',
] as const;
export type Fault = (typeof faults)[number];

/** A fault that met a worker at work. */
interface Open {
  readonly fault: Fault;
  readonly at: WorkerPosition;
  readonly time: number;
  readonly phase: Phase;
  /** Those in the phase. */
  readonly shards: readonly number[];
  /** Nothing else of its run was struck before they were answered. */
  alone: boolean;
}

/** A leaf of an iteration of a run. */
const keyOf = (run: string | null | undefined, iteration: number, shard: number): string =>
  `${run} ${iteration} ${shard}`;

/** Those that a worker had begun. */
const leavesOf = ({ at, shards }: Pick<Open, 'at' | 'shards'>): readonly string[] =>
  [...new Set([...shards, ...at.held])].map((shard) => keyOf(at.run, at.iteration, shard));

export class Strikes {
  /** Faults that hit work, by the phase they hit; null: none of the six, or of all processes at once. */
  readonly hits = new Map<Fault, Map<Phase | null, number>>();
  /** Milliseconds from a fault, or from the end of it, until something goes on. */
  readonly times = new Map<string, number[]>();
  missed = 0;
  /** Kills in phase `post` whose answer had arrived. */
  arrived = 0;
  readonly #say: (line: string) => void;
  readonly #open = new Set<Open>();
  readonly #answers = new Map<string, { readonly time: number; readonly seat: string }>();
  /** How often a leaf was struck: a leaf that takes three workers along is given up, as promised. */
  readonly #struck = new Map<string, number>();
  readonly #strikesOf = new Map<string, number>();
  /** Faults under way that hit all runs. */
  #disturbances = 0;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  get total(): number {
    return [...this.hits.keys()].reduce((sum, fault) => sum + this.of(fault), 0);
  }

  of(fault: Fault): number {
    return [...(this.hits.get(fault)?.values() ?? [])].reduce((sum, n) => sum + n, 0);
  }

  /** Hits of a phase, by whatever fault. */
  in(phase: Phase): number {
    return [...this.hits.values()].reduce((sum, phases) => sum + (phases.get(phase) ?? 0), 0);
  }

  /** Whether this worker is at work that may be struck. */
  mayStrike(at: WorkerPosition): boolean {
    const here = phaseOf(at);
    if (here === null) return false;
    return [...here.shards, ...at.held].every((shard) => {
      const key = keyOf(at.run, at.iteration, shard);
      return !this.#answers.has(key) && (this.#struck.get(key) ?? 0) < 2;
    });
  }

  /** How often a run was struck so far; null: something that was struck is not answered yet. */
  quiet(run: string): number | null {
    const waiting = [...this.#open].some(({ at }) => at.run === run);
    return waiting ? null : (this.#strikesOf.get(run) ?? 0);
  }

  /** Something hits all runs until it is over. */
  async disturb<T>(over: () => Promise<T>): Promise<T> {
    for (const open of this.#open) open.alone = false;
    this.#disturbances += 1;
    try {
      return await over();
    } finally {
      this.#disturbances -= 1;
    }
  }

  /** A worker was struck there; what came of it is said when it is known. */
  struck(fault: Fault, at: WorkerPosition, time: number): void {
    const here = phaseOf(at);
    if (here === null) {
      this.missed += 1;
      return;
    }
    this.#strikesOf.set(at.run ?? '', (this.#strikesOf.get(at.run ?? '') ?? 0) + 1);
    for (const key of leavesOf({ at, ...here })) this.#struck.set(key, (this.#struck.get(key) ?? 0) + 1);
    // Whoever is to take the one's leaves over may be the other.
    const others = [...this.#open].filter((open) => open.at.run === at.run);
    for (const other of others) other.alone = false;
    const open: Open = { fault, at, time, alone: others.length === 0 && this.#disturbances === 0, ...here };
    this.#open.add(open);
    this.#look(open);
  }

  /** A coordinator took the answer of these shards. */
  answered({ run, iteration = 0, shards = '', seat = '', time }: Line): void {
    for (const shard of leavesOfText(shards)) {
      const key = keyOf(run, iteration, Number(shard));
      if (!this.#answers.has(key)) this.#answers.set(key, { time, seat });
    }
    for (const open of this.#open) if (open.at.run === run) this.#look(open);
  }

  /** A run is over: what has not come by now never will. */
  over(run: string): void {
    for (const open of this.#open) if (open.at.run === run) this.#close(open, null);
  }

  count(fault: Fault, phase: Phase | null): void {
    const phases = this.hits.get(fault) ?? new Map<Phase | null, number>();
    this.hits.set(fault, phases.set(phase, (phases.get(phase) ?? 0) + 1));
  }

  took(what: string, ms: number): void {
    this.times.set(what, [...(this.times.get(what) ?? []), ms]);
  }

  /** Close it when every shard that was held has an answer. */
  #look(open: Open): void {
    const answers = leavesOf(open).map((key) => this.#answers.get(key));
    const known = answers.flatMap((answer) => answer ?? []);
    if (known.length === answers.length) this.#close(open, Math.max(...known.map(({ time }) => time)));
  }

  #close(open: Open, done: number | null): void {
    this.#open.delete(open);
    const { fault, at, time, phase, shards, alone } = open;
    const answers = shards.map((shard) => this.#answers.get(keyOf(at.run, at.iteration, shard)));
    // Work that somebody else had done before, or that nobody wanted any more, is no work.
    const wanted = answers.some((answer) => answer !== undefined && answer.time >= time);
    const others = answers.some((answer) => answer !== undefined && answer.seat !== at.seat);
    if (done === null || !wanted || (!others && phase !== 'post')) {
      this.missed += 1;
      return;
    }
    this.count(fault, phase);
    if (!others) this.arrived += 1;
    else if (alone) this.took(`${fault} → its shards committed`, done - time);
    const ends = others
      ? `redone by seat ${answers.map((answer) => answer?.seat).join(', ')} after ${done - time} ms${alone ? ', alone' : ''}`
      : 'its answer had arrived';
    this.#say(
      `${fault}: run ${at.run} iteration ${at.iteration} shard ${shards.join(', ')} ${phase}, seat ${at.seat}: ${ends}`,
    );
  }
}
