/**
 * How are leaves of a run computed here? The engine with the program on it, the shards' rows resident for as long as there is
 * room, and one evaluation at a time whose rows are written before its answers leave.
 */
import { unlessAborted } from '../abort.ts';
import { invariant } from '../errors.ts';
import type { Grid, Program } from '../kernels/sweep/program.ts';
import { type Entry, sumEntries } from '../partition/adding.ts';
import type { ShardRange } from '../partition/plan.ts';
import type { Iteration, LeafName } from '../protocol.ts';
import type {
  Engine,
  Evaluation,
  EvaluationPlan,
  EvaluationSink,
  Partial,
  Reals,
  RowOutputs,
  Session,
} from './engine/engine.ts';
import { Outbox } from './outbox.ts';
import type { RowStore } from './rows.ts';

/** A run as a worker holds it: the job read, compiled and cut into shards, the same on every worker. */
export interface Assignment {
  readonly program: Program;
  readonly shards: readonly ShardRange[];
  /** Where everything happens in time: the job's own grid, or that of the steps the sources accepted. */
  readonly gridOf: (times: Float64Array | null) => Grid;
  readonly planOf: (grid: Grid) => EvaluationPlan;
  /** Every tracer field and tracer `with` array of these rows, as `Session.bind` wants them. */
  readonly readRows: (shard: ShardRange) => Promise<ReadonlyMap<string, Reals>>;
  /** Bytes of one row of them. */
  readonly rowBytes: number;
  /** Bytes of rows that may be resident at once, known with the grid; more is read again every iteration. */
  readonly residentBytesMax: number | ((grid: Grid) => number);
  readonly rows: RowStore;
}

/** What an evaluation brings. */
export interface Taker {
  /**
   * Send answers away: when it resolves they are where the coordinator finds them. Their rows are written.
   *
   * @param tookMs - from when the work for them began until it was done
   */
  readonly post: (partials: readonly Partial[], tookMs: number) => Promise<void>;
  /** Tell how far the work is; at most once in a while. */
  readonly beat: () => Promise<void>;
  /** Told what begins now, for whoever debugs. */
  readonly doing: (what: 'compute' | 'read', leaves: readonly LeafName[]) => void;
}

/** Work done since the seat was taken. */
export interface Done {
  readonly blocks: number;
  readonly pairs: number;
}

export class Workbench implements AsyncDisposable {
  readonly #work: Assignment;
  readonly #engine: Engine;
  readonly #beatMs: number;
  readonly #resident = new Set<number>();
  #loaded: Loaded | null = null;
  #blocks = 0;

  /** @param beatMs - shortest time between two beats */
  constructor(work: Assignment, engine: Engine, beatMs: number) {
    this.#work = work;
    this.#engine = engine;
    this.#beatMs = beatMs;
  }

  get done(): Done {
    const counted = this.#loaded?.session.counters().pairs.values() ?? [];
    return { blocks: this.#blocks, pairs: [...counted].reduce((sum, count) => sum + count, 0) };
  }

  /** What each entry of S is: known with the first evaluation. */
  get entries(): readonly Entry[] {
    return this.#loaded?.entries ?? [];
  }

  /** Bytes of the rows that are on the device. */
  get residentBytes(): number {
    return [...this.#resident].reduce((bytes, leaf) => bytes + this.#bytesOf(leaf), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loaded?.session[Symbol.asyncDispose]();
    await this.#engine[Symbol.asyncDispose]();
  }

  /**
   * Answer leaves of an iteration, as many at a time as may be resident.
   *
   * @param withRows - whether their N-sized results are written where the iteration wants them
   * @throws the reason of `signal`, or whatever went wrong
   */
  async evaluate(
    iteration: Iteration,
    leaves: readonly LeafName[],
    withRows: boolean,
    taker: Taker,
    signal: AbortSignal,
  ): Promise<void> {
    const loaded = await this.#load(iteration);
    for (const some of this.#together(leaves)) {
      signal.throwIfAborted();
      const begunMs = performance.now();
      await this.#bind(loaded, some, taker, signal);
      const rows = withRows ? iteration.rows : noRows;
      await this.#answer(loaded, { ...iteration, rows }, { leaves: some, begunMs }, taker, signal);
    }
  }

  /** The program on the device; loaded at the first iteration, because only then the grid is known. */
  async #load({ times }: Iteration): Promise<Loaded> {
    if (this.#loaded !== null) return this.#loaded;
    const grid = this.#work.gridOf(times);
    const { residentBytesMax } = this.#work;
    const most = typeof residentBytesMax === 'number' ? residentBytesMax : residentBytesMax(grid);
    const session = await this.#engine.load(this.#work.program, this.#work.planOf(grid));
    const entries = sumEntries(this.#work.program, grid);
    this.#loaded = { session, grid, entries, residentBytesMax: most };
    return this.#loaded;
  }

  /**
   * Consecutive leaves whose rows may be resident together. Where not all may, groups are small: each is read before any of it is
   * computed, and until the first answer nobody knows how long the run will take.
   */
  #together(leaves: readonly LeafName[]): readonly (readonly LeafName[])[] {
    const groups: LeafName[][] = [[]];
    const sizeOf = (leaf: LeafName): number => (leaf === 'sources' ? 0 : this.#bytesOf(leaf));
    const room = this.#loaded?.residentBytesMax ?? 0;
    const fits = leaves.reduce<number>((sum, leaf) => sum + sizeOf(leaf), 0) <= room;
    const most = fits ? room : room / roundsMin;
    let bytes = 0;
    for (const leaf of leaves) {
      const more = sizeOf(leaf);
      if (bytes > 0 && bytes + more > most) {
        groups.push([]);
        bytes = 0;
      }
      bytes += more;
      groups.at(-1)?.push(leaf);
    }
    return groups;
  }

  #bytesOf(leaf: number): number {
    const { begin, end } = this.#shard(leaf);
    return (end - begin) * this.#work.rowBytes;
  }

  #shard(leaf: number): ShardRange {
    const shard = this.#work.shards[leaf];
    invariant(shard !== undefined, 'coordinator and worker cut the same job into the same shards');
    return shard;
  }

  /** Make these shards resident; others go when there is no room for both. */
  async #bind(
    loaded: Loaded,
    leaves: readonly LeafName[],
    { doing }: Taker,
    signal: AbortSignal,
  ): Promise<void> {
    const { session, residentBytesMax } = loaded;
    const wanted = leaves.filter((leaf) => leaf !== 'sources');
    const missing = wanted.filter((leaf) => !this.#resident.has(leaf));
    const together = [...this.#resident, ...missing].reduce((bytes, leaf) => bytes + this.#bytesOf(leaf), 0);
    if (together > residentBytesMax) {
      for (const leaf of [...this.#resident].filter((held) => !wanted.includes(held))) {
        await session.release(leaf);
        this.#resident.delete(leaf);
      }
    }
    for (const leaf of missing) {
      signal.throwIfAborted();
      doing('read', [leaf]);
      const shard = this.#shard(leaf);
      await session.bind(shard, await unlessAborted(this.#work.readRows(shard), signal));
      this.#resident.add(leaf);
    }
  }

  async #answer(
    { session, grid }: Loaded,
    { fields, sums, seeds, rows, phase }: Iteration,
    { leaves, begunMs }: { readonly leaves: readonly LeafName[]; readonly begunMs: number },
    taker: Taker,
    signal: AbortSignal,
  ): Promise<void> {
    const halt = new AbortController();
    const outbox = new Outbox(this.#work.rows, taker.post, (error) => halt.abort(error), begunMs);
    const want = phase === 'gradient' ? 'gradient' : 'sums';
    const request: Evaluation = { inputs: { grid, fields }, leaves, want, seeds, sums, rows };
    taker.doing('compute', leaves);
    let beaten = performance.now();
    const sink: EvaluationSink = {
      partial: (partial) => outbox.put(partial),
      rows: (data) => outbox.write(data),
      progress: (blocks) => {
        this.#blocks += blocks;
        if (performance.now() - beaten < this.#beatMs) return;
        beaten = performance.now();
        outbox.next(taker.beat);
      },
    };
    try {
      await session.evaluate(request, sink, AbortSignal.any([signal, halt.signal]));
    } catch (error) {
      // Rows that could not be written stop the evaluation, and are what the user should hear of.
      halt.signal.throwIfAborted();
      throw error;
    }
    // The last answer goes out after the last count, so that whoever hears that a phase is complete knows its pairs.
    outbox.next(taker.beat);
    // Rows that wait for room on the disk do so as long as it takes; nobody need wait with them once the leaves are with others.
    await unlessAborted(outbox.empty(), signal);
  }
}

/** Rounds at least in which rows are read that would fill what may be resident: rows that are read again every time, in any number. */
const roundsMin = 32;

/** The program on the device, where it happens in time, and how many bytes of rows it leaves room for. */
interface Loaded {
  readonly session: Session;
  readonly grid: Grid;
  readonly entries: readonly Entry[];
  readonly residentBytesMax: number;
}

const noRows: RowOutputs = { gradient: [], final: false, trajectory: [], values: false };
